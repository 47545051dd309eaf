"""Strategies, children that come and go, and crashes that a cancellation hides: what the model cannot show."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import Conflict, Gone, Unavailable
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import CrashReport, StartFailed, Supervisor


class Worker:
    """Runs until it is told to end; writes down when it comes and goes."""

    def __init__(
        self, name: str, log: list[str], body: Callable[[trio.Event], Awaitable[None]] | None = None
    ) -> None:
        self.name, self.log, self.body = name, log, body
        self.bad_starts = 0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        if self.bad_starts:
            self.bad_starts -= 1
            raise OSError("bad start")
        self.log.append(f"+{self.name}")
        task_status.started()
        try:
            await (stopping.wait() if self.body is None else self.body(stopping))
        finally:
            self.log.append(f"-{self.name}")


def spec(worker: Worker, restart: Restart = Restart.PERMANENT) -> ChildSpec:
    return ChildSpec(name=worker.name, service=worker, restart=restart, grace_seconds=1)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(supervisor.run, stopping=stopping))
        yield
        stopping.set()


def states(supervisor: Supervisor) -> dict[str, str]:
    return {node.name: node.state for node in supervisor.nodes()}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.REST_FOR_ONE, ["-b", "-c", "+b", "+c"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_a_strategy_stops_newest_first_and_starts_oldest_first(
    autojump_clock: MockClock, strategy: Strategy, expected: list[str]
) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker(name, log)) for name in "abc"], strategy=strategy)
    async with running(supervisor):
        log.clear()
        supervisor.crash("b", RuntimeError("on purpose"))
        await trio.sleep(1)
        assert log == expected


async def test_one_for_all_counts_two_crashes_of_one_moment_once_and_reports_both(
    autojump_clock: MockClock,
) -> None:
    reports: list[CrashReport] = []
    log: list[str] = []
    supervisor = Supervisor(
        "s", [spec(Worker(name, log)) for name in "ab"], strategy=Strategy.ONE_FOR_ALL, report=reports.append
    )
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("first"))
        supervisor.crash("b", RuntimeError("second"))
        await trio.sleep(1)
        assert sorted(report.error for report in reports) == ["RuntimeError: first", "RuntimeError: second"]
        assert states(supervisor) == {"a": "running", "b": "running"}
        assert (sorted(log[2:4]), log[4:]) == (["-a", "-b"], ["+a", "+b"])


async def test_a_sibling_stopped_for_good_during_the_delay_stays_stopped(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor(
        "s",
        [spec(Worker(name, log)) for name in "ab"],
        strategy=Strategy.ONE_FOR_ALL,
        backoff=Backoff(first_seconds=2, cap_seconds=2),
        chance=lambda: 0.99,
    )
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await wait_all_tasks_blocked()
        assert states(supervisor) == {"a": "backoff", "b": "backoff"}
        await supervisor.stop_child("b")
        await trio.sleep(5)
        assert log == ["+a", "+b", "-a", "-b", "+a"]
        assert states(supervisor) == {"a": "running"}


async def test_the_order_to_stop_interrupts_a_restart_that_hangs(autojump_clock: MockClock) -> None:
    class SlowSecondStart(Worker):
        starts = 0

        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            self.starts += 1
            if self.starts == 2:
                await trio.sleep(8)
            await super().run(stopping=stopping, task_status=task_status)

    log: list[str] = []
    workers = [SlowSecondStart("a", log), Worker("b", log)]
    supervisor = Supervisor("s", [spec(worker) for worker in workers], strategy=Strategy.ONE_FOR_ALL)
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(1)
        asked = trio.current_time()
    assert trio.current_time() - asked <= 2
    assert log == ["+a", "+b", "-a", "-b"]


async def test_the_end_has_one_deadline_for_all(autojump_clock: MockClock) -> None:
    async def deaf(stopping: trio.Event) -> None:
        await trio.sleep_forever()

    specs = [ChildSpec(name=f"w{n}", service=Worker(f"w{n}", [], deaf), grace_seconds=10) for n in range(20)]
    supervisor = Supervisor("s", specs, shutdown_seconds=15)
    async with running(supervisor):
        asked = trio.current_time()
    assert trio.current_time() - asked <= 15.1
    assert supervisor.stuck == []


# --- children that come and go -----------------------------------------------------------------------------------


async def test_a_child_can_be_added_and_taken_away_while_running(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log))])
    async with running(supervisor):
        await supervisor.start_child(spec(Worker("b", log)))
        assert states(supervisor) == {"a": "running", "b": "running"}
        supervisor.crash("b", RuntimeError("on purpose"))
        await trio.sleep(1)
        await supervisor.stop_child("b")
        assert states(supervisor) == {"a": "running"}
    assert log == ["+a", "+b", "-b", "+b", "-b", "-a"]


async def test_an_added_child_that_does_not_start_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    worker = Worker("b", [])
    worker.bad_starts = 1
    supervisor = Supervisor("s", [spec(Worker("a", []))])
    async with running(supervisor):
        with pytest.raises(StartFailed, match="b did not start: OSError: bad start"):
            await supervisor.start_child(spec(worker))
        await trio.sleep(10)
        assert states(supervisor) == {"a": "running"}
        assert worker.log == []


async def test_wrong_calls_about_children_say_so(autojump_clock: MockClock) -> None:
    supervisor = Supervisor("s", [spec(Worker("a", []))])
    with pytest.raises(Unavailable):
        await supervisor.start_child(spec(Worker("b", [])))
    with pytest.raises(Conflict):
        Supervisor("s", [spec(Worker("a", [])), spec(Worker("a", []))])
    async with running(supervisor):
        with pytest.raises(Conflict):
            await supervisor.start_child(spec(Worker("a", [])))
        with pytest.raises(Gone):
            await supervisor.stop_child("nobody")


async def test_a_cancelled_addition_is_taken_back(autojump_clock: MockClock) -> None:
    class Slow(Worker):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            await trio.sleep(5)
            await super().run(stopping=stopping, task_status=task_status)

    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log))])
    async with running(supervisor):
        with trio.move_on_after(1):
            await supervisor.start_child(spec(Slow("slow", log)))
        await trio.sleep(20)
        assert states(supervisor) == {"a": "running"}
    assert log == ["+a", "-a"]


@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.TRANSIENT])
async def test_a_finished_child_leaves_no_trace(autojump_clock: MockClock, restart: Restart) -> None:
    async def finish(stopping: trio.Event) -> None:
        await trio.sleep(0.1)

    supervisor = Supervisor("s", [spec(Worker("a", []))])
    async with running(supervisor):
        for n in range(100):
            await supervisor.start_child(spec(Worker(f"job-{n}", [], finish), restart))
            await trio.sleep(1)
        assert states(supervisor) == {"a": "running"}


async def test_a_temporary_child_of_the_specification_is_forgotten_once_it_has_ended(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log)), spec(Worker("once", log), Restart.TEMPORARY)])
    async with running(supervisor):
        supervisor.crash("once", RuntimeError("on purpose"))
        await trio.sleep(1)
        assert states(supervisor) == {"a": "running"}


# --- cancel is not crash -----------------------------------------------------------------------------------------


async def test_a_crash_that_a_checkpoint_in_its_cleanup_hides_is_still_reported(autojump_clock: MockClock) -> None:
    """Guard: `crash.masked`. A checkpoint in a `finally` raises Cancelled over the crash that was on its way."""

    async def hidden(stopping: trio.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            try:
                raise ValueError("while cleaning up")
            finally:
                await trio.lowlevel.checkpoint()

    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [spec(Worker("a", [], hidden))], report=reports.append)
    async with running(supervisor):
        await trio.sleep(1)
    assert [report.error for report in reports] == ["ValueError: while cleaning up"]


async def test_a_crash_beside_a_cancellation_is_found_in_the_group(autojump_clock: MockClock) -> None:
    """Guard: `crash.split`. `except Exception` misses a group that holds a Cancelled too."""

    async def sore(scope: trio.CancelScope) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("sore")

    async def both(stopping: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sore, nursery.cancel_scope)
            await trio.sleep_forever()

    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [spec(Worker("a", [], both))], report=reports.append)
    async with running(supervisor):
        await trio.sleep(1)
    assert [report.error for report in reports] == ["ValueError: sore"]


async def test_a_start_that_hangs_does_not_outlast_an_outer_deadline(autojump_clock: MockClock) -> None:
    """Guard: the scope is shielded only once the child is ready."""

    class Hanging(Worker):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            await trio.sleep_forever()

    supervisor = Supervisor("s", [ChildSpec(name="a", service=Hanging("a", []), start_seconds=1000)])
    with trio.move_on_after(2):
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert trio.current_time() == pytest.approx(2, abs=0.1)


async def test_ten_thousand_crashes_leave_nothing_behind(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log))], backoff=Backoff(first_seconds=0.01, cap_seconds=0.01))
    async with running(supervisor):
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10_000):
            supervisor.crash("a", RuntimeError("again"))
            await trio.sleep(10)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert len(supervisor._restarts) <= 5
        assert supervisor._events_in.statistics().current_buffer_used == 0
    assert log.count("+a") == 10_001
