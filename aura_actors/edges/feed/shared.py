"""What all sessions of one feed have in common: options, sources, counters, and who listens to which topic.

Owns no behaviour beyond that registry; it exists so that a session need not know the feed that made it.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from aura_actors.edges.feed.desk import Desk
from aura_actors.edges.feed.frames import FrameCache
from aura_actors.kernel.bus import Bus
from aura_actors.kernel.latest import Latest
from aura_actors.messages.topics import Publication

MAX_INTERVAL_MS = 60_000


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session waits, in seconds."""

    handshake: float = 5.0
    send: float = 5.0
    """For one whole frame to be taken by the peer."""
    heartbeat: float = 10.0
    """Of silence, before a subscribed client is told that we live."""
    ping: float = 20.0
    """Between the pings."""
    pong: float = 10.0
    close: float = 0.4
    """For each step of the end: the frame under way, the close frame, the peer's answer."""
    leave: float = 1.0
    """When all of us end: for admission to hear of a connection's end."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a client may ask of us."""

    max_clients: int = 256
    max_clients_per_address: int = 64
    max_message_bytes: int = 4096
    max_waiting: int = 256
    """Acquires of one session that wait at once."""
    max_leases: int = 1024
    """That one session holds or asks for."""
    event_capacity: int = 256
    """Unread events per client before it is disconnected."""
    send_buffer_bytes: int = 64 * 1024
    """In the kernel, per client: more would only delay the moment when old values are replaced by new ones."""


class Counters(msgspec.Struct):
    """Counted by all sessions together."""

    accepted: int = 0
    frames_sent: int = 0
    conflated: int = 0
    slow: int = 0
    refused: int = 0


class Subscriber(Protocol):
    """A session, as the feed sees it."""

    def offer(self, publication: Publication) -> None:
        """Take a newer publication of a topic; never waits."""

    def end(self, code: int, reason: str = "") -> None:
        """Ask it to close."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """One per feed."""

    topics: Mapping[str, Latest[Publication | None]]
    events: Bus[Publication]
    sampler_interval_seconds: float
    deadlines: Deadlines
    limits: Limits
    hello: bytes
    """The first frame of every connection."""
    heartbeat: bytes
    frames: FrameCache
    counters: Counters
    desk: Desk
    subscribers: dict[str, dict[Subscriber, None]]
    """By topic, in the order of subscription."""

    def every(self, interval_ms: int) -> int:
        """The interval as "every n-th publication"."""
        return max(1, round(interval_ms / 1000 / self.sampler_interval_seconds))
