"""What was learned of runs that are over, kept: to lose it is a pity and no more."""

from collections.abc import Callable, Mapping

import structlog
import trio

from aura_actors.domain.learning import History
from aura_actors.domain.runs import Runs
from aura_actors.errors import StoreUnavailable

log = structlog.get_logger("aura_actors.admission")

Remember = Callable[[Mapping[str, History]], None]
"""Writes the histories of these kinds. Blocking; raises `StoreUnavailable`."""


async def learn(runs: Runs, now: float, remember: Remember, limiter: trio.CapacityLimiter) -> None:
    """Enter the runs that are over, and keep what changed by them."""
    changed = runs.settle(now)
    if not changed:
        return
    try:
        await trio.to_thread.run_sync(remember, changed, limiter=limiter)
    except StoreUnavailable as error:
        log.warning("what was learned of a run is not kept", error=str(error))
