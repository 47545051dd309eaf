"""A data directory, its stores, and lives of the cleanup actor in it; runs are done by a scripted hand.

Time is the mock clock's and is moved by hand: the stores' threads are real, and an autojumping clock would run away
while one works.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.actors.cleanup import Archive, Cleanup, CleanupRule, CleanupWorld, DiskPressure, Hand
from aura_actors.actors.cleanup.child import TooLong
from aura_actors.cleaners import AnyCleaner, Progress, Swept, TempFiles
from aura_actors.cleaners.space import Fullness
from aura_actors.domain.flights import Errand
from aura_actors.domain.yielding import Load
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.worker import WorkerEnded
from aura_actors.messages.cleanup import CleanupMessage, Run, RunTask
from aura_actors.stores.quarantine import Held, QuarantineStore
from aura_actors.stores.schedule import ScheduleStore
from aura_actors.wire.cleanup import CleanupReport, CleanupState, CleanupTask
from aura_actors.workers import sweep_frames as f

HOUR = 3_600.0
BASE = time.time()
"""Wall time when the mock clock shows 0; files have real stamps."""


class Script:
    """What hands do, and what they were asked; for all of them."""

    def __init__(self) -> None:
        self.steps = 2
        """Before the end of a run."""
        self.step_seconds = 0.0
        """Of virtual time; each step waits for the gate too."""
        self.gate = trio.Event()
        self.gate.set()
        self.swept = Swept(outcome="done", scanned=3, removed=1, freed_bytes=10)
        self.quarantine: dict[str, Held] = {}
        self.rows: dict[str, tuple[str, ...]] = {}
        """What archives hold, of the tasks that are asked."""
        self.takes = False
        """Every pass puts one item of 10 bytes into quarantine."""
        self.undone = Swept(outcome="done", restored=1)
        """What comes of an undo; what it leaves out stays in no quarantine."""
        self.dies_after: int | None = None
        self.most_pins = 1_000
        """That can be handed over at once."""
        self.refuses_to_end = False
        self.fails_to_start = False
        self.begun: list[f.Begin] = []
        self.asked: list[f.Request] = []
        self.at_work = 0
        self.most_at_work = 0
        self.asked_at: list[float] = []


class ScriptedHand(Hand):
    """Stands for the child process of one run."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._left = script.steps
        self._steps = 0
        script.at_work += 1
        script.most_at_work = max(script.most_at_work, script.at_work)

    async def ask(self, request: f.Request) -> f.Reply:
        script = self._script
        if len(getattr(request, "pins", None) or ()) > script.most_pins:
            raise TooLong(script.most_pins)
        script.asked.append(request)
        script.asked_at.append(trio.current_time())
        if isinstance(request, f.Begin):
            self._begin = request
            script.begun.append(request)
        await script.gate.wait()
        await trio.sleep(script.step_seconds)
        if isinstance(request, f.Stop):
            return self._ended(Swept(outcome="interrupted", detail="stopped", removed=self._steps))
        if script.dies_after is not None and self._steps >= script.dies_after:
            raise WorkerEnded("it was ended by SIGKILL")
        self._steps += 1
        if self._steps > self._left:
            return self._ended(script.swept)
        return f.Working(
            Progress(
                phase="scan",
                scanned=self._steps,
                removed=self._steps,
                freed_bytes=10 * self._steps,
                total=None,
                total_bytes=None,
            )
        )

    def _ended(self, swept: Swept) -> f.Ended:
        match self._begin.work:
            case f.Sweep() if self._script.takes and not self._begin.dry_run:
                self._script.quarantine[self._begin.run_id] = Held(1, 10)
            case f.Undo(run_id):
                self._script.quarantine.pop(run_id, None)
                swept = self._script.undone
            case f.Purge():
                swept = Swept(outcome="done", removed=len(self._script.quarantine))
                self._script.quarantine.clear()
        return f.Ended(swept=swept, quarantine=dict(self._script.quarantine), rows=self._script.rows)

    async def end(self) -> bool:
        if self._script.refuses_to_end:
            return False
        self._script.at_work = 0
        return True


class House:
    """One data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.store = ScheduleStore(data_dir / "schedule.db")
        self.state = Latest(CleanupState(tasks=[]))
        self.finished, self.reports = trio.open_memory_channel[CleanupReport](100)
        self.errands: list[Errand] = []
        self.script = Script()
        self.wall_offset = 0.0
        self.tick_seconds = 15.0
        self.load = Load()
        self.pins: tuple[str, ...] = ()
        self.used_percent = 10.0
        self.stopping = trio.Event()
        self.limiters = [trio.CapacityLimiter(1), trio.CapacityLimiter(1)]
        self.disks = DiskPressure(self.fullness, self.limiters[0])

    def fullness(self, paths: Sequence[str]) -> Mapping[str, Fullness]:
        return {path: Fullness(1, self.used_percent) for path in paths}

    def publish(self, report: CleanupReport, errand: Errand) -> None:
        self.errands.append(errand)
        self.finished.send_nowait(report)

    async def hire(self, nursery: trio.Nursery) -> Hand:
        if self.script.fails_to_start:
            raise OSError(12, "Cannot allocate memory")
        return ScriptedHand(self.script)

    def actor(self, cleaners: Sequence[AnyCleaner]) -> Cleanup:
        rule = CleanupRule(
            cleaners=cleaners,
            data_dir=str(self.data_dir),
            journal=str(self.data_dir / "quarantine.db"),
            tick_seconds=self.tick_seconds,
        )
        world = CleanupWorld(
            clock=trio.current_time,
            wall=lambda: BASE + self.wall_offset + trio.current_time(),
            hire=self.hire,
            load=lambda: self.load,
            pins=lambda: self.pins,
        )
        archive = Archive(
            self.store,
            rule.data_dir,
            self.limiters[1],
            lambda: QuarantineStore.look(rule.journal),
            world.wall,
        )
        return Cleanup(rule, world, archive=archive, disks=self.disks, state=self.state, publish=self.publish)

    @asynccontextmanager
    async def life(self, *cleaners: AnyCleaner) -> AsyncIterator[Ref[CleanupMessage]]:
        """One incarnation, stopped in order at the end."""
        self.stopping = trio.Event()
        cell: Cell[CleanupMessage] = Cell("cleanup", lambda: self.actor(cleaners or (TempFiles(),)))
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                await cell.run(stopping=self.stopping, task_status=task_status)

            await nursery.start(run)
            yield cell.ref
            self.stopping.set()

    @property
    def task(self) -> CleanupTask:
        """The first task as it is shown."""
        return self.state.value.tasks[0]

    async def pass_time(self, clock: MockClock, seconds: float) -> None:
        """Let everybody fall asleep, move the clock, and let everybody act."""
        await settle(self.limiters)
        clock.jump(seconds)
        await settle(self.limiters)

    def unheard(self) -> int:
        """Reports that nobody took yet."""
        return self.reports.statistics().current_buffer_used


async def settle(limiters: Sequence[trio.CapacityLimiter]) -> None:
    """Let the threads of the stores come back, and everybody act on what they brought."""
    calm = 0
    while calm < 2:
        await wait_all_tasks_blocked()
        calm = 0 if any(limiter.borrowed_tokens for limiter in limiters) else calm + 1
        await trio.to_thread.run_sync(time.sleep, 0.001)


async def ask_run(ref: Ref[CleanupMessage], task: str = "temp-files", *, dry_run: bool = False) -> Run:
    return await ref.ask(RunTask(task, dry_run), within=5)


async def report_of(run: Run) -> CleanupReport:
    report = await run.report.wait_newer(0)
    assert report is not None
    return report
