"""Trio's default thread limiter, lent to whatever runtimes a program has open: the tuner of each resizes it.

Owns that the program has its own size back when the last of them has ended, in whatever order they end. Refuses to
know who resizes it, and why.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import trio


class _Lent(msgspec.Struct):
    """To how many runtimes, and the size that the program had given it."""

    runtimes: int
    size_before: float


_lent: trio.lowlevel.RunVar[_Lent | None] = trio.lowlevel.RunVar("default threads lent", None)


@contextmanager
def default_threads_lent() -> Iterator[None]:
    """For the time of a block, to one runtime more."""
    limiter = trio.to_thread.current_default_thread_limiter()
    lent = _lent.get()
    if lent is None or not lent.runtimes:
        lent = _Lent(runtimes=0, size_before=limiter.total_tokens)
        _lent.set(lent)
    lent.runtimes += 1
    try:
        yield
    finally:
        lent.runtimes -= 1
        if not lent.runtimes:
            limiter.total_tokens = lent.size_before
