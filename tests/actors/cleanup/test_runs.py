"""Runs of the cleanup actor: asked for once, done once, reported always, whatever becomes of the process."""

import sqlite3

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.cleaners import Swept, TempFiles
from aura_actors.errors import InvalidValue, NotFound
from aura_actors.messages.cleanup import Describe, FindRun, ListRuns, Run, StopRun
from aura_actors.stores.schedule import ScheduleStore
from aura_actors.workers import sweep_frames as f
from tests.actors.cleanup.house import BASE, HOUR, House, ask_run, report_of


async def test_a_requested_run_is_done_and_reported_to_everybody(house: House, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        run = await ask_run(ref)
        report = await report_of(run)
        assert (report.run_id, report.outcome, report.removed, report.freed_bytes) == (run.run_id, "done", 1, 10)
        assert await house.reports.receive() == report
        assert house.task.last_report == report
        assert house.store.records()["temp-files"].last_report == report
        assert await ref.ask(FindRun(run.run_id), within=5) == report
        assert (await ref.ask(ListRuns(), within=5)).runs == [report]
    begin = house.script.begun[0]
    assert begin.work == f.Sweep(TempFiles())
    assert begin.now_ns is None  # the file system's time


async def test_a_dry_run_changes_no_schedule_and_counts_ages_by_the_wall(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life() as ref:
        report = await report_of(await ask_run(ref, dry_run=True))
        assert (report.dry_run, report.outcome) == (True, "done")
        assert (await ref.ask(Describe(), within=5)).tasks[0].last_report == report
        assert await ref.ask(FindRun(report.run_id), within=5) == report
    assert house.store.records() == {}
    assert house.script.begun[0].dry_run
    assert house.script.begun[0].now_ns is not None


async def test_an_unknown_task_is_refused_with_the_names_of_the_known(house: House, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        with pytest.raises(InvalidValue, match=r"'nonsense'.*temp-files"):
            await ask_run(ref, "nonsense")


async def test_a_second_request_joins_the_first_and_a_dry_one_does_not(house: House, mock_clock: MockClock) -> None:
    house.script.gate = trio.Event()
    async with house.life() as ref:
        first, second, dry = await ask_run(ref), await ask_run(ref), await ask_run(ref, dry_run=True)
        assert first.run_id == second.run_id != dry.run_id
        assert (first.joined, second.joined, dry.joined) == (False, True, False)
        # The mailbox answers while the run is under way, and knows nothing of its report yet.
        assert (await ref.ask(Describe(), within=5)).tasks[0].running
        assert await ref.ask(FindRun(first.run_id), within=5) is None
        house.script.gate.set()
        assert await report_of(first) == await report_of(second)
        assert (await report_of(dry)).dry_run
        await wait_all_tasks_blocked()
        assert not (await ref.ask(Describe(), within=5)).tasks[0].running
    assert house.script.most_at_work == 1


async def test_progress_is_shown_while_a_run_goes_on_and_not_after(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 40, 0.05
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 0)
        for _ in range(20):
            await house.pass_time(mock_clock, 0.05)
        progress = house.task.progress
        assert progress is not None
        assert (progress.run_id, progress.phase, progress.dry_run) == (run.run_id, "scan", False)
        assert progress.scanned > 5
        shown = house.state.version
        for _ in range(5):
            await house.pass_time(mock_clock, 0.05)
        assert house.state.version - shown <= 1  # at most twice a second
        mock_clock.rate = 100.0
        await report_of(run)
        mock_clock.rate = 0.0
        await wait_all_tasks_blocked()
        assert house.task.progress is None


async def test_new_pins_are_handed_over_before_the_next_step(house: House, mock_clock: MockClock) -> None:
    house.pins = ("/a",)
    house.script.steps, house.script.step_seconds = 4, 1.0
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 1.0)
        house.pins = ("/a", "/b")
        for _ in range(5):
            await house.pass_time(mock_clock, 1.0)
        await report_of(run)
    assert house.script.begun[0].pins == ("/a",)
    handed = [request.pins for request in house.script.asked if isinstance(request, f.Step)]
    assert [pins for pins in handed if pins is not None] == [("/a", "/b")]


async def test_a_busy_machine_gets_as_much_rest_as_a_step_took(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 4, 1.0
    async with house.life() as ref:
        run = await ask_run(ref)
        for _ in range(24):
            house.load = type(house.load)(cpu_percent=95.0)
            await house.pass_time(mock_clock, 0.5)
        assert (await report_of(run)).outcome == "done"
    gaps = [b - a for a, b in zip(house.script.asked_at[1:], house.script.asked_at[2:], strict=False)]
    assert gaps
    assert all(gap == pytest.approx(2.0, abs=0.01) for gap in gaps)


async def test_a_stopped_run_ends_after_its_step_and_what_it_did_counts(
    house: House, mock_clock: MockClock
) -> None:
    house.script.steps, house.script.step_seconds = 1_000, 0.05
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 0.02)
        stopped = await ref.ask(StopRun(run.run_id), within=5)
        assert stopped.report is run.report
        asked = len(house.script.asked)
        await house.pass_time(mock_clock, 0.05)
        await house.pass_time(mock_clock, 0.05)
        assert isinstance(house.script.asked[asked], f.Stop)
        report = await report_of(run)
        assert report.outcome == "interrupted"
        assert house.store.records()["temp-files"].finished_at is None
        with pytest.raises(NotFound):
            await ref.ask(StopRun(run.run_id), within=5)


async def test_a_run_that_waits_can_be_stopped_before_it_begins(house: House, mock_clock: MockClock) -> None:
    house.script.gate = trio.Event()
    async with house.life() as ref:
        first, waiting = await ask_run(ref), await ask_run(ref, dry_run=True)
        await ref.ask(StopRun(waiting.run_id), within=5)
        stopped = await report_of(waiting)
        assert stopped.outcome == "interrupted"
        assert await ref.ask(FindRun(waiting.run_id), within=5) == stopped
        house.script.gate.set()
        assert (await report_of(first)).outcome == "done"
    assert len(house.script.begun) == 1


async def test_a_killed_process_is_an_interrupted_run_and_the_next_one_waits_a_while(
    house: House, mock_clock: MockClock
) -> None:
    house.script.dies_after = 1
    async with house.life() as ref:
        report = await report_of(await ask_run(ref))
        assert report.outcome == "interrupted"
        assert "SIGKILL" in str(report.detail)
        assert house.store.records()["temp-files"].finished_at is None
        # Due by the rule at once, since it never finished; but not in a loop.
        mock_clock.jump(0.2 * HOUR)
        await house.reports.receive()
        deaths = 0
        for _ in range(240):
            await house.pass_time(mock_clock, 15)
            while house.unheard():
                house.reports.receive_nowait()
                deaths += 1
        assert 4 <= deaths <= 8  # in an hour: 1, 2, 4, 8 … minutes apart
        house.script.dies_after = None
        assert (await report_of(await ask_run(ref))).outcome == "done"


async def test_a_process_that_cannot_be_started_is_a_failed_run(house: House, mock_clock: MockClock) -> None:
    house.script.fails_to_start = True
    async with house.life() as ref:
        report = await report_of(await ask_run(ref))
        assert report.outcome == "failed"
        assert "Cannot allocate memory" in str(report.detail)


async def test_a_process_that_hangs_fails_the_run_and_nothing_is_begun_beside_it(
    house: House, mock_clock: MockClock
) -> None:
    house.script.step_seconds = 10_000.0
    async with house.life() as ref:
        run = await ask_run(ref)
        await house.pass_time(mock_clock, 0)
        house.script.refuses_to_end = True
        await house.pass_time(mock_clock, 601)
        report = await report_of(run)
        assert report.outcome == "failed"
        assert "does a disk hang" in str(report.detail)
        second = await report_of(await ask_run(ref))
        assert "hangs in the kernel" in str(second.detail)
        house.script.refuses_to_end, house.script.step_seconds = False, 0.0
        assert (await report_of(await ask_run(ref))).outcome == "done"
    assert house.script.most_at_work == 1


async def test_a_failed_run_is_reported_with_its_reason(house: House, mock_clock: MockClock) -> None:
    house.script.swept = Swept(outcome="failed", detail="/x: No space left on device")
    async with house.life() as ref:
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.removed) == ("failed", 0)
        assert "No space" in str(report.detail)


async def test_a_replaced_root_declines_with_a_sentence_and_starts_no_process(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life():
        pass
    (house.data_dir / "temp").rename(house.data_dir / "before")
    (house.data_dir / "temp").mkdir()
    async with house.life() as ref:
        (problem,) = house.state.value.problems
        assert problem.startswith(f"temp-files: {house.data_dir / 'temp'} ")
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.removed) == ("declined", 0)
        assert str(house.data_dir / "temp") in str(report.detail)
    assert house.script.begun == []


async def test_stopping_the_program_ends_the_run_and_answers_who_waits(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 10, 0.0
    house.script.gate = trio.Event()
    async with house.life() as ref:
        run, waiting = await ask_run(ref), await ask_run(ref, dry_run=True)
        house.stopping.set()
        await wait_all_tasks_blocked()
        house.script.gate.set()
    assert (await report_of(run)).outcome == "interrupted"
    assert (await report_of(waiting)).outcome == "interrupted"
    assert house.store.records()["temp-files"].finished_at is None


async def test_a_run_of_which_nobody_heard_the_end_is_interrupted_and_settled_first(
    house: House, mock_clock: MockClock
) -> None:
    """What kill -9 of the daemon in the middle of a run leaves."""
    house.store.begin("temp-files", "dead", BASE - 100)
    async with house.life() as ref:
        report = house.task.last_report
        assert report is not None
        assert (report.run_id, report.outcome) == ("dead", "interrupted")
        assert house.store.records()["temp-files"].outcome == "interrupted"
        assert (await ref.ask(FindRun("dead"), within=5)) == report
        await wait_all_tasks_blocked()
        assert [begin.work for begin in house.script.begun] == [f.Recover((TempFiles(),))]
        await house.pass_time(mock_clock, 300 + 0.1 * HOUR + 20)  # due by the normal rule: it never finished
        assert (await house.reports.receive()).outcome == "done"


async def test_a_crash_answers_those_who_wait_for_the_report(house: House, mock_clock: MockClock) -> None:
    house.script.gate = trio.Event()
    runs: list[Run] = []

    async def crash() -> None:
        async with house.life() as ref:
            runs.append(await ask_run(ref))
            while not house.script.begun:
                await trio.lowlevel.checkpoint()
            house.store.close()
            house.script.gate.set()
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await crash()
    assert caught.group_contains(sqlite3.ProgrammingError)
    assert (await report_of(runs[0])).outcome == "interrupted"
    house.store = ScheduleStore(house.data_dir / "schedule.db")
    assert house.store.records()["temp-files"].unfinished
