"""The loop watchdog names the one who holds the loop."""

import queue
import time
from functools import partial

import msgspec
import trio

from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.watchdog import LoopWatchdog, Stall


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Hold the loop."""

    seconds: float


class Holder(Actor[Hold]):
    async def handle(self, message: Hold) -> None:
        time.sleep(message.seconds)  # noqa: ASYNC251  (what must never happen is what is tested)


async def test_a_handler_that_holds_the_loop_is_named_once() -> None:
    stalls: queue.Queue[Stall] = queue.Queue()
    watchdog = LoopWatchdog(stalls.put, late_seconds=0.05)
    cell: Cell[Hold] = Cell("holder", Holder)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(watchdog.run, stopping=trio.Event()))
        await nursery.start(partial(cell.run, stopping=trio.Event()))
        cell.ref.tell(Hold(0.4))
        stall = await trio.to_thread.run_sync(partial(stalls.get, timeout=5))
        nursery.cancel_scope.cancel()
    assert stall.actor == "holder"
    assert stall.where.endswith("handle")
    assert stall.seconds >= 0.05
    assert stalls.empty()


async def test_a_loop_that_turns_is_never_reported() -> None:
    stalls: list[Stall] = []
    watchdog = LoopWatchdog(stalls.append, late_seconds=0.5)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(watchdog.run, stopping=stopping))
        for _ in range(20):
            await trio.sleep(0.01)
        stopping.set()
    assert stalls == []
