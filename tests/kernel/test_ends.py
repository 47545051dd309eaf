"""How children end, and what becomes of the others meanwhile: groups, stops, deadlines, what never ends."""

import math
import queue
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import Conflict
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child import CANCEL_SECONDS, GRACE_SECONDS
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.reports import CrashReport, StartFailed
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.kernel.watchdog import LoopWatchdog, Stall
from aura_actors.runtime.systemd import keep_alive
from aura_actors.testing import run_actor
from tests.kernel.workers import Worker, running, spec, states


class Staged(Worker):
    """Does `before` with the number of its start, ahead of getting ready."""

    def __init__(self, name: str, before: Callable[[int], Awaitable[None]], log: list[str] | None = None) -> None:
        super().__init__(name, [] if log is None else log)
        self.before = before
        self.starts = 0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        self.starts += 1
        await self.before(self.starts)
        await super().run(stopping=stopping, task_status=task_status)


async def deaf_for(seconds: float, stopping: trio.Event) -> None:
    """Go on for so long after the order to stop, whoever cancels."""
    await stopping.wait()
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


async def takes(seconds: float, stopping: trio.Event) -> None:
    """Take so long to end, unless cancelled."""
    await stopping.wait()
    await trio.sleep(seconds)


def deaf(name: str, seconds: float) -> Worker:
    return Worker(name, [], partial(deaf_for, seconds))


def group(*children: ChildSpec) -> Supervisor:
    return Supervisor("s", children, strategy=Strategy.ONE_FOR_ALL, chance=lambda: 0.0)


# --- groups and added children ---


async def test_whoever_adds_a_child_that_gets_ready_while_it_is_stopped_is_told(autojump_clock: MockClock) -> None:
    async def slow_start(_: int) -> None:
        await trio.sleep(5)

    supervisor = group(spec(Worker("a", [])))
    async with running(supervisor), trio.open_nursery() as nursery:

        async def add() -> None:
            with pytest.raises(StartFailed, match="stopped while it started"):
                await supervisor.start_child(ChildSpec(name="b", service=Staged("b", slow_start), grace_seconds=10))

        nursery.start_soon(add)
        await trio.sleep(1)
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(30)
        assert states(supervisor) == {"a": "running"}


async def test_an_added_child_stopped_in_its_first_start_for_a_siblings_sake_does_not_come_back(
    autojump_clock: MockClock,
) -> None:
    """Whoever added it was told that it did not start: nobody would know of one that runs."""

    async def slow_start(_: int) -> None:
        await trio.sleep(5)

    added = Staged("b", slow_start)
    supervisor = group(spec(Worker("a", [])))

    async def add() -> None:
        with pytest.raises(StartFailed):
            await supervisor.start_child(spec(added))

    async with running(supervisor), trio.open_nursery() as nursery:
        nursery.start_soon(add)
        await trio.sleep(1)
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(30)
        assert (added.starts, added.log, states(supervisor)) == (1, [], {"a": "running"})


async def test_a_group_restart_goes_on_behind_one_that_is_taken_away_meanwhile(autojump_clock: MockClock) -> None:
    async def slow_second_start(start: int) -> None:
        await trio.sleep(0 if start == 1 else 5)

    supervisor = group(spec(Worker("a", [])), spec(Staged("b", slow_second_start)), spec(Worker("c", [])))
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(1)
        await supervisor.stop_child("b")
        await trio.sleep(10)
        assert states(supervisor) == {"a": "running", "c": "running"}


async def test_a_group_restart_goes_on_behind_a_transient_one_that_ends_before_it_is_ready(
    autojump_clock: MockClock,
) -> None:
    class Done(Worker):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            if not self.log:
                await super().run(stopping=stopping, task_status=task_status)

    supervisor = group(spec(Worker("a", [])), spec(Done("b", []), Restart.TRANSIENT), spec(Worker("c", [])))
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(10)
        assert states(supervisor) == {"a": "running", "b": "stopped", "c": "running"}


async def test_a_stuck_sibling_that_ends_late_is_started_again(autojump_clock: MockClock) -> None:
    supervisor = group(spec(Worker("a", [])), spec(deaf("b", 20)))
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(10)
        assert states(supervisor) == {"a": "running", "b": "stopping"}
        assert supervisor.stuck == ["b"]
        await trio.sleep(20)
        assert states(supervisor) == {"a": "running", "b": "running"}
        assert supervisor.stuck == []


