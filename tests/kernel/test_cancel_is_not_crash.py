"""Cancel is not crash: every trap in telling the two apart, each with the guard that keeps out of it.

A docstring names the guard; without it the test fails.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import Unavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.reports import CrashReport, StartFailed
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import Worker, running, spec, states

Body = Callable[[trio.Event], Awaitable[None]]


async def reported(body: Body) -> list[str]:
    """What is reported of a child that runs `body` and has to be cancelled."""
    reports: list[CrashReport] = []
    async with running(Supervisor("s", [spec(Worker("a", [], body))], report=reports.append)):
        await trio.sleep(1)
    return [report.error for report in reports]


async def sore() -> NoReturn:
    try:
        await trio.sleep_forever()
    finally:
        raise ValueError("sore")


async def hidden() -> NoReturn:
    try:
        await trio.sleep_forever()
    finally:
        try:
            raise ValueError("while cleaning up")
        finally:
            await trio.lowlevel.checkpoint()


# --- what a cancelled child leaves -------------------------------------------------------------------------------


async def test_a_cancellation_alone_is_no_crash(autojump_clock: MockClock) -> None:
    """Guard: `crash.split` takes nothing for a crash that is no `Exception`; `Child._reason` asks for the state."""

    async def deaf(stopping: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep_forever()

    assert await reported(deaf) == []


async def test_a_crash_in_the_cleanup_of_a_cancelled_child_is_reported(autojump_clock: MockClock) -> None:
    """Guard: `Child._run` reads what came out, not whether the scope was cancelled: it replaced the Cancelled."""
    assert await reported(lambda _: sore()) == ["ValueError: sore"]


async def test_a_crash_beside_a_cancellation_is_found_in_the_group(autojump_clock: MockClock) -> None:
    """Guard: `Child._run` catches outside its scope, which takes the Cancelled out of the group.

    Inside it `except Exception` would miss a group that holds a Cancelled too.
    """

    async def both(stopping: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sore)
            await trio.sleep_forever()

    assert await reported(both) == ["ValueError: sore"]


async def test_a_crash_that_a_checkpoint_in_its_cleanup_hides_is_still_reported(autojump_clock: MockClock) -> None:
    """Guard: `crash.masked`. A checkpoint in a `finally` raises Cancelled over the crash that was on its way."""
    assert await reported(lambda _: hidden()) == ["ValueError: while cleaning up"]


async def test_a_crash_hidden_twice_is_still_reported(autojump_clock: MockClock) -> None:
    """Guard: `crash.masked` walks the contexts to their end: a second checkpoint hides the first Cancelled."""

    async def twice(stopping: trio.Event) -> None:
        try:
            await hidden()
        finally:
            await trio.lowlevel.checkpoint()

    assert await reported(twice) == ["ValueError: while cleaning up"]


async def test_a_crash_hidden_inside_nested_groups_is_still_reported(autojump_clock: MockClock) -> None:
    """Guard: `crash.masked` looks into groups, whatever their depth."""

    async def nested(stopping: trio.Event) -> None:
        async with trio.open_nursery() as outer:
            outer.start_soon(inner)
            await trio.sleep_forever()

    async def inner() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hidden)
            await trio.sleep_forever()

    assert await reported(nested) == ["ValueError: while cleaning up"]


async def test_a_crash_during_an_outer_cancellation_is_reported_and_the_cancellation_goes_on(
    autojump_clock: MockClock,
) -> None:
    """Guard: `Supervisor.run` stops its children itself, shielded, and keeps nothing of the outer Cancelled."""
    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [spec(Worker("a", [], lambda _: sore()))], report=reports.append)
    with trio.move_on_after(1) as scope:
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert scope.cancelled_caught
    assert [report.error for report in reports] == ["ValueError: sore"]


# --- groups ------------------------------------------------------------------------------------------------------


async def test_a_crash_in_an_actors_own_nursery_is_named_without_its_groups(autojump_clock: MockClock) -> None:
    """Guard: `crash.cause`. Nurseries are strict: what escapes from one is a group, even of one."""

    class Busy(Actor[None]):
        async def open(self, context: Context[None]) -> None:
            context.nursery.start_soon(self.work)

        async def work(self) -> None:
            await trio.sleep(0.5)
            raise ValueError("in the background")

        async def handle(self, message: None) -> None: ...

    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [ChildSpec(name="a", service=Cell("a", Busy))], report=reports.append)
    async with running(supervisor):
        await trio.sleep(0.52)
    assert reports[0].error == "ValueError: in the background"
    assert isinstance(reports[0].exception, ValueError)


async def test_a_failed_start_inside_a_nursery_of_its_own_names_its_cause(autojump_clock: MockClock) -> None:
    """Guard: `crash.cause`, for the report as well: a service that opens a nursery first fails with a group."""

    class Wrapped(Worker):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            async with trio.open_nursery():
                raise OSError("no such device")

    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [spec(Wrapped("a", []))], report=reports.append)
    with pytest.raises(StartFailed, match=r"^a did not start: OSError: no such device$"):
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert isinstance(reports[0].exception, OSError)


# --- what must reach the top -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_an_order_to_exit_is_never_restarted_on_and_reaches_the_top(
    autojump_clock: MockClock, kind: type[BaseException]
) -> None:
    """Guard: `raise rest` in `Child._run`, after `crash.split` left it out of the crash."""

    async def leave(stopping: trio.Event) -> None:
        await trio.sleep(0.1)
        raise kind

    log: list[str] = []
    inner = Supervisor("inner", [spec(Worker("a", log, leave))])
    with pytest.RaisesGroup(kind, flatten_subgroups=True):
        async with running(Supervisor("outer", [ChildSpec(name="inner", service=inner)])):
            await trio.sleep(60)
    assert log == ["+a", "-a"]


async def test_an_interrupt_beside_a_crash_reaches_the_top_and_the_crash_is_reported(
    autojump_clock: MockClock,
) -> None:
    """Guard: `crash.split` returns both parts of a group, and `Child._run` deals with both."""

    async def interrupted() -> None:
        try:
            await trio.sleep(0.1)
        finally:
            raise KeyboardInterrupt

    async def both(stopping: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupted)
            nursery.start_soon(sore)

    log: list[str] = []
    reports: list[CrashReport] = []
    supervisor = Supervisor("s", [spec(Worker("a", log, both))], report=reports.append)
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with running(supervisor):
            await trio.sleep(60)
    assert log == ["+a", "-a"]
    assert [report.error for report in reports] == ["ValueError: sore"]


# --- shields and starts ------------------------------------------------------------------------------------------


class Hanging(Worker):
    """Never gets ready."""

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()


async def test_a_start_that_hangs_does_not_outlast_an_outer_deadline(autojump_clock: MockClock) -> None:
    """Guard: `Child.started` is where the scope gets its shield, and not where it is made."""
    supervisor = Supervisor("s", [ChildSpec(name="a", service=Hanging("a", []), start_seconds=1000)])
    with trio.move_on_after(2):
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert trio.current_time() == pytest.approx(2, abs=0.1)


async def test_a_child_that_is_ready_outlives_an_outer_deadline_until_its_turn_comes(
    autojump_clock: MockClock,
) -> None:
    """Guard: the shield in `Child.started`. Trio cancels all tasks of a nursery at once, in no order."""

    async def slow(stopping: trio.Event) -> None:
        await stopping.wait()
        await trio.sleep(0.5)

    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker(name, log, slow)) for name in "abc"])
    with trio.move_on_after(1):
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert trio.current_time() == pytest.approx(2.5, abs=0.1)


async def test_a_child_that_gets_ready_in_a_cancelled_nursery_is_stopped_like_any_other(
    autojump_clock: MockClock,
) -> None:
    """Guard: `Supervisor.run` shields `_stop_all`. In a cancelled nursery a task starts all the same."""
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker(name, log)) for name in "ab"])
    with trio.CancelScope() as scope:
        scope.cancel()
        await supervisor.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)
    assert log == ["+a", "-a"]
    assert states(supervisor) == {"a": "stopped", "b": "stopped"}


async def test_nobody_is_added_to_a_supervisor_that_is_stopping(autojump_clock: MockClock) -> None:
    """Guard: `Supervisor.run` forgets its nursery before it stops the children: a late one would outlive them."""

    async def slow(stopping: trio.Event) -> None:
        await stopping.wait()
        await trio.sleep(0.5)

    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log, slow))])
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(supervisor.run, stopping=stopping))
        stopping.set()
        await wait_all_tasks_blocked()
        with pytest.raises(Unavailable):
            await supervisor.start_child(spec(Worker("late", log)))
    assert log == ["+a", "-a"]


class Digger(Actor[None]):
    """Works for ever on its first message, and takes a while to let go."""

    def __init__(self, log: list[str], close_seconds: float) -> None:
        self.log, self.close_seconds = log, close_seconds

    async def handle(self, message: None) -> None:
        await trio.sleep_forever()

    async def close(self) -> None:
        await trio.sleep(self.close_seconds)
        self.log.append("closed")


@pytest.mark.parametrize(("close_seconds", "log"), [(0.5, ["closed"]), (1000, [])])
async def test_a_cancelled_actor_still_closes_and_not_for_ever(
    autojump_clock: MockClock, close_seconds: float, log: list[str]
) -> None:
    """Guard: the shield around `Actor.close` in `Cell._serve_and_close`, and its deadline."""
    seen: list[str] = []
    cell = Cell("a", lambda: Digger(seen, close_seconds), close_seconds=1)
    async with running(Supervisor("s", [ChildSpec(name="a", service=cell, grace_seconds=2)])):
        cell.ref.tell(None)
        await wait_all_tasks_blocked()
        asked = trio.current_time()
    assert seen == log
    assert trio.current_time() - asked == pytest.approx(2 + min(close_seconds, 1), abs=0.1)
