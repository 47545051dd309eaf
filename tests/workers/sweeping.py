"""A real cleanup process and a folder for it to work on."""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from aura_actors.actors.cleanup import Child, Sweeper
from aura_actors.cleaners import Ground, TempFiles, prepare_root
from aura_actors.workers import sweep_frames as f

DAY_NS = 86_400 * 10**9
NOW_NS = time.time_ns() + 2 * DAY_NS
"""Two days from now: whatever a test makes is old."""


class Ground1:
    """A data directory with one root, `temp`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.root = data_dir / "temp"
        self.ground = Ground(str(self.root), prepare_root(str(self.root), None, keep_out=str(data_dir)))

    def fill(self, count: int, size: int = 1) -> set[str]:
        for number in range(count):
            (self.root / f"file-{number:05}").write_bytes(b"x" * size)
        return self.files()

    def files(self) -> set[str]:
        return {entry.name for entry in self.root.iterdir() if not entry.name.startswith(".aura")}

    def quarantined(self) -> int:
        return sum(len(files) for _, _, files in os.walk(self.root / ".aura-trash"))

    def begin(
        self,
        work: f.Work | None = None,
        *,
        run_id: str = "run-1",
        dry_run: bool = False,
        pins: Sequence[str] = (),
        quarantine_seconds: float = 0.0,
        nice: int = 0,
    ) -> f.Begin:
        return f.Begin(
            run_id=run_id,
            work=work or f.Sweep(TempFiles()),
            data_dir=str(self.data_dir),
            journal=str(self.data_dir / "quarantine.db"),
            database=None,
            grounds=(self.ground,),
            quarantine_seconds=quarantine_seconds,
            now_ns=NOW_NS,
            dry_run=dry_run,
            nice=nice,
            pins=tuple(pins),
        )


@asynccontextmanager
async def process() -> AsyncIterator[Child]:
    """One process; what it prints is the test's failure."""
    printed: list[str] = []
    async with trio.open_nursery() as nursery:
        child = await Child.start(Sweeper(patience_seconds=5.0), nursery, printed.append)
        try:
            with trio.fail_after(30):
                yield child
        finally:
            assert await child.end()
    assert printed == []


async def to_the_end(child: Child, reply: f.Reply, seconds: float = 0.05) -> f.Ended:
    while isinstance(reply, f.Working):
        reply = await child.ask(f.Step(seconds=seconds))
    return reply


async def run(begin: f.Begin) -> f.Ended:
    """A whole run in a process of its own."""
    async with process() as child:
        return await to_the_end(child, await child.ask(begin))
