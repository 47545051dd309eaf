"""What was declined, or failed, is tried again before its time: its period may be a week."""

import pytest
from trio.testing import MockClock

from aura_actors.cleaners import ActionLogs, Swept
from aura_actors.cleaners.sweep import Outcome
from tests.actors.cleanup.house import HOUR, House, ask_run, report_of

WEEK = 168 * HOUR


async def hours_until_next(house: House, clock: MockClock, *, step: float = 0.5) -> float:
    """Until the only task runs by itself, looked at every so many hours; its report is taken."""
    began = clock.current_time()
    while not house.unheard():
        assert clock.current_time() - began < 2 * WEEK
        await house.pass_time(clock, step * HOUR)
    await house.reports.receive()
    return (clock.current_time() - began) / HOUR


@pytest.mark.parametrize("outcome", ["declined", "failed"])
async def test_a_weekly_task_that_was_declined_is_tried_within_hours_and_each_time_later(
    house: House, mock_clock: MockClock, outcome: Outcome
) -> None:
    house.script.swept = Swept(outcome=outcome, detail="the database is locked")
    async with house.life(ActionLogs()):
        await hours_until_next(house, mock_clock)
        pauses = [await hours_until_next(house, mock_clock) for _ in range(4)]
        assert pauses == pytest.approx([1, 2, 4, 8], abs=0.6)
        house.script.swept = Swept(outcome="done")
        await hours_until_next(house, mock_clock, step=4)
        house.script.swept = Swept(outcome=outcome)
        assert await hours_until_next(house, mock_clock, step=12) >= 168
        assert await hours_until_next(house, mock_clock) <= 2


async def test_a_restart_is_no_reason_to_wait_for_the_whole_period(house: House, mock_clock: MockClock) -> None:
    house.script.swept = Swept(outcome="declined")
    async with house.life(ActionLogs()) as ref:
        await report_of(await ask_run(ref, "action-logs"))
        await house.reports.receive()
    async with house.life(ActionLogs()):
        assert await hours_until_next(house, mock_clock) <= 2
