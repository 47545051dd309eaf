"""The cleanup actor: what is due runs by itself, what is asked for runs once, and nothing hangs on a crash.

Time is the mock clock's and is moved by hand (worker threads are real, and an autojumping clock would run away
while one works).
"""

import datetime as dt
import sqlite3
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.actors.cleanup import Cleanup
from aura_actors.cleaners import TempFiles
from aura_actors.errors import InvalidValue
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.messages.cleanup import CleanupMessage, Describe, Run, RunTask
from aura_actors.stores.schedule import ScheduleStore
from aura_actors.wire.cleanup import CleanupReport, CleanupState

HOUR = 3_600.0
TWO_DAYS_NS = 48 * 3_600 * 10**9
BASE = time.time()
"""Wall time when the mock clock shows 0; files have real stamps."""


class House:
    """A data directory, its store, and lives of the actor in it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.root = data_dir / "temp"
        self.store = ScheduleStore(data_dir / "schedule.db")
        self.sweep_threads = trio.CapacityLimiter(1)
        self.state = Latest(CleanupState(tasks=[]))
        self.finished, self.reports = trio.open_memory_channel[CleanupReport](100)
        self.wall_offset = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.stopping = trio.Event()

    def actor(self, **options: Any) -> Cleanup:
        return Cleanup(
            cleaners=[TempFiles(**options)],
            data_dir=str(self.data_dir),
            store=self.store,
            store_threads=trio.CapacityLimiter(1),
            sweep_threads=self.sweep_threads,
            clock=trio.current_time,
            wall=lambda: BASE + self.wall_offset + trio.current_time(),
            state=self.state,
            publish=self.finished.send_nowait,
            read_now=self.read_now,
        )

    def read_now(self, folder: str) -> int:
        """Two days from now, as soon as the gate is open: every file is old, and runs can be held up."""
        self.gate.wait()
        return time.time_ns() + TWO_DAYS_NS

    @asynccontextmanager
    async def life(self, **options: Any) -> Any:
        """One incarnation, stopped in order at the end."""
        self.stopping = trio.Event()
        cell: Cell[CleanupMessage] = Cell("cleanup", lambda: self.actor(**options))
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                await cell.run(stopping=self.stopping, task_status=task_status)

            await nursery.start(run)
            yield cell.ref
            self.stopping.set()

    def files(self) -> set[str]:
        return {p.name for p in self.root.iterdir()} - {".aura-root"}


async def pass_time(clock: MockClock, seconds: float) -> None:
    """Let everybody fall asleep, move the clock, and let everybody act that has no thread to wait for."""
    await wait_all_tasks_blocked()
    clock.jump(seconds)
    await wait_all_tasks_blocked()


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    made = House(tmp_path)
    yield made
    made.gate.set()
    made.finished.close()
    made.reports.close()
    made.store.close()


async def ask_run(ref: Ref[CleanupMessage], *, dry_run: bool = False) -> Run:
    return await ref.ask(RunTask("temp-files", dry_run), within=5)


async def report_of(run: Run) -> CleanupReport:
    report = await run.report.wait_newer(0)
    assert report is not None
    return report


async def test_a_requested_run_sweeps_and_reports_to_everybody(house: Any, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        (house.root / "old").write_text("0123456789")
        run = await ask_run(ref)
        report = await report_of(run)
        assert (report.run_id, report.outcome, report.removed) == (run.run_id, "done", 1)
        assert report.freed_bytes == 10
        assert await house.reports.receive() == report
        assert house.state.value.tasks[0].last_report == report
        assert house.store.records()["temp-files"].last_report == report
    assert house.files() == set()


async def test_a_dry_run_changes_neither_files_nor_schedule(house: Any, mock_clock: MockClock) -> None:
    async with house.life(older_than_seconds=0) as ref:
        (house.root / "old").write_text("x")
        await pass_time(mock_clock, 60)
        report = await report_of(await ask_run(ref, dry_run=True))
        assert (report.dry_run, report.outcome, report.removed) == (True, "done", 1)
        assert (await ref.ask(Describe(), within=5)).tasks[0].last_report == report
    assert house.files() == {"old"}
    assert house.store.records() == {}


async def test_an_unknown_task_is_refused_with_the_names_of_the_known(house: Any, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        with pytest.raises(InvalidValue, match=r"'nonsense'.*temp-files"):
            await ref.ask(RunTask("nonsense"), within=5)


async def test_nothing_runs_by_itself_before_the_start_delay(house: Any, mock_clock: MockClock) -> None:
    async with house.life():
        await pass_time(mock_clock, 299)
        assert house.store.records() == {}
        await pass_time(mock_clock, 0.1 * HOUR + 20)
        assert (await house.reports.receive()).outcome == "done"


async def test_a_long_time_without_ticks_is_one_run(house: Any, mock_clock: MockClock) -> None:
    async with house.life():
        await pass_time(mock_clock, 1_000 * HOUR)
        await house.reports.receive()
        for _ in range(10):
            await pass_time(mock_clock, 15)
        assert house.reports.statistics().current_buffer_used == 0
        await pass_time(mock_clock, 1.2 * HOUR)
        await house.reports.receive()


async def test_the_schedule_survives_a_restart(house: Any, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        first = await report_of(await ask_run(ref))
    async with house.life() as ref:
        task = (await ref.ask(Describe(), within=5)).tasks[0]
        assert task.last_report == first
        assert task.next_run_at is not None
        assert task.next_run_at >= first.finished_at + dt.timedelta(hours=1)
        await pass_time(mock_clock, 0.9 * HOUR)
        assert house.store.records()["temp-files"].run_id == first.run_id


async def test_a_disabled_task_runs_only_when_asked(house: Any, mock_clock: MockClock) -> None:
    async with house.life(enabled=False) as ref:
        await pass_time(mock_clock, 100 * HOUR)
        assert house.store.records() == {}
        assert (await ref.ask(Describe(), within=5)).tasks[0].next_run_at is None
        assert (await report_of(await ask_run(ref))).outcome == "done"


async def test_a_second_request_joins_the_first_and_a_dry_one_does_not(house: Any, mock_clock: MockClock) -> None:
    house.gate.clear()
    async with house.life() as ref:
        first, second, dry = await ask_run(ref), await ask_run(ref), await ask_run(ref, dry_run=True)
        assert first.run_id == second.run_id != dry.run_id
        # The mailbox answers while the sweep is under way.
        assert (await ref.ask(Describe(), within=5)).tasks[0].running
        house.gate.set()
        assert await report_of(first) == await report_of(second)
        assert (await report_of(dry)).dry_run
        await wait_all_tasks_blocked()
        assert not (await ref.ask(Describe(), within=5)).tasks[0].running


async def test_a_run_that_was_never_finished_is_seen_as_interrupted(house: Any, mock_clock: MockClock) -> None:
    """What kill -9 in the middle of a sweep leaves."""
    house.store.begin("temp-files", "dead", BASE - 100)
    async with house.life():
        report = house.state.value.tasks[0].last_report
        assert (report.run_id, report.outcome) == ("dead", "interrupted")
        assert house.store.records()["temp-files"].outcome == "interrupted"
        await pass_time(mock_clock, 300 + 0.1 * HOUR + 20)  # due by the normal rule: it never finished
        assert (await house.reports.receive()).outcome == "done"


async def test_stopping_ends_the_sweep_and_leaves_the_rest(house: Any, mock_clock: MockClock) -> None:
    house.gate.clear()
    async with house.life() as ref:
        (house.root / "old").write_text("x")
        run, waiting = await ask_run(ref), await ask_run(ref, dry_run=True)
        house.stopping.set()
        await wait_all_tasks_blocked()
        house.gate.set()
    assert (await report_of(run)).outcome == "interrupted"
    assert (await report_of(waiting)).outcome == "interrupted"
    assert house.files() == {"old"}
    assert house.store.records()["temp-files"].unfinished


async def test_a_cancelled_actor_does_not_wait_for_a_disk_and_the_next_never_sweeps_beside_it(
    house: Any, mock_clock: MockClock
) -> None:
    house.gate.clear()
    runs: list[Run] = []

    async def cancelled() -> None:
        with trio.CancelScope() as scope:
            async with house.life() as ref:
                (house.root / "old").write_text("x")
                runs.append(await ask_run(ref))
                while house.sweep_threads.borrowed_tokens == 0:
                    await trio.lowlevel.checkpoint()
                scope.cancel()
                mock_clock.rate = 1_000_000.0  # the grace of `close`

    # `close` is cut short, and says so; or the sweep's own task is cancelled first: there is nothing to wait for.
    try:
        await cancelled()
    except* TimeoutError:
        pass
    (run,) = runs
    mock_clock.rate = 0.0
    assert (await report_of(run)).outcome == "interrupted"
    assert house.sweep_threads.borrowed_tokens == 1
    async with house.life() as ref:
        assert house.state.value.tasks[0].last_report.outcome == "interrupted"
        again = await ask_run(ref)
        await wait_all_tasks_blocked()
        assert again.report.value is None
        house.gate.set()
        assert (await report_of(again)).removed == 1


async def test_a_crash_answers_those_who_wait_for_the_report(house: Any, mock_clock: MockClock) -> None:
    house.gate.clear()
    runs: list[Run] = []

    async def crash() -> None:
        async with house.life() as ref:
            runs.append(await ask_run(ref))
            while house.sweep_threads.borrowed_tokens == 0:
                await trio.lowlevel.checkpoint()
            house.store.close()
            house.gate.set()
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await crash()
    assert caught.group_contains(sqlite3.ProgrammingError)
    assert (await report_of(runs[0])).outcome == "interrupted"
    house.store = ScheduleStore(house.data_dir / "schedule.db")
    assert house.store.records()["temp-files"].unfinished


async def test_a_replaced_root_declines_with_a_sentence(house: Any, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        house.root.rename(house.data_dir / "before")
        house.root.mkdir()
        (house.root / "old").write_text("x")
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.removed) == ("declined", 0)
        assert str(house.root) in str(report.detail)
    async with house.life() as ref:
        assert (await report_of(await ask_run(ref))).outcome == "declined"
    assert house.files() == {"old"}


async def test_a_root_of_its_own_is_used_where_one_is_given(house: Any, mock_clock: MockClock) -> None:
    own = house.data_dir / "own" / "scratch"
    async with house.life(root=str(own)):
        assert (own / ".aura-root").exists()
        assert not house.root.exists()


@pytest.mark.parametrize("moved", [30 * 24 * HOUR, -30 * 24 * HOUR])
async def test_a_clock_that_was_set_declines_one_pass_and_keeps_the_schedule(
    house: Any, mock_clock: MockClock, moved: float
) -> None:
    async with house.life() as ref:
        assert (await report_of(await ask_run(ref))).outcome == "done"
        await house.reports.receive()
        house.wall_offset = moved
        await pass_time(mock_clock, 15)
        # Set forward, everything looks overdue; set back, the stamp of the last run is in the future.
        await pass_time(mock_clock, 0.3 * HOUR if moved > 0 else 1.2 * HOUR)
        declined = await house.reports.receive()
        assert declined.outcome == "declined"
        assert "clock" in str(declined.detail)
        await pass_time(mock_clock, 2 * HOUR)
        assert (await house.reports.receive()).outcome == "done"


async def test_no_time_from_the_file_system_is_a_failed_run_and_not_a_crash(
    house: Any, mock_clock: MockClock
) -> None:
    def no_space(folder: str) -> int:
        raise OSError(28, "No space left on device")

    house.read_now = no_space
    async with house.life() as ref:
        report = await report_of(await ask_run(ref))
        assert (report.outcome, report.removed) == ("failed", 0)
        assert "No space" in str(report.detail)
        assert (await ref.ask(Describe(), within=5)).tasks[0].last_report == report
