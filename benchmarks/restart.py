"""From a crash to the next handled message, and from `serve` or `kill -9` to ready.

The bare peer is what anybody would write: a loop in a nursery that starts the worker again. Readiness includes the
interpreter's start, the imports and two samples 0.2 s apart.
"""

import json
import tempfile
import time
import urllib.request
from functools import partial
from pathlib import Path

import msgspec
import trio

from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.supervisor import Supervisor
from benchmarks.daemon import start
from benchmarks.report import Report, median

LEASES = 50


class Fail(msgspec.Struct, frozen=True, tag=True):
    """Crash."""


class Stamp(msgspec.Struct, frozen=True, tag=True):
    """Write down when this was handled."""


class Fragile(Actor[Fail | Stamp]):
    """Crashes on request."""

    def __init__(self, handled: list[float]) -> None:
        self.handled = handled

    async def handle(self, message: Fail | Stamp) -> None:
        if isinstance(message, Fail):
            raise ZeroDivisionError
        self.handled.append(time.perf_counter())


async def supervised(crashes: int) -> list[float]:
    """Seconds from telling the crash to handling the message behind it."""
    handled: list[float] = []
    cell: Cell[Fail | Stamp] = Cell("fragile", lambda: Fragile(handled))
    supervisor = Supervisor(
        "bench",
        [ChildSpec(name="fragile", service=cell)],
        backoff=Backoff(first_seconds=0, cap_seconds=0),
        intensity=RestartIntensity(intensity=10**6, period_seconds=1),
    )
    seconds = []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(supervisor.run, stopping=trio.Event()))
        for n in range(crashes):
            began = time.perf_counter()
            cell.ref.tell(Fail())
            cell.ref.tell(Stamp())
            while len(handled) <= n:
                await trio.lowlevel.checkpoint()
            seconds.append(handled[-1] - began)
        nursery.cancel_scope.cancel()
    return seconds


async def bare(crashes: int) -> list[float]:
    """The same with a loop, a nursery and a channel."""
    handled: list[float] = []
    send, receive = trio.open_memory_channel[bool](256)

    async def work(task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery():
            task_status.started()
            async for fail in receive:
                if fail:
                    raise ZeroDivisionError
                handled.append(time.perf_counter())

    async def keep() -> None:
        while True:
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(work)
            except* ZeroDivisionError:
                pass

    seconds = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep)
        for n in range(crashes):
            began = time.perf_counter()
            send.send_nowait(True)
            send.send_nowait(False)
            while len(handled) <= n:
                await trio.lowlevel.checkpoint()
            seconds.append(handled[-1] - began)
        nursery.cancel_scope.cancel()
    return seconds


def readiness(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to ready from an empty data directory, and after kill -9 with leases."""
    first, again = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            process, http, seconds = start(Path(name))
            first.append(seconds)
            for n in range(LEASES):
                body = json.dumps({"jobId": f"job-{n}", "memoryBytes": 1000}).encode()
                request = urllib.request.Request(
                    f"{http}/api/admission/jobs", body, {"Content-Type": "application/json"}
                )
                urllib.request.urlopen(request).read()
            process.kill()
            process.wait()
            process, http, seconds = start(Path(name))
            again.append(seconds)
            active = json.load(urllib.request.urlopen(f"{http}/api/admission/jobs"))["active"]
            assert len(active) == LEASES
            process.terminate()
            process.wait()
    return first, again


async def crash_to_message(rounds: int, crashes: int) -> tuple[list[float], list[float]]:
    """Medians of both, interleaved in rounds."""
    ours, peers = [], []
    for _ in range(rounds):
        ours.append(median(await supervised(crashes)))
        peers.append(median(await bare(crashes)))
    return ours, peers


def run(*, quick: bool) -> Report:
    """Measure."""
    ours, peers = trio.run(crash_to_message, 5 if quick else 15, 100 if quick else 300)
    first, again = readiness(2 if quick else 7)
    return Report(
        name="restart",
        ratios={"vs_bare": median([a / b for a, b in zip(ours, peers, strict=True)])},
        figures={
            "crash_to_message_microseconds": median(ours) * 1e6,
            "bare_microseconds": median(peers) * 1e6,
            "ready_seconds": median(first),
            "ready_after_kill_seconds": median(again),
        },
    )
