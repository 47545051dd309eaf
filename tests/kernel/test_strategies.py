"""Strategies, children that come and go, and two things at once: what the model cannot show."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import Conflict, Gone, Unavailable
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.reports import CrashReport, StartFailed
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import Worker, running, spec, states


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


# --- two at once -------------------------------------------------------------------------------------------------


async def test_a_stop_that_interrupts_a_restart_still_cancels_the_deaf(autojump_clock: MockClock) -> None:
    """The restart was stopping `deaf` when its own stop was cancelled: whoever comes next must see it through."""

    async def deaf(stopping: trio.Event) -> None:
        await trio.sleep_forever()

    supervisor = Supervisor(
        "s", [spec(Worker("deaf", [], deaf)), spec(Worker("b", []))], strategy=Strategy.ONE_FOR_ALL
    )
    with trio.fail_after(60):
        async with running(supervisor):
            supervisor.crash("b", RuntimeError("on purpose"))
            await trio.sleep(0.5)
            assert states(supervisor) == {"deaf": "stopping", "b": "backoff"}
    assert states(supervisor) == {"deaf": "stopped", "b": "stopped"}
    assert supervisor.stuck == []


@pytest.mark.parametrize("attempt", range(16))  # who of the two that stop it is woken first is Trio's choice
async def test_a_child_taken_away_while_a_restart_stops_it_does_not_come_back(
    autojump_clock: MockClock, attempt: int
) -> None:
    async def slow(stopping: trio.Event) -> None:
        await stopping.wait()
        await trio.sleep(0.5)

    log: list[str] = []
    supervisor = Supervisor(
        "s", [spec(Worker("slow", log, slow)), spec(Worker("b", log))], strategy=Strategy.ONE_FOR_ALL
    )
    with trio.fail_after(60):
        async with running(supervisor):
            supervisor.crash("b", RuntimeError("on purpose"))
            await wait_all_tasks_blocked()
            await supervisor.stop_child("slow")
            await trio.sleep(5)
            assert log == ["+slow", "+b", "-b", "-slow", "+b"]
            assert states(supervisor) == {"b": "running"}


async def test_a_child_that_waits_for_its_restart_does_not_start_before_what_it_rests_on(
    autojump_clock: MockClock,
) -> None:
    """The second failure takes `b` into its own group: the first restart of `b` is void."""
    log: list[str] = []
    supervisor = Supervisor(
        "s",
        [spec(Worker(name, log)) for name in "ab"],
        strategy=Strategy.REST_FOR_ONE,
        backoff=Backoff(first_seconds=2, cap_seconds=2),
        chance=lambda: 1.0,
    )
    async with running(supervisor):
        supervisor.crash("b", RuntimeError("first"))
        await trio.sleep(1)
        supervisor.crash("a", RuntimeError("second"))
        await trio.sleep(10)
        assert log == ["+a", "+b", "-b", "-a", "+a", "+b"]
