"""The supervision tree as JSON: `GET /api/actors` and the feed topic `actors`, with its two kinds of events."""

import datetime as dt

from aura_actors.wire.metrics import Wire


class Crash(Wire, frozen=True, kw_only=True):
    """The last time a child ended with an error."""

    at: dt.datetime
    """When it happened."""
    error: str
    """The exception's type and text."""


class Mailbox(Wire, frozen=True, kw_only=True):
    """What waits for an actor."""

    depth: int
    """Messages that wait now."""
    high_water: int
    """The most that ever waited."""
    capacity: int
    """The most that may wait."""
    handled: int
    """Messages handled since start."""
    refused: int
    """Messages not taken in because it was full."""
    dropped: int
    """Old messages given up for newer ones."""
    handler_seconds: float
    """Time spent in the handler since start."""


class ActorNode(Wire, frozen=True, kw_only=True):
    """One supervised child: an actor, a server or another supervisor."""

    name: str
    """Unique below its parent."""
    state: str
    """waiting, starting, running, backoff (it will be started again), stopping or stopped."""
    generation: int
    """1, and one more with each restart."""
    restarts: int
    """Since start."""
    last_crash: Crash | None
    """null where it never ended with an error."""
    mailbox: Mailbox | None
    """null where it is no actor."""
    children: "list[ActorNode]"
    """What it supervises."""


class Actors(Wire, frozen=True, kw_only=True):
    """`GET /api/actors`."""

    root: ActorNode
    """The whole runtime."""
    dead_letters: int
    """Messages that nobody will handle, since start."""


class Crashed(Wire, frozen=True, kw_only=True, tag_field="event", tag="crashed"):
    """Event: a child ended with an error. `retrySeconds` is null where it is not started again."""

    child: str
    """Its name."""
    generation: int
    """Of the incarnation that ended."""
    error: str
    """The exception's type and text."""
    retry_seconds: float | None
    """When it is started again."""


class DeadLetter(Wire, frozen=True, kw_only=True):
    """A message that nobody will handle."""

    actor: str
    """Whom it was sent to."""
    message: str
    """Its type; what it said may be secret."""
    reason: str
    """Why nobody will handle it."""


class DeadLetters(Wire, frozen=True, kw_only=True, tag_field="event", tag="deadLetters"):
    """Event: `count` messages were lost since the last such event; `latest` are the newest of them, 20 at most."""

    count: int
    """How many."""
    latest: list[DeadLetter]
    """The newest of them."""
