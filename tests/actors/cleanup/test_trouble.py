"""A store that cannot be used ends no run, and never the actor: others go on, and cleanup says what is wrong."""

import pytest
from trio.testing import MockClock

from aura_actors.cleaners import Swept
from aura_actors.errors import StoreUnavailable
from aura_actors.messages.cleanup import FindRun, UndoRun
from tests.actors.cleanup.house import HOUR, House, ask_run, report_of

NO_DATABASE = b"not a database" * 1_000
LARGE = Swept(outcome="done", removed=1, failures={f"/{number:02}" * 100: "denied" for number in range(99)})
"""A report that finds no room in the pages that a file has."""


async def test_a_full_disk_ends_no_run_and_its_report_is_written_when_there_is_room(
    house: House, mock_clock: MockClock
) -> None:
    house.script.swept = LARGE
    async with house.life() as ref:
        fill(house)
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.removed) == ("done", 1)
        assert await ref.ask(FindRun(report.run_id), within=5) == report
        again = await report_of(await ask_run(ref))
        assert house.store.runs() == []
        empty(house)
        house.script.swept = Swept(outcome="done")
        last = await report_of(await ask_run(ref))
    assert [run.run_id for run in house.store.runs()] == [last.run_id, again.run_id, report.run_id]


async def test_progress_that_cannot_be_noted_stops_no_sweep(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 20, 1.0
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 0)
        connection = house.store._connection
        assert connection is not None
        connection.execute("PRAGMA query_only = 1")
        for _ in range(22):
            await house.pass_time(mock_clock, 1.0)
        assert (await report_of(run)).outcome == "done"
        connection.execute("PRAGMA query_only = 0")


@pytest.mark.parametrize("name", ["quarantine.db", "schedule.db"])
async def test_a_store_that_cannot_be_read_declines_everything_until_it_can(
    house: House, mock_clock: MockClock, name: str
) -> None:
    path = house.data_dir / name
    path.write_bytes(NO_DATABASE)
    async with house.life() as ref:
        (problem,) = house.state.value.problems
        assert name in problem
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.detail) == ("declined", problem)
        assert (await report_of(await ask_run(ref, dry_run=True))).outcome == "declined"
        with pytest.raises(StoreUnavailable, match=name):
            await ref.ask(UndoRun("r"), within=5)
        await house.pass_time(mock_clock, 2 * HOUR)
        assert house.script.begun == []
        path.unlink()
        await house.pass_time(mock_clock, 15)
        assert house.state.value.problems == []
        assert (await report_of(await ask_run(ref))).outcome == "done"


def fill(house: House) -> None:
    """Leave the schedule's file no page more than it has."""
    assert house.store._connection is not None
    house.store._connection.execute("PRAGMA max_page_count = 1")


def empty(house: House) -> None:
    assert house.store._connection is not None
    house.store._connection.execute("PRAGMA max_page_count = 100000")
