"""Acquire and release over HTTP beside an empty route of the same server, one by one, in batches, over a session.

The daemon, the empty route and Redis are processes of their own; the load comes from this one. Throughput is that
of 8 clients in a closed loop, all kinds interleaved in rounds; every operation is an acquire or a release, half of
each, and the empty route gets the same requests. Beside each rate stands the processor time that its server took,
which other work on the machine moves less. Latencies are those of acquires at half that throughput in an open loop,
from 1 to 256 clients, and of the empty route at the same arrivals.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import trio

from benchmarks.http_load import Operation, Tails, Timed, closed_loop, open_loop, tails
from benchmarks.http_operations import (
    AT_ONCE,
    acquire,
    acquire_nothing,
    batch,
    clients,
    empty,
    feeds,
    redis,
    semaphores,
    session,
    single,
)
from benchmarks.http_servers import REDIS, Server, daemon, empty_route, redis_server
from benchmarks.report import Report, median

CLIENTS = 8
OPEN_CLIENTS = (1, 4, 16, 64, 256)
LOAD = 0.5


class Rates:
    """Operations a second, and processor seconds of the server for one, of every kind and round."""

    def __init__(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.costs: dict[str, list[float]] = {}

    async def measure(self, kind: str, server: Server, operations: Sequence[Operation], seconds: float) -> None:
        """One round of one kind."""
        began, spent = time.perf_counter(), server.spent()
        rate = await closed_loop(operations, seconds)
        done = rate * (time.perf_counter() - began)
        self.rates.setdefault(kind, []).append(rate)
        self.costs.setdefault(kind, []).append((server.spent() - spent) / done)

    def faster(self, kind: str, than: str) -> float | None:
        """How many times as many operations; None where one of the two is not there."""
        return _ratio(self.rates, kind, than)

    def figures(self) -> dict[str, float]:
        """Medians."""
        rates = {f"{kind}_per_second": median(values) for kind, values in self.rates.items()}
        costs = {f"{kind}_processor_microseconds": 1e6 * median(values) for kind, values in self.costs.items()}
        return {**rates, **costs}


def _ratio(values: dict[str, list[float]], one: str, other: str) -> float | None:
    if one not in values or other not in values:
        return None
    return median([a / b for a, b in zip(values[one], values[other], strict=True)])


async def throughput(ours: Server, peer: Server, rounds: int, seconds: float) -> Rates:
    """Every kind, interleaved in rounds."""
    rates = Rates()
    async with contextlib.AsyncExitStack() as stack:
        queue: Server | None = None
        if shutil.which(REDIS) is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            queue = await stack.enter_async_context(redis_server(folder))
        for _ in range(rounds):
            async with clients(ours.address, CLIENTS) as http, clients(peer.address, CLIENTS) as bare:
                await rates.measure("single", ours, [partial(single, each) for each in http], seconds)
                await rates.measure("empty", peer, [partial(empty, each) for each in bare], seconds)
                await rates.measure("batch", ours, [partial(batch, each) for each in http], seconds)
            async with feeds(ours.address, CLIENTS) as feed:
                await rates.measure("session", ours, [partial(session, each) for each in feed], seconds)
            if queue is not None:
                async with semaphores(queue.address, CLIENTS) as redises:
                    one = [partial(redis, each, 1) for each in redises]
                    many = [partial(redis, each, AT_ONCE) for each in redises]
                    await rates.measure("redis", queue, one, seconds)
                    await rates.measure("redis_pipelined", queue, many, seconds)
    return rates


async def latencies(ours: Server, peer: Server, per_second: float, seconds: float) -> dict[str, dict[int, Tails]]:
    """Of acquires and of the empty route, by the number of clients."""
    found: dict[str, dict[int, Tails]] = {"acquire": {}, "empty": {}}
    for number in OPEN_CLIENTS:
        for kind, server, ask in (("acquire", ours, acquire), ("empty", peer, acquire_nothing)):
            async with clients(server.address, number) as http:
                timed: list[Timed] = [partial(ask, each) for each in http]
                found[kind][number] = tails(await open_loop(timed, per_second, seconds))
    return found


async def measure(rounds: int, seconds: float, open_seconds: float) -> Report:
    """Everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with daemon(Path(folder)) as ours, empty_route() as peer:
            rates = await throughput(ours, peer, rounds, seconds)
            pairs = LOAD * median(rates.rates["single"]) / 2
            found = await latencies(ours, peer, pairs, open_seconds)
    notes = [
        f"operations a second of {CLIENTS} clients; {AT_ONCE} operations in a batch, or under way in a session",
        f"open loop: acquires at {pairs:.0f}/s for {open_seconds:g} s, each followed by its release",
    ]
    if shutil.which(REDIS) is None:
        notes.append(f"redis: {REDIS} is not installed (Debian package {REDIS})")
    return Report(
        name="http",
        ratios={
            "vs_empty_route": rates.faster("single", "empty"),
            "processor_vs_empty_route": _ratio(rates.costs, "empty", "single"),
            "batch_vs_single": rates.faster("batch", "single"),
            "session_vs_single": rates.faster("session", "single"),
            "acquire_p99_vs_empty_route": median(
                [found["acquire"][number].p99 / found["empty"][number].p99 for number in OPEN_CLIENTS]
            ),
            "single_vs_redis": rates.faster("single", "redis"),
            "session_vs_redis_pipelined": rates.faster("session", "redis_pipelined"),
        },
        figures={
            **rates.figures(),
            **{
                f"{kind}_{name}_milliseconds_{number}_clients": value
                for kind, by_number in found.items()
                for number, each in by_number.items()
                for name, value in msgspec.structs.asdict(each).items()
            },
        },
        notes=notes,
    )


def run(*, quick: bool) -> Report:
    """Measure."""
    return trio.run(partial(measure, 3, 0.8, 1.5) if quick else partial(measure, 9, 3.0, 30.0))
