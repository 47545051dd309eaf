"""The moments when an actor is neither down nor up, or the loop was away: asks, late starts, missed ticks."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import NotStarted
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import Worker, running, spec, states


class Tick(Request[None], frozen=True):
    """Note the time."""


class Clock(Actor[Tick]):
    """Ticks every second from its start on."""

    def __init__(self, times: list[float]) -> None:
        self.times = times

    async def open(self, context: Context[Tick]) -> None:
        context.every(1, Tick())

    async def handle(self, message: Tick) -> None:
        self.times.append(trio.current_time())


async def test_ticks_that_were_missed_while_the_loop_was_away_are_not_made_up_for(mock_clock: MockClock) -> None:
    times: list[float] = []
    async with running(Supervisor("s", [ChildSpec(name="clock", service=Cell("clock", lambda: Clock(times)))])):
        await wait_all_tasks_blocked()
        mock_clock.jump(5.5)
        for _ in range(10):
            await wait_all_tasks_blocked()
        mock_clock.jump(1)
        await wait_all_tasks_blocked()
    assert times == [5.5, 6.5]


async def test_a_question_during_the_delay_before_a_restart_fails_at_once(autojump_clock: MockClock) -> None:
    cell = Cell("clock", lambda: Clock([]))
    supervisor = Supervisor(
        "s",
        [ChildSpec(name="clock", service=cell)],
        backoff=Backoff(first_seconds=2, cap_seconds=2),
        chance=lambda: 1.0,
    )
    async with running(supervisor):
        supervisor.crash("clock", RuntimeError("on purpose"))
        await trio.sleep(0.5)
        with pytest.raises(NotStarted):
            await cell.ref.ask(Tick(), within=60)
        assert trio.current_time() < 1


class Slow(Actor[Tick]):
    """Takes a second for each."""

    async def handle(self, message: Tick) -> None:
        await trio.sleep(1)


async def test_until_it_has_stopped_for_good_an_actor_may_be_asked_again(autojump_clock: MockClock) -> None:
    cell = Cell("slow", Slow)
    supervisor = Supervisor("s", [ChildSpec(name="slow", service=cell)])
    async with running(supervisor), trio.open_nursery() as nursery:
        cell.ref.tell(Tick())
        await wait_all_tasks_blocked()
        nursery.start_soon(supervisor.restart_child, "slow")
        await trio.sleep(0.5)
        with pytest.raises(NotStarted) as stopping:
            await cell.ref.ask(Tick(), within=60)
        assert stopping.value.retry_after_seconds is not None
        await trio.sleep(1)
        await cell.ref.ask(Tick(), within=60)
    with pytest.raises(NotStarted) as stopped:
        await cell.ref.ask(Tick(), within=60)
    assert stopped.value.retry_after_seconds is None


async def test_a_child_that_gets_ready_while_it_is_being_stopped_is_stopped(autojump_clock: MockClock) -> None:
    class Late(Worker):
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            await stopping.wait()
            await super().run(stopping=stopping, task_status=task_status)

    log: list[str] = []
    supervisor = Supervisor("s", [spec(Late("late", log))])
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await supervisor.run(stopping=stopping, task_status=trio.TASK_STATUS_IGNORED)

        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        stopping.set()
    assert log == ["+late", "-late"]
    assert states(supervisor) == {"late": "stopped"}


async def test_a_tick_that_waits_when_the_actor_crashes_is_not_for_the_next_incarnation(
    autojump_clock: MockClock,
) -> None:
    class Fragile(Clock):
        async def handle(self, message: Tick) -> None:
            await super().handle(message)
            if len(self.times) == 1:
                await trio.sleep(2.5)
                raise RuntimeError("while a tick waits")

    times: list[float] = []
    cell = Cell("clock", lambda: Fragile(times))
    supervisor = Supervisor("s", [ChildSpec(name="clock", service=cell)], chance=lambda: 0.0)
    async with running(supervisor):
        await trio.sleep(5)
    assert times == [pytest.approx(1), pytest.approx(4.5)]
