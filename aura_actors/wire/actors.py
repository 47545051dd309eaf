"""The supervision tree as JSON: `GET /api/actors` and the feed topic `actors`, with its two kinds of events."""

import datetime as dt

from aura_actors.wire.metrics import Wire


class Crash(Wire, frozen=True, kw_only=True):
    """The last time a child ended with an error."""

    at: dt.datetime
    error: str
    """The exception's type and text."""


class Mailbox(Wire, frozen=True, kw_only=True):
    """What waits for an actor."""

    depth: int
    high_water: int
    capacity: int
    handled: int
    refused: int
    dropped: int
    handler_seconds: float
    """Time spent in the handler since start."""


class ActorNode(Wire, frozen=True, kw_only=True):
    """One supervised child: an actor, a server or another supervisor."""

    name: str
    state: str
    generation: int
    restarts: int
    last_crash: Crash | None
    mailbox: Mailbox | None
    children: "list[ActorNode]"


class Actors(Wire, frozen=True, kw_only=True):
    """`GET /api/actors`."""

    root: ActorNode
    dead_letters: int
    """Messages that nobody will handle, since start."""


class Crashed(Wire, frozen=True, kw_only=True, tag_field="event", tag="crashed"):
    """Event: a child ended with an error. `retrySeconds` is null where it is not started again."""

    child: str
    generation: int
    error: str
    retry_seconds: float | None


class DeadLetter(Wire, frozen=True, kw_only=True):
    """A message that nobody will handle."""

    actor: str
    message: str
    """Its type; what it said may be secret."""
    reason: str


class DeadLetters(Wire, frozen=True, kw_only=True, tag_field="event", tag="deadLetters"):
    """Event: `count` messages were lost since the last such event; `latest` are the newest of them, 20 at most."""

    count: int
    latest: list[DeadLetter]
