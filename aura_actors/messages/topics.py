"""What the publisher hands to the edges: for each topic the last publication, encoded once.

Owns the shapes between the publisher, whom it hears and whoever serves it; knows neither HTTP nor WebSocket.
"""

from collections.abc import Mapping

import msgspec

from aura_actors.kernel.latest import Latest


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """One publication of one topic. `seq` grows by one with each."""

    topic: str
    seq: int
    data: bytes
    """The public Struct as JSON: what HTTP answers."""
    payload: bytes
    """The whole feed frame as JSON text, `data` included."""
    is_event: bool = False
    """Something that happened, which no listener may miss; else a whole state, where the newest is enough."""


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of the runtime holds in memory, as far as it counts it itself."""

    name: str
    allocated_bytes: int
    active_instances: int


Topics = Mapping[str, Latest[Publication | None]]
