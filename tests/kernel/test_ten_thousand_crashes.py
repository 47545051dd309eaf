"""Thousands of crashes leave nothing behind: no tasks, objects, events or letters. Ten thousand of them in CI."""

import gc

import trio
from trio.testing import MockClock

from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.mailbox import Verdict
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.supervisor import Supervisor
from tests.effort import effort
from tests.kernel.workers import Worker, running, spec

CRASHES = effort("AURA_CRASHES", desk=3_000, ci=10_000)
BACKOFF = Backoff(first_seconds=0.01, cap_seconds=0.01)


def traces() -> tuple[int, int]:
    """Living tasks, and objects that the collector knows."""
    gc.collect()
    return trio.lowlevel.current_statistics().tasks_living, len(gc.get_objects())


async def test_thousands_of_crashes_of_a_service_leave_nothing_behind(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor("s", [spec(Worker("a", log))], backoff=BACKOFF)
    async with running(supervisor):
        for n in range(CRASHES):
            if n == 100:
                tasks, objects = traces()
            supervisor.crash("a", RuntimeError("again"))
            await trio.sleep(15)
        after = traces()
        assert after[0] == tasks
        assert after[1] - objects < 500
        assert len(supervisor._restarts) <= 5
        assert supervisor._events_in.statistics().current_buffer_used == 0
    assert log.count("+a") == CRASHES + 1


class Fragile(Actor[int]):
    """Crashes over every odd number."""

    async def handle(self, message: int) -> None:
        if message % 2:
            raise RuntimeError(f"{message} is odd")


async def test_thousands_of_crashes_of_an_actor_under_traffic_leave_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    dead, few = 0, CRASHES // 3

    def bury(letter: DeadLetter) -> None:
        nonlocal dead
        dead += 1

    cell = Cell("a", Fragile, capacity=8, dead_letter=bury)
    supervisor = Supervisor("s", [ChildSpec(name="a", service=cell)], backoff=BACKOFF)
    async with running(supervisor):
        for n in range(few):
            if n == 100:
                tasks, objects = traces()
            for message in (0, 1, 2, 4):
                assert cell.ref.tell(message) is Verdict.DELIVERED
            await trio.sleep(15)
        after = traces()
        assert after[0] == tasks
        assert after[1] - objects < 500
        assert (cell.statistics().generation, cell.statistics().handled, dead) == (few + 1, 4 * few, few)
        assert cell.statistics().mailbox.depth == 0
