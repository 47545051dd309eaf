"""A journal that could not be written is tried again so seldom that admission has time for anything else."""

import pytest
import trio

from aura_actors.actors.admission.writing import PAUSE_PER_TRY, Writing
from aura_actors.errors import StoreUnavailable


class Locked:
    """Work on a file that somebody has locked: a try takes `busy_seconds` of the clock, and fails."""

    def __init__(self, busy_seconds: float) -> None:
        self.now = 0.0
        self.tries = 0
        self.busy_seconds: float | None = busy_seconds
        self.writing = Writing(trio.CapacityLimiter(1), lambda: self.now)

    def work(self) -> str:
        self.tries += 1
        if self.busy_seconds is None:
            return "written"
        self.now += self.busy_seconds
        raise StoreUnavailable("database is locked")

    async def refused(self) -> StoreUnavailable:
        with pytest.raises(StoreUnavailable, match="database is locked") as caught:
            await self.writing.run(self.work)
        return caught.value


async def test_a_file_that_is_locked_is_left_alone_for_some_times_as_long_as_a_try_took() -> None:
    locked = Locked(busy_seconds=1.0)
    await locked.refused()
    for _ in range(10):
        assert (await locked.refused()).retry_after_seconds == PAUSE_PER_TRY
    assert (locked.tries, locked.now) == (1, 1.0)
    locked.now += PAUSE_PER_TRY
    await locked.refused()
    assert locked.tries == 2


async def test_over_a_minute_of_ticks_a_locked_file_takes_a_fifth_of_the_time() -> None:
    locked = Locked(busy_seconds=1.0)
    while locked.now < 60:
        await locked.refused()
        locked.now += 0.25
    assert locked.tries <= 60 / (1 + PAUSE_PER_TRY)


async def test_a_failure_that_is_found_out_at_once_is_tried_again_at_once() -> None:
    full = Locked(busy_seconds=0.2)
    await full.refused()
    full.busy_seconds = None
    assert await full.writing.run(full.work) == "written"


async def test_what_can_be_written_again_pauses_no_more() -> None:
    locked = Locked(busy_seconds=1.0)
    await locked.refused()
    locked.now += PAUSE_PER_TRY
    locked.busy_seconds = None
    for _ in range(3):
        assert await locked.writing.run(locked.work) == "written"
    assert locked.tries == 4
