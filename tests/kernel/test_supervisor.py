"""What a supervisor promises: order, restarts, budgets, and an end that comes in time."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.reports import CrashReport, GaveUp, StartFailed
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.supervisor import Supervisor

Body = Callable[["Scripted", trio.Event], Awaitable[None]]


class Scripted:
    """A service that writes down its life and does what the test says."""

    def __init__(self, name: str, log: list[str], body: Body | None = None, *, slow_start: float = 0) -> None:
        self.name = name
        self.log = log
        self.body = body
        self.slow_start = slow_start
        self.runs = 0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        self.runs += 1
        await trio.sleep(self.slow_start)
        self.log.append(f"{self.name} up")
        task_status.started()
        try:
            if self.body is not None:
                await self.body(self, stopping)
            else:
                await stopping.wait()
        finally:
            self.log.append(f"{self.name} down")


async def crash_soon(service: Scripted, stopping: trio.Event) -> None:
    await trio.sleep(0.1)
    raise ZeroDivisionError(f"run {service.runs}")


def spec(service: Scripted, restart: Restart = Restart.PERMANENT, grace: float = 2) -> ChildSpec:
    return ChildSpec(name=service.name, service=service, restart=restart, grace_seconds=grace, start_seconds=5)


async def run_for(supervisor: Supervisor, seconds: float) -> None:
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[None]) -> None:
            await supervisor.run(stopping=stopping, task_status=task_status)

        await nursery.start(run)
        await trio.sleep(seconds)
        stopping.set()


async def test_children_start_in_order_and_stop_in_reverse(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []
    children = [spec(Scripted(name, log, slow_start=1)) for name in "abc"]
    await run_for(Supervisor("s", children), 1)
    assert log == ["a up", "b up", "c up", "c down", "b down", "a down"]


async def test_one_for_one_restarts_only_the_child_that_crashed(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []

    async def once(service: Scripted, stopping: trio.Event) -> None:
        if service.runs == 1:
            raise ZeroDivisionError
        await stopping.wait()

    a, b = Scripted("a", log, once), Scripted("b", log)
    await run_for(Supervisor("s", [spec(a), spec(b)]), 5)
    assert (a.runs, b.runs) == (2, 1)


@pytest.mark.parametrize(
    ("restart", "crashes", "runs"),
    [
        (Restart.PERMANENT, True, 2),
        (Restart.PERMANENT, False, 2),
        (Restart.TRANSIENT, True, 2),
        (Restart.TRANSIENT, False, 1),
        (Restart.TEMPORARY, True, 1),
        (Restart.TEMPORARY, False, 1),
    ],
)
async def test_the_restart_type_decides_who_comes_back(
    autojump_clock: trio.testing.MockClock, restart: Restart, crashes: bool, runs: int
) -> None:
    async def end(service: Scripted, stopping: trio.Event) -> None:
        if service.runs == 1:
            if crashes:
                raise ZeroDivisionError
            return
        await stopping.wait()

    child = Scripted("a", [], end)
    await run_for(Supervisor("s", [spec(child, restart)]), 5)
    assert child.runs == runs


async def test_a_used_up_budget_stops_everybody_and_is_a_crash_of_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log: list[str] = []
    bad, good = Scripted("bad", log, crash_soon), Scripted("good", log)
    supervisor = Supervisor(
        "s", [spec(bad), spec(good)], intensity=RestartIntensity(intensity=3, period_seconds=30), chance=lambda: 0.0
    )
    with pytest.RaisesGroup(pytest.RaisesExc(GaveUp, match="s gave up on bad: ZeroDivisionError: run 4")):
        await run_for(supervisor, 100)
    assert bad.runs == 4
    assert log[-1] == "good down"


async def test_a_first_start_that_fails_is_not_retried_and_names_the_child(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Broken(Scripted):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            self.runs += 1
            raise OSError("no such device")

    log: list[str] = []
    broken = Broken("broken", log)
    with pytest.RaisesGroup(pytest.RaisesExc(StartFailed, match="broken did not start: OSError: no such device")):
        await run_for(Supervisor("s", [spec(Scripted("a", log)), spec(broken)]), 1)
    assert (log, broken.runs) == (["a up", "a down"], 1)


async def test_a_start_that_takes_too_long_is_a_failed_start(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(StartFailed, match="not ready within 5 s")):
        await run_for(Supervisor("s", [spec(Scripted("slow", [], slow_start=60))]), 1)


async def test_a_child_that_ignores_the_stop_is_cancelled_after_its_grace(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def deaf(service: Scripted, stopping: trio.Event) -> None:
        await trio.sleep_forever()

    supervisor = Supervisor("s", [spec(Scripted("deaf", [], deaf), grace=3)])
    await run_for(supervisor, 0)
    assert trio.current_time() == pytest.approx(3)
    assert supervisor.stuck == []


async def test_a_child_that_ignores_its_cancellation_is_reported_as_stuck(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stubborn(service: Scripted, stopping: trio.Event) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    told: list[list[str]] = []
    supervisor = Supervisor("s", [spec(Scripted("stubborn", [], stubborn), grace=1)], on_stuck=told.append)
    await run_for(supervisor, 0)
    assert told == [["stubborn"]]
    assert supervisor.stuck == [], "it has ended since"


async def test_stopping_during_backoff_never_resurrects_the_child(autojump_clock: trio.testing.MockClock) -> None:
    child = Scripted("a", [], crash_soon)
    supervisor = Supervisor(
        "s", [spec(child)], backoff=Backoff(first_seconds=4, cap_seconds=4), chance=lambda: 0.99
    )
    await run_for(supervisor, 1)
    await trio.sleep(60)
    assert child.runs == 1
    assert [node.state for node in supervisor.nodes()] == ["stopped"]


async def test_an_outer_cancellation_still_stops_in_reverse_order(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Scripted(name, log)) for name in "ab"])
    with trio.move_on_after(1):
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert log == ["a up", "b up", "b down", "a down"]


async def test_a_crash_while_stopping_is_reported_and_not_restarted(autojump_clock: trio.testing.MockClock) -> None:
    async def dies_badly(service: Scripted, stopping: trio.Event) -> None:
        await stopping.wait()
        raise ZeroDivisionError("at the end")

    reports: list[CrashReport] = []
    child = Scripted("a", [], dies_badly)
    await run_for(Supervisor("s", [spec(child)], report=reports.append), 1)
    assert [(r.error, r.retry_seconds) for r in reports] == [("ZeroDivisionError: at the end", None)]
    assert child.runs == 1


async def test_an_injected_crash_is_handled_like_any_other(autojump_clock: trio.testing.MockClock) -> None:
    child = Scripted("a", [])
    supervisor = Supervisor("s", [spec(child)])
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[None]) -> None:
            await supervisor.run(stopping=stopping, task_status=task_status)

        await nursery.start(run)
        supervisor.crash("a", RuntimeError("injected"))
        await trio.sleep(1)
        (node,) = supervisor.nodes()
        assert (node.state, node.generation, node.restarts, node.last_crash) == (
            "running",
            2,
            1,
            "RuntimeError: injected",
        )
        stopping.set()


async def test_the_backoff_starts_over_after_a_healthy_life(autojump_clock: trio.testing.MockClock) -> None:
    async def crash_late(service: Scripted, stopping: trio.Event) -> None:
        await trio.sleep(0.1 if service.runs < 4 else 20)
        raise ZeroDivisionError

    delays: list[float | None] = []
    supervisor = Supervisor(
        "s",
        [spec(Scripted("a", [], crash_late))],
        backoff=Backoff(first_seconds=1, cap_seconds=8, healthy_seconds=10),
        intensity=RestartIntensity(intensity=9, period_seconds=60),
        chance=lambda: 0.5,
        report=lambda report: delays.append(report.retry_seconds),
    )
    await run_for(supervisor, 30)
    assert delays == [0.5, 1, 2, 0.5]


async def test_supervisors_nest(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []
    inner = Supervisor("inner", [spec(Scripted("x", log)), spec(Scripted("y", log))])
    outer = Supervisor("outer", [spec(Scripted("a", log)), ChildSpec(name="inner", service=inner)])
    await run_for(outer, 1)
    assert log == ["a up", "x up", "y up", "y down", "x down", "a down"]


async def test_keyboard_interrupt_is_never_restarted_on(autojump_clock: trio.testing.MockClock) -> None:
    async def interrupted(service: Scripted, stopping: trio.Event) -> None:
        await trio.sleep(0.1)
        raise KeyboardInterrupt

    child = Scripted("a", [], interrupted)
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        await run_for(Supervisor("s", [spec(child)]), 5)
    await wait_all_tasks_blocked()
    assert child.runs == 1


async def test_counts_of_a_child_go_on_when_its_supervisor_is_run_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    child = Scripted("a", [], crash_soon)
    inner = Supervisor("inner", [spec(child)], intensity=RestartIntensity(intensity=1, period_seconds=60))
    often = RestartIntensity(intensity=1000, period_seconds=60)
    outer = Supervisor(
        "outer", [ChildSpec(name="inner", service=inner)], intensity=often, backoff=Backoff(cap_seconds=0.05)
    )
    await run_for(outer, 10)
    (node,) = inner.nodes()
    assert node.generation == child.runs > 2
    assert node.last_crash is not None
