"""Frames of the WebSocket feed, both ways. Server frames carry `type`; so do the client's.

Owns the vocabulary of subscribing and publishing; what a session says about leases is in `session`. `data` of a
snapshot is one of the public Structs, encoded once, so it stands here as raw JSON.
"""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aura_actors.wire.admission import Problem
from aura_actors.wire.metrics import Wire
from aura_actors.wire.session import Asked, FrameId

Topic = Literal["system", "process", "utilization", "admission", "providers", "cleanup", "alerts", "actors"]
TOPICS: tuple[Topic, ...] = (
    "system", "process", "utilization", "admission", "providers", "cleanup", "alerts", "actors",
)  # fmt: skip


class Limits(Wire, frozen=True, kw_only=True):
    """What a client may do here."""

    max_message_bytes: int
    min_interval_ms: int
    max_interval_ms: int
    heartbeat_seconds: float
    max_waiting: int
    """Acquires that may wait at once."""
    max_leases: int
    """Leases that may be held at once."""


class Hello(Wire, frozen=True, kw_only=True, tag="hello"):
    """First frame on every connection; nothing follows until the client subscribes."""

    epoch: str
    """Random per start of the runtime: `seq` of another epoch means nothing here."""
    topics: list[str]
    limits: Limits
    ts: dt.datetime | UnsetType = UNSET
    """Now, by the server's clock; older servers do not tell. What follows may have been published long ago."""


class Subscribed(Wire, frozen=True, kw_only=True, tag="subscribed"):
    """Answer to subscribe and unsubscribe: every topic now held."""

    topics: list[str]
    recovered: dict[str, bool]


class Heartbeat(Wire, frozen=True, kw_only=True, tag="heartbeat"):
    """Sent after 10 s of silence, because browsers cannot see pings."""


class ErrorFrame(Wire, frozen=True, kw_only=True, tag="error"):
    """The client's frame was not carried out; the connection stays."""

    pointer: str
    detail: str
    id: FrameId | UnsetType = UNSET
    """Of the frame, where it had one."""
    problem: Problem | UnsetType = UNSET
    """What HTTP would have answered, where admission was asked."""


class Frame(Wire, frozen=True, kw_only=True):
    """One publication of one topic. `seq` grows by one with each, so a gap says what this client was not sent."""

    topic: str
    epoch: str
    seq: int
    ts: dt.datetime
    data: msgspec.Raw


class Snapshot(Frame, frozen=True, kw_only=True, tag="snapshot"):
    """The whole state of a topic; only the newest matters."""


class Event(Frame, frozen=True, kw_only=True, tag="event"):
    """Something that happened; none is ever left out."""


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a client left off in one topic."""

    epoch: str
    seq: Annotated[int, Meta(ge=0)]


class Subscribe(
    msgspec.Struct, frozen=True, kw_only=True, tag="subscribe", forbid_unknown_fields=True, rename="camel"
):
    """Client: send me these topics, at most once per `intervalMs`."""

    topics: Annotated[list[str], Meta(min_length=1, max_length=32)]
    interval_ms: Annotated[int, Meta(ge=1, le=60_000)] | UnsetType = UNSET
    since: dict[str, Since] | UnsetType = UNSET


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, tag="unsubscribe", forbid_unknown_fields=True):
    """Client: no longer these topics."""

    topics: Annotated[list[str], Meta(min_length=1, max_length=32)]


ClientFrame = Subscribe | Unsubscribe | Asked