async def test_an_addition_cancelled_while_the_child_fails_ends_as_cancelled() -> None:
    """Not as `Gone`: who of the three is first is up to Trio's scheduler, so there are many rounds."""
    for _ in range(60):
        fail = trio.Event()

        async def fails(_: int, fail: trio.Event = fail) -> None:
            await fail.wait()
            raise OSError("on purpose")

        async def add(supervisor: Supervisor, child: ChildSpec, scope: trio.CancelScope) -> None:
            with scope, suppress(StartFailed):
                await supervisor.start_child(child)

        supervisor = Supervisor("s", [spec(Worker("a", []))])
        async with running(supervisor), trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(add, supervisor, spec(Staged("b", fails)), scope)
            await wait_all_tasks_blocked()
            nursery.start_soon(_cancel_after, fail, scope)
            await wait_all_tasks_blocked()
            fail.set()
            await wait_all_tasks_blocked()
            assert states(supervisor) == {"a": "running"}


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


# --- stop, start and stuck ---


async def test_a_cancelled_stop_ends_the_child_all_the_same(autojump_clock: MockClock) -> None:
    child = Worker("a", [], partial(takes, 0.5))
    supervisor = Supervisor("s", [spec(child)])
    async with running(supervisor):
        with trio.move_on_after(0.1):
            await supervisor.stop_child("a")
        await trio.sleep(10)
        assert (child.log, states(supervisor)) == (["+a", "-a"], {})


async def test_a_start_whose_time_is_up_in_the_turn_of_getting_ready_is_a_crash(mock_clock: MockClock) -> None:
    """Not an orderly end, after which a transient child would stay away."""
    go = trio.Event()

    async def wait_to_go(start: int) -> None:
        if start > 1:
            await go.wait()

    reports: list[CrashReport] = []
    child = ChildSpec(
        name="a", service=Staged("a", wait_to_go), restart=Restart.TRANSIENT, start_seconds=10, grace_seconds=1
    )
    supervisor = Supervisor("s", [child], chance=lambda: 0.0, report=reports.append)
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("first"))
        await wait_all_tasks_blocked()
        go.set()
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        assert [report.error for report in reports] == [
            "RuntimeError: first",
            "TimeoutError: not ready within 10 s",
        ]
        assert states(supervisor) == {"a": "running"}


async def test_what_was_stuck_once_and_has_ended_is_not_reported_at_the_end(autojump_clock: MockClock) -> None:
    stuck: list[list[str]] = []
    supervisor = Supervisor("s", [spec(Worker("a", []))], on_stuck=stuck.append)
    async with running(supervisor):
        await supervisor.start_child(spec(deaf("b", 20)))
        await supervisor.stop_child("b")
        assert supervisor.stuck == ["b"]
        await trio.sleep(30)
    assert stuck == []


async def test_an_actor_that_hangs_in_handle_and_in_close_is_not_called_stuck(autojump_clock: MockClock) -> None:
    """The bounds that nobody set fit each other: its close is cut off before the supervisor loses patience."""

    class Hanging(Actor[str]):
        async def handle(self, message: str) -> None:
            await trio.sleep_forever()

        async def close(self) -> None:
            await trio.sleep_forever()

    stuck: list[list[str]] = []
    cell = Cell("a", Hanging)
    async with running(Supervisor("s", [ChildSpec(name="a", service=cell)], on_stuck=stuck.append)):
        cell.ref.tell("hang")
        await trio.sleep(1)
    assert stuck == []


async def test_a_child_that_does_not_end_stays_and_keeps_its_name_until_it_does(autojump_clock: MockClock) -> None:
    supervisor = Supervisor("s", [spec(Worker("a", []))])
    async with running(supervisor):
        await supervisor.start_child(spec(deaf("b", 20)))
        await supervisor.stop_child("b")
        assert states(supervisor) == {"a": "running", "b": "stopping"}
        with pytest.raises(Conflict):
            await supervisor.start_child(spec(Worker("b", [])))
        await trio.sleep(20)
        assert states(supervisor) == {"a": "running"}
        await supervisor.start_child(spec(Worker("b", [])))
        assert states(supervisor) == {"a": "running", "b": "running"}


