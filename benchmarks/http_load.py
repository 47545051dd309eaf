"""Load on a server, closed or open, and what came of it. Knows no protocol: an operation is a function to await.

Closed: every client asks again as soon as it is answered, which finds the throughput. Open: arrivals are a Poisson
process that no answer holds up; a latency counts from when its request was due, so that a slow answer is charged
with everything that had to wait behind it (Tene's "coordinated omission").
"""

import random
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import trio

Operation = Callable[[], Awaitable[int]]
"""Carries something out and says how many operations that was."""
Timed = Callable[[], Awaitable[Callable[[], Awaitable[object]]]]
"""Carries out what is timed; returns what must follow and is not."""


class Tails(msgspec.Struct, frozen=True):
    """Of latencies, in milliseconds."""

    p50: float
    p99: float
    p999: float
    most: float


def tails(seconds: Sequence[float]) -> Tails:
    """Nearest rank: with fewer than a thousand values the last two are the same."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Tails(at(0.5), at(0.99), at(0.999), 1e3 * ordered[-1])


async def closed_loop(operations: Sequence[Operation], seconds: float) -> float:
    """Operations a second, with each of `operations` repeated by a client of its own."""
    done = 0
    began = trio.current_time()
    until = began + seconds

    async def work(operation: Operation) -> None:
        nonlocal done
        while trio.current_time() < until:
            number = await operation()  # not in one line with the sum: others add meanwhile
            done += number

    async with trio.open_nursery() as nursery:
        for operation in operations:
            nursery.start_soon(work, operation)
    return done / (trio.current_time() - began)


async def open_loop(clients: Sequence[Timed], per_second: float, seconds: float, seed: int = 1) -> list[float]:
    """Seconds from when each request was due until it was answered; arrivals go round the clients."""
    chance = random.Random(seed)
    due: list[float] = []
    at = chance.expovariate(per_second)
    while at < seconds:
        due.append(at)
        at += chance.expovariate(per_second)
    began = trio.current_time() + 0.05
    latencies: list[float] = []

    async def work(client: Timed, mine: Sequence[float]) -> None:
        for moment in mine:
            await trio.sleep_until(began + moment)
            afterwards = await client()
            latencies.append(trio.current_time() - began - moment)
            await afterwards()

    async with trio.open_nursery() as nursery:
        for number, client in enumerate(clients):
            nursery.start_soon(work, client, due[number :: len(clients)])
    return latencies
