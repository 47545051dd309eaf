"""A question to an actor against the same by hand: a memory channel, an event for the answer, a deadline.

Both sides are the same work for Trio (one message, one wake-up each way, one deadline), interleaved in rounds. The
difference is what the kernel adds: verdicts, two lanes, expiring questions, counts, crash answers.
"""

import time
from functools import partial

import trio

from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.request import Request
from benchmarks.report import Report, median


class Double(Request[int], frozen=True, tag=True):
    """Ask for twice the number."""

    number: int


class Doubler(Actor[Double]):
    """Answers."""

    async def handle(self, message: Double) -> int:
        return 2 * message.number


class Slot:
    """An answer by hand."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.filled = trio.Event()
        self.value = 0


async def by_hand(receive: trio.MemoryReceiveChannel[Slot]) -> None:
    """The other end of the hand-made question."""
    async for slot in receive:
        slot.value = 2 * slot.number
        slot.filled.set()


async def ask_by_hand(send: trio.MemorySendChannel[Slot], number: int) -> int:
    """The hand-made question."""
    slot = Slot(number)
    with trio.fail_after(1):
        await send.send(slot)
        await slot.filled.wait()
    return slot.value


async def measure(rounds: int, asks: int) -> Report:
    """Interleave both in rounds."""
    cell: Cell[Double] = Cell("doubler", Doubler)
    send, receive = trio.open_memory_channel[Slot](256)
    ours: list[float] = []
    bare: list[float] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(cell.run, stopping=trio.Event()))
        nursery.start_soon(by_hand, receive)
        for _ in range(rounds):
            began = time.perf_counter()
            for n in range(asks):
                await cell.ref.ask(Double(n), within=1)
            middle = time.perf_counter()
            for n in range(asks):
                await ask_by_hand(send, n)
            ours.append((middle - began) / asks)
            bare.append((time.perf_counter() - middle) / asks)
        nursery.cancel_scope.cancel()
    return Report(
        name="ask",
        ratios={"vs_channel_ask": median([a / b for a, b in zip(ours, bare, strict=True)])},
        figures={"asks_per_second": 1 / median(ours), "channel_asks_per_second": 1 / median(bare)},
    )


def run(*, quick: bool) -> Report:
    """Measure."""
    return trio.run(partial(measure, 7 if quick else 25, 2_000 if quick else 5_000))
