"""What to run under a supervisor, and how it is restarted and stopped: data, in OTP's words.

Owns the words; the supervisor acts on them. A restart type says *whether* a child comes back, the supervisor's
strategy says *who else* is restarted with it, and the intensity says how often before giving up.
"""

import enum
from typing import Protocol, runtime_checkable

import msgspec
import trio


class Service(Protocol):
    """Anything that can be supervised: an actor's cell, a server, another supervisor."""

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """Call `task_status.started()` once ready; return soon after `stopping` is set.

        Called again for each restart.
        """


@runtime_checkable
class Informed(Protocol):
    """A service that wants to know how its incarnations end."""

    def ended(self, reason: str | None, *, again: bool) -> None:
        """One is over: `reason` is its crash. Unless `again`, none follows before the supervisor is run again."""


@runtime_checkable
class Hurried(Protocol):
    """A service with an order of its own to end in, which takes the time it needs unless it is told to hurry."""

    def hurry(self) -> None:
        """The time for an orderly end is up."""


class Restart(enum.Enum):
    """When an ended child is started again (Erlang/OTP's restart types)."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a crash."""
    TEMPORARY = "temporary"
    """Never."""

    def wanted_after(self, *, crashed: bool) -> bool:
        """Whether a child of this type is started again."""
        return self is Restart.PERMANENT or (self is Restart.TRANSIENT and crashed)


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One child. `start_seconds` bounds getting ready, `grace_seconds` the orderly end before it is cancelled.

    A grace of None is 2 s, and no bound for a nested supervisor: its children have theirs.
    """

    name: str
    service: Service
    restart: Restart = Restart.PERMANENT
    start_seconds: float = 10.0
    grace_seconds: float | None = None
