"""A message that asks. It carries the type of its reply, so that `await ref.ask(request)` types itself.

Owns nothing else: where the reply goes is the envelope's business.
"""

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R", covariant=True)


class Request(msgspec.Struct, Generic[R], frozen=True):
    """Base of every message that expects a reply of type `R`."""