async def test_a_close_that_is_cut_off_is_reported_as_a_crash(autojump_clock: MockClock) -> None:
    class Lingering(Actor[str]):
        async def handle(self, message: str) -> None:
            pass

        async def close(self) -> None:
            await trio.sleep_forever()

    async with run_actor(Lingering, grace_seconds=5) as actor:
        pass
    assert [report.error for report in actor.crashes] == ["TimeoutError: not closed within 2 s"]


# --- deadlines of the end ---


async def test_the_deaf_are_reported_within_one_deadline_however_many_they_are(autojump_clock: MockClock) -> None:
    told: list[tuple[int, float]] = []
    supervisor = Supervisor(
        "s",
        [spec(deaf(str(n), 60)) for n in range(20)],
        shutdown_seconds=3,
        on_stuck=lambda names: told.append((len(names), trio.current_time())),
    )
    async with running(supervisor):
        began = trio.current_time()
    [(deaf_ones, at)] = told
    assert deaf_ones == 20
    assert at - began <= 3 + GRACE_SECONDS + CANCEL_SECONDS


async def test_what_heeds_its_cancellation_is_gone_when_the_deadline_is(autojump_clock: MockClock) -> None:
    children = [
        ChildSpec(name=str(n), service=Worker(str(n), [], partial(takes, 50)), grace_seconds=100) for n in range(20)
    ]
    async with running(Supervisor("s", children, shutdown_seconds=3)):
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)


def nested(log: list[str], seconds: float, *, grace_seconds: float) -> ChildSpec:
    """A supervisor of four children that take so long to end."""
    children = [
        ChildSpec(name=name, service=Parting(name, log, partial(takes, seconds)), grace_seconds=grace_seconds)
        for name in "abcd"
    ]
    return ChildSpec(name="inner", service=Supervisor("inner", children))


class Parting(Worker):
    """Says so where it ended in order."""

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        await super().run(stopping=stopping, task_status=task_status)
        self.log.append(f"{self.name} in order")


async def test_the_children_of_a_nested_supervisor_may_take_their_time_one_after_the_other(
    autojump_clock: MockClock,
) -> None:
    """Six seconds in all, where a leaf has two."""
    log: list[str] = []
    stuck: list[list[str]] = []
    async with running(Supervisor("s", [nested(log, 1.5, grace_seconds=2)], on_stuck=stuck.append)):
        log.clear()
    assert log == ["-d", "d in order", "-c", "c in order", "-b", "b in order", "-a", "a in order"]
    assert stuck == []


async def test_a_nested_supervisor_hurries_when_its_parents_deadline_is_up(autojump_clock: MockClock) -> None:
    log: list[str] = []
    stuck: list[list[str]] = []
    children = [nested(log, 50, grace_seconds=math.inf)]
    async with running(Supervisor("s", children, shutdown_seconds=3, on_stuck=stuck.append)):
        began = trio.current_time()
        log.clear()
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)
    assert sorted(log) == ["-a", "-b", "-c", "-d"]
    assert stuck == []


# --- who watches the loop, and who watches us ---


async def test_an_actor_whose_open_holds_the_loop_is_named() -> None:
    class Blocking(Actor[str]):
        async def open(self, context: Context[str]) -> None:
            time.sleep(0.4)  # noqa: ASYNC251  (what must never happen is what is tested)

        async def handle(self, message: str) -> None:
            pass

    stalls: queue.Queue[Stall] = queue.Queue()
    watchdog = LoopWatchdog(stalls.put, late_seconds=0.05)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(watchdog.run, stopping=trio.Event()))
        await nursery.start(partial(Cell("blocking", Blocking).run, stopping=trio.Event()))
        stall = await trio.to_thread.run_sync(partial(stalls.get, timeout=5))
        nursery.cancel_scope.cancel()
    assert stall.actor == "blocking"
    assert stall.where.endswith("open")


async def test_the_sign_of_life_goes_on_after_one_that_was_lost(tmp_path: Path, autojump_clock: MockClock) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_alive, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})
            await trio.sleep(0.5)
            manager.bind(address)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert manager.recv(100) == b"WATCHDOG=1"
