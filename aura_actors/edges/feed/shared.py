"""What all sessions of one feed have in common: options, sources, counters, and who listens to which topic.

Owns no behaviour beyond that registry; it exists so that a session need not know the feed that made it.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from aura_actors.edges.feed.agenda import Agenda
from aura_actors.edges.feed.desk import Desk
from aura_actors.edges.feed.frames import Framed
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.topics import Publication
from aura_actors.wire import feed as wire

MAX_INTERVAL_MS = 60_000


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session waits, in seconds."""

    handshake: float = 5.0
    send: float = 5.0
    """For the peer to take another 64 KiB of a frame, or the rest of it."""
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
    """Events that were not sent yet, per client, before it is disconnected."""
    send_buffer_bytes: int = 64 * 1024
    """In the kernel, per client: more would only delay the moment when old values are replaced by new ones."""


class Counters(msgspec.Struct):
    """Counted by all sessions together."""

    accepted: int = 0
    frames_sent: int = 0
    bytes_sent: int = 0
    waited: int = 0
    """Frames that a client's socket did not take at once."""
    conflated: int = 0
    recovered: int = 0
    unrecovered: int = 0
    slow: int = 0
    refused: int = 0

    def count_resumed(self, recovered: bool) -> None:
        """A client came back to a topic, and missed nothing, or was told that it did."""
        self.recovered += recovered
        self.unrecovered += not recovered


class Subscriber(Protocol):
    """A session, as the feed sees it. Nothing here waits."""

    def offer(self, publication: Framed, now: float) -> bool:
        """Take a newer publication of a topic; True if it was sent at once, which the caller then counts."""

    def miss(self) -> None:
        """An event is no longer there to be taken."""

    def look(self, now: float) -> float:
        """Do what time demands, and say when to look again."""

    def end(self, code: int, reason: str = "") -> None:
        """Ask it to close."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """One per feed."""

    epoch: str
    backlog: Backlog
    sampler_interval_seconds: float
    deadlines: Deadlines
    limits: Limits
    hello: Callable[[], bytes]
    """The first frame of a connection that begins now."""
    heartbeat: bytes
    counters: Counters
    agenda: Agenda[Subscriber]
    desk: Desk
    subscribers: dict[str, dict[Subscriber, None]]
    """By topic, in the order of subscription."""

    def every(self, interval_ms: int) -> int:
        """The interval as "every n-th publication"."""
        return max(1, round(interval_ms / 1000 / self.sampler_interval_seconds))

    def missed(self, topic: str, since: wire.Since) -> list[Publication] | None:
        """What was published since a client left off, in order; None where that cannot be said."""
        return self.backlog.after(topic, since.seq) if since.epoch == self.epoch else None
