"""The schedule: by itself, after the start delay, once after downtime, never by a bad clock."""

import datetime as dt

import pytest
from trio.testing import MockClock

from aura_actors.cleaners import ActionLogs, ExportHistory, TempFiles, Vacuum
from aura_actors.domain.yielding import Load
from aura_actors.messages.cleanup import Describe
from aura_actors.workers import sweep_frames as f
from tests.actors.cleanup.house import HOUR, House, ask_run, report_of


async def test_nothing_runs_by_itself_before_the_start_delay(house: House, mock_clock: MockClock) -> None:
    async with house.life():
        await house.pass_time(mock_clock, 299)
        assert house.store.records() == {}
        await house.pass_time(mock_clock, 0.1 * HOUR + 20)
        assert (await house.reports.receive()).outcome == "done"


async def test_a_long_time_without_ticks_is_one_run(house: House, mock_clock: MockClock) -> None:
    async with house.life():
        await house.pass_time(mock_clock, 1_000 * HOUR)
        await house.reports.receive()
        for _ in range(10):
            await house.pass_time(mock_clock, 15)
        assert house.unheard() == 0
        await house.pass_time(mock_clock, 1.2 * HOUR)
        await house.reports.receive()


async def test_the_schedule_survives_a_restart(house: House, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        first = await report_of(await ask_run(ref))
    async with house.life() as ref:
        task = (await ref.ask(Describe(), within=5)).tasks[0]
        assert task.last_report == first
        assert task.next_run_at is not None
        assert task.next_run_at >= first.finished_at + dt.timedelta(hours=1)
        await house.pass_time(mock_clock, 0.9 * HOUR)
        assert house.store.records()["temp-files"].run_id == first.run_id


async def test_a_disabled_task_runs_only_when_asked(house: House, mock_clock: MockClock) -> None:
    async with house.life(TempFiles(enabled=False)) as ref:
        await house.pass_time(mock_clock, 100 * HOUR)
        assert house.store.records() == {}
        assert house.task.next_run_at is None
        assert (await report_of(await ask_run(ref))).outcome == "done"


async def test_tasks_that_are_due_together_run_one_after_the_other_and_vacuum_last(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life(Vacuum(), ActionLogs(), TempFiles(), ExportHistory()):
        order = []
        await house.pass_time(mock_clock, 2 * HOUR)
        for _ in range(40):
            await house.pass_time(mock_clock, 15)
            while house.unheard():
                order.append(((await house.reports.receive()).task, mock_clock.current_time()))
    tasks = [task for task, _ in order]
    assert sorted(tasks) == ["action-logs", "export-history", "temp-files", "vacuum"]
    assert tasks.index("vacuum") > max(tasks.index("action-logs"), tasks.index("export-history"))
    assert house.script.most_at_work == 1


async def test_a_busy_machine_puts_scheduled_runs_off_and_says_why_but_not_for_ever(
    house: House, mock_clock: MockClock
) -> None:
    house.load = Load(running_jobs=2)
    async with house.life() as ref:
        await house.pass_time(mock_clock, 1 * HOUR)
        await house.pass_time(mock_clock, 15)
        assert house.store.records() == {}
        assert house.task.deferred == "2 jobs are running"
        # A requested run starts at once.
        assert (await report_of(await ask_run(ref, dry_run=True))).outcome == "done"
        await house.reports.receive()
        await house.pass_time(mock_clock, 2.5 * HOUR)
        await house.pass_time(mock_clock, 15)
        assert (await house.reports.receive()).task == "temp-files"


async def test_vacuum_is_declined_while_the_machine_is_busy_even_when_it_is_asked_for(
    house: House, mock_clock: MockClock
) -> None:
    house.load = Load(cpu_percent=99.0)
    async with house.life(Vacuum()) as ref:
        report = await report_of(await ask_run(ref, "vacuum"))
        assert (report.outcome, house.script.begun) == ("declined", [])
        assert report.detail == "not while the machine is busy: the processor is in use to 99 %"
        assert (await report_of(await ask_run(ref, "vacuum", dry_run=True))).outcome == "done"
        house.load = Load()
        assert (await report_of(await ask_run(ref, "vacuum"))).outcome == "done"


@pytest.mark.parametrize("moved", [30 * 24 * HOUR, -30 * 24 * HOUR])
async def test_a_clock_that_was_set_declines_one_pass_and_keeps_the_schedule(
    house: House, mock_clock: MockClock, moved: float
) -> None:
    async with house.life() as ref:
        assert (await report_of(await ask_run(ref))).outcome == "done"
        await house.reports.receive()
        house.wall_offset = moved
        await house.pass_time(mock_clock, 15)
        # Set forward, everything looks overdue; set back, the stamp of the last run is in the future.
        await house.pass_time(mock_clock, 0.3 * HOUR if moved > 0 else 1.2 * HOUR)
        declined = await house.reports.receive()
        assert declined.outcome == "declined"
        assert "clock" in str(declined.detail)
        assert len(house.script.begun) == 1
        await house.pass_time(mock_clock, 2 * HOUR)
        assert (await house.reports.receive()).outcome == "done"


async def test_a_clock_that_is_set_while_a_run_goes_on_ends_it(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 1_000, 1.0
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 1)
        house.wall_offset = 2 * HOUR
        for _ in range(20):
            await house.pass_time(mock_clock, 1)
        report = await report_of(run)
        assert report.outcome == "interrupted"
        assert "the clock was moved by 7200 s" in str(report.detail)


async def test_a_full_disk_brings_tasks_forward_until_there_is_room(house: House, mock_clock: MockClock) -> None:
    async with house.life():
        await house.pass_time(mock_clock, HOUR)
        await house.reports.receive()
        house.used_percent = 86.0
        house.script.begun.clear()
        for _ in range(3):
            await house.pass_time(mock_clock, 15)
        assert house.state.value.urgent
        works = [(begin.work, begin.urgent) for begin in house.script.begun]
        assert works == [(f.Purge(), True), (f.Sweep(TempFiles()), True), (f.Purge(), True)]
        for _ in range(10):
            await house.pass_time(mock_clock, 15)
        assert len(house.script.begun) == 3  # it freed too little to be repeated at once
        assert not house.state.value.urgent


async def test_nothing_is_brought_forward_where_the_schedule_is_off_or_has_not_begun(
    house: House, mock_clock: MockClock
) -> None:
    house.used_percent = 99.0
    async with house.life():
        await house.pass_time(mock_clock, 200)
        assert house.script.begun == []
