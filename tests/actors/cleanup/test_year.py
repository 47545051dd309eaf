"""A year of the real actor and its store in virtual time: downtimes, restarts, kills, busy days and long passes.

Nobody works in a thread here, so the clock may jump whenever nobody has anything to do. At a desk it is a month;
AURA_CLEANUP_DAYS=365 makes it a year.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio
from trio.testing import MockClock

from aura_actors.actors.cleanup import Hand
from aura_actors.cleaners import AnyCleaner, Progress, Swept
from aura_actors.domain.flights import Errand
from aura_actors.domain.schedule import Periods
from aura_actors.domain.timetable import GAP_SECONDS
from aura_actors.domain.yielding import Load, Manners
from aura_actors.kernel.ref import Ref
from aura_actors.messages.cleanup import CleanupMessage
from aura_actors.wire.cleanup import CleanupReport
from aura_actors.workers import sweep_frames as f
from tests.actors.cleanup.house import BASE, HOUR, House, ask_run
from tests.effort import effort

DAY = 24 * HOUR
DAYS = effort("AURA_CLEANUP_DAYS", desk=28, ci=365)
CLEANERS = [kind() for kind in get_args(AnyCleaner)]
PERIODS = {each.name: min(Periods().lengths(each.periods)) for each in CLEANERS}
START_DELAY = 300.0
STEP_SECONDS = 300.0
"""Far longer than a real one: who is stopped within it does not hear of it, and is killed."""


class Pass(msgspec.Struct):
    """What one process did."""

    work: str
    dry_run: bool
    began: float
    ended: float = math.inf


class Walker(Hand):
    """Stands for the process of a run; works for `seconds`, and ends its step when `leaving` is set."""

    def __init__(self, seconds: float, leaving: trio.Event, passes: list[Pass]) -> None:
        self._left = seconds
        self._leaving = leaving
        self._passes = passes

    async def ask(self, request: f.Request) -> f.Reply:
        if isinstance(request, f.Begin):
            work = request.work
            name = work.cleaner.name if isinstance(work, f.Sweep) else type(work).__name__
            self._passes.append(Pass(name, request.dry_run, trio.current_time()))
        if isinstance(request, f.Stop):
            return f.Ended(swept=Swept(outcome="interrupted"), quarantine={})
        began = trio.current_time()
        with trio.move_on_after(min(self._left, STEP_SECONDS)):
            await self._leaving.wait()
        self._left -= trio.current_time() - began
        if self._left > 0:
            return f.Working(
                Progress(phase="scan", scanned=1, removed=0, freed_bytes=0, total=None, total_bytes=None)
            )
        return f.Ended(swept=Swept(outcome="done", scanned=3), quarantine={})

    async def end(self) -> bool:
        self._passes[-1].ended = trio.current_time()
        return True


class Year(House):
    """A bad machine for the actor: some passes take hours, some days are busy."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.tick_seconds = 150.0
        self.chance = random.Random(1)
        self.leaving = trio.Event()
        self.passes: list[Pass] = []
        self.through: list[CleanupReport] = []
        """Of scheduled runs that came to an end, one that was declined too."""
        self.lives: list[tuple[float, float]] = []
        self.killed = self.stopped = 0
        self.busy = [*self._busy_times()]

    def _busy_times(self) -> Iterator[tuple[float, float]]:
        at = 0.0
        while at < DAYS * DAY:
            at += self.chance.expovariate(1 / (2 * DAY))
            length = self.chance.choice([HOUR, 6 * HOUR, 4 * DAY])
            yield at, at + length
            at += length

    @property
    def load(self) -> Load:
        now = trio.current_time()
        return Load(running_jobs=2 if any(begin <= now < end for begin, end in self.busy) else 0)

    @load.setter
    def load(self, _: Load) -> None:
        """The machine's, not the test's."""

    def publish(self, report: CleanupReport, errand: Errand) -> None:
        if errand == "sweep" and not report.dry_run:
            if report.outcome == "interrupted":
                self.stopped += 1
            else:
                self.through.append(report)

    async def hire(self, nursery: trio.Nursery) -> Hand:
        seconds = self.chance.choice([*[2.0] * 9, 60.0, 1_200.0, 5_400.0])
        hears = self.leaving if len(self.lives) % 2 else trio.Event()  # in every other life, nobody does
        return Walker(seconds, hears, self.passes)

    async def live(self, seconds: float) -> None:
        """One life of the program. It ends while somebody is at work: stopped, or killed if that is not heard."""
        opened, self.leaving = trio.current_time(), trio.Event()
        try:
            async with self.life(*CLEANERS) as ref:
                with trio.move_on_after(seconds):
                    await self._look_first_now_and_then(ref)
                for _ in range(100):
                    if self.passes and self.passes[-1].ended == math.inf:
                        break
                    await trio.sleep(100)
                self.leaving.set()
        except* TimeoutError:  # not closed in time
            self.killed += 1
        self.lives.append((opened, trio.current_time()))
        # Due counts from the last run that came to its end, and from no other.
        finished = {report.task: report.finished_at.timestamp() for report in self.through}
        recorded = {task: record.finished_at for task, record in self.store.records().items() if record.finished_at}
        assert recorded == pytest.approx(finished, rel=0, abs=1)

    async def _look_first_now_and_then(self, ref: Ref[CleanupMessage]) -> None:
        """Somebody asks for a dry run every other day, which counts for nothing."""
        while True:
            await trio.sleep(self.chance.uniform(0, 4 * DAY))
            await ask_run(ref, self.chance.choice(CLEANERS).name, dry_run=True)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking calls block: the clock stands still meanwhile."""

    async def here(call: Callable[..., Any], *args: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return call(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", here)


@pytest.mark.timeout(600)
async def test_every_task_runs_as_often_as_it_should_through_all_that_happens(
    tmp_path: Path, no_threads: None, autojump_clock: MockClock
) -> None:
    chance, year = random.Random(2), Year(tmp_path)
    year.store.records()
    assert year.store._connection is not None
    year.store._connection.execute("PRAGMA synchronous = OFF")
    while trio.current_time() < DAYS * DAY:
        await year.live(chance.choice([0.2 * HOUR, 5 * HOUR, DAY, 3 * DAY, 9 * DAY]))
        await trio.sleep(chance.choice([0.0, 0.0, 30.0, 9 * HOUR, 2 * DAY]))
    year.store.close()
    print(f"{DAYS} days, {len(year.lives)} lives, {len(year.through)} runs, {year.stopped=}, {year.killed=}")

    # Never two at once, and with a pause after each: so never all together.
    for before, after in itertools.pairwise(year.passes):
        assert after.began >= before.ended
    swept = [each for each in year.passes if each.work in PERIODS and not each.dry_run]
    for opened, closed in year.lives:
        lived = [each for each in swept if opened <= each.began < closed]
        assert all(each.began >= opened + START_DELAY for each in lived)
        assert all(after.began - before.ended >= GAP_SECONDS for before, after in itertools.pairwise(lived))

    # All of that happened: some were stopped, some killed and settled, some took hours, some only looked.
    assert year.stopped
    assert year.killed
    assert any(each.work == "Recover" for each in year.passes)
    assert any(each.ended - each.began > HOUR for each in swept)
    assert any(each.dry_run for each in year.passes)

    for task, period in PERIODS.items():
        through = [
            (report.started_at.timestamp() - BASE, report.finished_at.timestamp() - BASE)
            for report in year.through
            if report.task == task
        ]
        # Not more often than it should: a whole period between an end and the next start.
        assert all(began - ended >= period - 1 for (_, ended), (began, _) in itertools.pairwise(through)), task
        # Not less often: of all the time that somebody was there, no stretch is longer than its period, jitter,
        # the patience with a busy machine, and the passes of those before it in line.
        longest = period * (1.1 + Manners().patience_periods) + 10 * HOUR
        for opened, closed in year.lives:
            marks = [opened, *(ended for began, ended in through if opened <= began < closed), closed]
            assert max(after - before for before, after in itertools.pairwise(marks)) <= longest, task

    # The closing task is the last of each weekly pass.
    closings = [report for report in year.through if report.task == "vacuum"]
    assert len(closings) >= DAYS // 30
    for first, second in itertools.pairwise(closings):
        between = {each.task for each in year.through if first.finished_at < each.started_at < second.started_at}
        assert {"export-history", "action-logs", "archived-projects"} <= between
