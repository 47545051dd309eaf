"""Who works beside a sweep: a reader of files in the foreground, and the loop of the runtime that drives it.

The sweep is the real one, in its process, asked for through the actor of a whole runtime. The loop's stall is the
longest that a heartbeat came late. How much of that is the machine's is said by a process that only sleeps, just
as often (`bare_stall_ms`), and by the loop without a sweep; what is ours is the longest processor time of one
step of a task (`loop_held_ms`).
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from aura_actors.cli.logging import configure_logging
from aura_actors.config import Settings
from aura_actors.config.cleanup import Cleanup, TempFiles
from aura_actors.edges.services import ask
from aura_actors.kernel.ref import Ref
from aura_actors.messages.cleanup import CleanupMessage, RunTask, StopRun
from aura_actors.runtime import open_runtime
from benchmarks.report import median

HEARTBEAT_SECONDS = 0.002
READ_SECONDS = 0.5
READER = """
import random, sys, time
from pathlib import Path
folder, seconds, chance = Path(sys.argv[1]), float(sys.argv[2]), random.Random(1)
files = sorted(folder.iterdir())
count, until = 0, time.perf_counter() + seconds
while time.perf_counter() < until:
    chance.choice(files).read_bytes()
    count += 1
print(count / seconds)
"""
SLEEPER = """
import signal, sys, time
late, go_on = [], True
def end(*_):
    global go_on
    go_on = False
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while go_on:
    due = time.perf_counter() + float(sys.argv[1])
    time.sleep(float(sys.argv[1]))
    late.append(time.perf_counter() - due)
print(*late)
"""


class Steps(trio.abc.Instrument):
    """The longest processor time that one step of any task took."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._began = time.thread_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task goes on."""
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It waits again."""
        self.longest_seconds = max(self.longest_seconds, time.thread_time() - self._began)


class Beats(NamedTuple):
    """Seconds that heartbeats came late."""

    late: list[float]

    @property
    def worst_ms(self) -> float:
        return 1e3 * max(self.late)

    @property
    def p999_ms(self) -> float:
        return 1e3 * sorted(self.late)[int(len(self.late) * 0.999)]


async def measure(files: int, rounds: int) -> dict[str, float]:
    """Reads per second alone and beside a sweep, in turns; then the loop over one sweep of `files`."""
    configure_logging("console", "warning")  # to standard error: standard output is the benchmark's
    with tempfile.TemporaryDirectory() as folder:
        data_dir, reads = Path(folder, "data"), Path(folder, "reads")
        await trio.to_thread.run_sync(_write_reads, reads)
        options = Cleanup(enabled=False, temp_files=TempFiles(older_than=0.0, max_files=10_000_000))
        async with open_runtime(Settings(data_dir=data_dir, cleanup=options)) as runtime:
            await runtime.wait_ready()
            cleanup = runtime.parts.cleanup.ref
            idle = await _beats(3.0)
            await trio.to_thread.run_sync(_fill, data_dir / "temp", files)
            alone: list[float] = []
            beside: list[float] = []
            begun = time.perf_counter()
            late, bare, steps = Beats([]), Beats([]), Steps()
            async with _beside(bare), trio.open_nursery() as nursery:
                trio.lowlevel.add_instrument(steps)
                nursery.start_soon(_beat, late)
                run = await ask(cleanup, RunTask(task="temp-files"))
                report = await run.report.wait_newer(0)
                nursery.cancel_scope.cancel()
                trio.lowlevel.remove_instrument(steps)
            assert report is not None
            assert report.removed >= files, report
            took = time.perf_counter() - begun
            await trio.to_thread.run_sync(_fill, data_dir / "temp", 1_500 * rounds)
            for turn in range(rounds):
                if turn % 2:
                    alone.append(await _read(reads))
                else:
                    beside.append(await _read_beside(cleanup, reads))
    return {
        "foreground": median([a / b for a, b in zip(alone, beside, strict=True)]),
        "loop_held_ms": 1e3 * steps.longest_seconds,
        "loop_stall_ms": late.worst_ms,
        "loop_stall_p999_ms": late.p999_ms,
        "loop_stall_idle_ms": idle.worst_ms,
        "bare_stall_ms": bare.worst_ms,
        "bare_stall_p999_ms": bare.p999_ms,
        f"sweep_seconds_{files}": took,
        "reads_per_second": median(alone),
    }


async def _read_beside(cleanup: Ref[CleanupMessage], reads: Path) -> float:
    """Reads per second while a sweep is at work, which is stopped then."""
    run = await ask(cleanup, RunTask(task="temp-files"))
    await trio.sleep(0.3)
    rate = await _read(reads)
    if run.report.value is None:
        await ask(cleanup, StopRun(run_id=run.run_id))
    await run.report.wait_newer(0)
    return rate


async def _read(folder: Path) -> float:
    done = await trio.run_process(
        [sys.executable, "-c", READER, str(folder), str(READ_SECONDS)],
        capture_stdout=True,
        stdin=subprocess.DEVNULL,
    )
    return float(done.stdout)


async def _beats(seconds: float) -> Beats:
    beats = Beats([])
    with trio.move_on_after(seconds):
        await _beat(beats)
    return beats


async def _beat(beats: Beats) -> None:
    while True:
        due = time.perf_counter() + HEARTBEAT_SECONDS
        await trio.sleep(HEARTBEAT_SECONDS)
        beats.late.append(time.perf_counter() - due)


@asynccontextmanager
async def _beside(beats: Beats) -> AsyncIterator[None]:
    """A process that only sleeps, as often as our heart beats; how late it woke is in `beats` afterwards."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", SLEEPER, str(HEARTBEAT_SECONDS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    said = process.stdout
    assert said is not None
    assert await said.receive_some() == b"ready\n"
    yield
    process.terminate()
    beats.late.extend(map(float, b"".join([part async for part in said]).split()))
    await process.wait()


def _write_reads(folder: Path) -> None:
    folder.mkdir()
    for number in range(200):
        (folder / str(number)).write_bytes(os.urandom(64 * 1024))


def _fill(root: Path, files: int) -> None:
    base = root / f"{random.getrandbits(64):016x}"
    for number in range(files):
        if number % 1_000 == 0:
            folder = base / str(number // 1_000)
            folder.mkdir(parents=True)
        (folder / str(number % 1_000)).write_bytes(b"0123456789")
