"""A store that cannot be used ends no run, and never the actor: others go on, and cleanup says what is wrong."""

import pytest
from trio.testing import MockClock

from aura_actors.cleaners import Swept
from aura_actors.errors import StoreUnavailable
from aura_actors.messages.cleanup import FindRun, UndoRun
from aura_actors.workers import sweep_frames as f
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


async def test_what_jobs_hold_and_cannot_be_handed_over_declines_the_run_and_says_so(
    house: House, mock_clock: MockClock
) -> None:
    """What is not known to be left alone is not begun with; the process was not asked, and is no worse for it."""
    house.script.takes, house.script.most_pins = True, 2
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
        house.pins = ("/a", "/b", "/c")
        # What takes nothing away is kept from by nothing.
        undone = await report_of(await ref.ask(UndoRun(taken.run_id), within=5))
        assert undone.restored == 1
        report = await report_of(await ask_run(ref))
        assert report.outcome == "declined"
        assert "3 paths that jobs hold" in str(report.detail)
        assert len(house.script.begun) == 2
        house.pins = ("/a",)
        assert (await report_of(await ask_run(ref))).outcome == "done"


async def test_a_run_takes_no_step_more_when_jobs_come_to_hold_more_than_can_be_handed_over(
    house: House, mock_clock: MockClock
) -> None:
    house.script.steps, house.script.step_seconds, house.script.most_pins = 100, 1.0, 2
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 1.0)
        house.pins = ("/a", "/b", "/c")
        for _ in range(4):
            await house.pass_time(mock_clock, 1.0)
        report = await report_of(run)
        assert (report.outcome, report.removed) == ("interrupted", 2)
        assert "3 paths that jobs hold" in str(report.detail)
    assert isinstance(house.script.asked[-1], f.Stop)


def fill(house: House) -> None:
    """Leave the schedule's file no page more than it has."""
    assert house.store._connection is not None
    house.store._connection.execute("PRAGMA max_page_count = 1")


def empty(house: House) -> None:
    assert house.store._connection is not None
    house.store._connection.execute("PRAGMA max_page_count = 100000")
