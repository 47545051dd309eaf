"""What the wrapper needs of whoever decides: to be let in, to stay in, to leave. And how it is refused.

Two answer to this: a daemon (`remote`) and, where there is none, this process by itself (`local`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from aura_actors.errors import Unavailable
from aura_actors.wire.problems import Reason

Needs = Mapping[str, object]
"""The body of an acquire, without `waitSeconds` and `ttlSeconds`."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the wait."""

    position: int | None = None
    """1 for whoever is next."""
    reasons: Sequence[Reason] = ()
    text: str = ""
    """Why there is no position."""

    def __str__(self) -> str:
        return self.text or "; ".join(f"{reason.dimension}: {reason.text}" for reason in self.reasons) or "no room"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A lease, as far as the wrapper cares."""

    job_id: str
    fence: int
    memory_bytes: int
    """Granted."""
    attribution: str
    """`cgroup PATH`, `process tree` or `none`, with the reason."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was seen to use."""

    peak_bytes: int | None = None
    oom_killed: bool = False


class NotNow(Unavailable):
    """There was no room in time."""


Tell = Callable[[Waiting], None]
"""Called from the waiting thread."""


class Keeper(Protocol):
    """Decides, and keeps what it granted until `release`."""

    def acquire(self, needs: Needs, wait_seconds: float, tell: Tell) -> Claim:
        """Wait for room. Blocking. Raises NotNow, NeverFits, UsageError or Unavailable."""
        ...

    def keep(self, lost: Callable[[str], None]) -> None:
        """Begin to renew. `lost` is told, from a thread, if the lease ended before its time."""
        ...

    def release(self, report: Report) -> None:
        """Give the lease, or the place in the queue, back. Never raises for want of a daemon."""
        ...
