"""Without a daemon: one look at free memory at a time, by this process alone.

A command begins when what it declared fits into what is free now, less the reserve. Nothing is reserved, so two
that look at the same moment may both begin, and what has begun and not grown yet is not counted; processors and
GPUs are not looked at. Refuses to know how free memory is found: it is told.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from aura_actors.client.run.lease import Claim, Needs, NotNow, Report, Tell, Waiting
from aura_actors.errors import NeverFits
from aura_actors.wire.amounts import readable_size
from aura_actors.wire.problems import Reason

AGAIN_SECONDS: Final = 1.0


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Memory by the daemon's rule, in bytes: what could be promised at best, and what could be now."""

    most_bytes: int
    free_bytes: int


class Local:
    """`look` is asked again and again; `default_bytes` is what a command needs that does not say."""

    def __init__(self, look: Callable[[], Room], default_bytes: int) -> None:
        self._look = look
        self._default_bytes = default_bytes

    def acquire(self, needs: Needs, wait_seconds: float, tell: Tell) -> Claim:
        """As `Keeper.acquire`."""
        needed = needs.get("memoryBytes", self._default_bytes)
        assert isinstance(needed, int)
        until = time.monotonic() + wait_seconds
        while needed > (room := self._look()).free_bytes:
            if needed > room.most_bytes:
                much = f"needs {readable_size(needed)} of {readable_size(room.most_bytes)}"
                raise NeverFits(f"it never fits here: memory: {much}", reasons=())
            waiting = Waiting(reasons=[_reason(needed, room)])
            tell(waiting)
            if time.monotonic() >= until:
                raise NotNow(f"there was no room in time: {waiting}")
            time.sleep(min(AGAIN_SECONDS, max(0.0, until - time.monotonic())))
        return Claim(job_id=str(needs["jobId"]), fence=0, memory_bytes=needed, attribution="none (no daemon)")

    def keep(self, lost: Callable[[str], None]) -> None:
        """There is nothing to keep."""

    def release(self, report: Report) -> None:
        """There is nothing to give back."""


def _reason(needed: int, room: Room) -> Reason:
    return Reason(
        dimension="memory",
        needed=needed,
        available=room.free_bytes,
        shortfall=needed - room.free_bytes,
        holders=[],
        external=True,
        text="needs more than is free",
    )
