"""The supervision tree as JSON: `GET /api/actors` and the feed topic `actors`."""

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
