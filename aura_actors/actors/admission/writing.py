"""Work on the journal, in a thread, and the two lines in the log when it cannot be done and when it can again.

Owns when a journal that could not be written is tried again: at once where that is found out at once (a full disk),
and where it takes its time (a locked file), so seldom that admission goes on beside it.
"""

from collections.abc import Callable
from copy import copy
from typing import Final, TypeVar

import structlog
import trio

from aura_actors.domain.needs import ProcessIdentity
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.journal import Journal, Recovered

log = structlog.get_logger("aura_actors.admission")
T = TypeVar("T")

AT_ONCE_SECONDS: Final = 0.25
"""A try that fails within this is no burden."""
PAUSE_PER_TRY: Final = 4
"""One that takes longer is followed by a pause of so many times what it took."""


class Writing:
    """`limiter` lets one in at a time; `clock` gives monotonic seconds."""

    def __init__(self, limiter: trio.CapacityLimiter, clock: Callable[[], float]) -> None:
        self._limiter = limiter
        self._clock = clock
        self._failed: StoreUnavailable | None = None
        """Why the last try failed; None where it did not."""
        self._again_at = 0.0

    async def run(self, work: Callable[[], T]) -> T:
        """Raises `StoreUnavailable` as `work` does, and without a try where the last one failed a moment ago."""
        began = self._clock()
        if self._failed is not None and began < self._again_at:
            again = copy(self._failed)
            again.retry_after_seconds = self._again_at - began
            raise again
        try:
            result = await trio.to_thread.run_sync(work, limiter=self._limiter)
        except StoreUnavailable as error:
            if self._failed is None:
                log.warning("nothing is granted until the journal can be written", error=str(error))
            ended = self._clock()
            pause = PAUSE_PER_TRY * (ended - began) if ended - began > AT_ONCE_SECONDS else 0.0
            self._failed, self._again_at = copy(error), ended + pause
            raise
        if self._failed is not None:
            log.info("the journal can be written again")
        self._failed = None
        return result


def recover(
    journal: Journal, now: float, alive: Callable[[ProcessIdentity], bool]
) -> tuple[Recovered, list[ProcessIdentity]]:
    """What the journal holds, and whose processes have ended. Blocking; raises `StoreUnavailable`."""
    recovered = journal.recover(now)
    bound = {lease.process.identity: lease.process for lease in recovered.leases if lease.process is not None}
    return recovered, [process for process in bound.values() if not alive(process)]
