"""Work on the journal, in a thread, and the two lines in the log when it cannot be done and when it can again."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import trio

from aura_actors.domain.needs import ProcessIdentity
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.journal import Journal, Recovered

log = structlog.get_logger("aura_actors.admission")
T = TypeVar("T")


class Writing:
    """`limiter` lets one in at a time."""

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter
        self._unwritable = False

    async def run(self, work: Callable[[], T]) -> T:
        """Raises `StoreUnavailable` as `work` does."""
        try:
            result = await trio.to_thread.run_sync(work, limiter=self._limiter)
        except StoreUnavailable as error:
            if not self._unwritable:
                log.warning("nothing is granted until the journal can be written", error=str(error))
            self._unwritable = True
            raise
        if self._unwritable:
            log.info("the journal can be written again")
        self._unwritable = False
        return result


def recover(
    journal: Journal, now: float, alive: Callable[[ProcessIdentity], bool]
) -> tuple[Recovered, list[ProcessIdentity]]:
    """What the journal holds, and whose processes have ended. Blocking; raises `StoreUnavailable`."""
    recovered = journal.recover(now)
    bound = {lease.process.identity: lease.process for lease in recovered.leases if lease.process is not None}
    return recovered, [process for process in bound.values() if not alive(process)]
