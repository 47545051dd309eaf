"""The tasks as one incarnation of the actor knows them, and what is shown of them.

Owns each task's stamps, its distrust of the clock, and the public state. Decides nothing; reads no clock.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from aura_actors.cleaners import AnyCleaner, Swept, TaskOptions
from aura_actors.domain.flights import Flight
from aura_actors.domain.schedule import Periods, Timing, pause_seconds
from aura_actors.domain.timetable import Standing
from aura_actors.wire.cleanup import CleanupProgress, CleanupReport, CleanupState, CleanupTask, PlannedItem

SHOWN_FAILURES = 10
"""Of each last report in the state, which goes out again with every change."""

AGAIN_SECONDS = 3_600.0
"""After a run that was declined or failed; doubled each time it happens again, up to the task's period."""

LAST_OF_ITS_PERIOD = "vacuum"
"""The task that goes after all others of its period."""


class Task:
    """One task."""

    def __init__(self, cleaner: AnyCleaner, periods: Periods, *, enabled: bool) -> None:
        self.cleaner = cleaner
        self.timing = Timing(
            task=cleaner.name,
            every_seconds=periods.lengths(cleaner.periods),
            enabled=enabled and cleaner.enabled,
            last_of_pass=cleaner.name == LAST_OF_ITS_PERIOD,
        )
        self.finished_at: float | None = None
        """Unix seconds."""
        self.last_report: CleanupReport | None = None
        self.distrust: str | None = None
        """Why the next real run must not believe ages."""
        self.deaths = 0
        """How often in a row the process of its run ended before the run."""
        self.not_before = float("-inf")
        """Steady seconds."""
        self._setbacks = 0
        self._again_at: float | None = None

    def came_to(self, outcome: str | None, at: float) -> None:
        """What came of a real run, and when (unix seconds). One that was not to be, or could not, is tried again
        before its time: what stood in its way may be gone within the hour, and its period may be a week."""
        self._setbacks = self._setbacks + 1 if outcome in ("declined", "failed") else 0
        self._again_at = None
        if self._setbacks:
            self._again_at = at + pause_seconds(AGAIN_SECONDS, self._setbacks, self.timing.period_seconds)

    @property
    def name(self) -> str:
        """Its id."""
        return self.timing.task

    @property
    def standing(self) -> Standing:
        """As the timetable takes it."""
        return Standing(timing=self.timing, finished_at=self.finished_at, again_at=self._again_at)


class Board(Mapping[str, Task]):
    """Every task, by id."""

    def __init__(self, cleaners: Sequence[AnyCleaner], periods: Periods, *, enabled: bool) -> None:
        self._tasks = {cleaner.name: Task(cleaner, periods, enabled=enabled) for cleaner in cleaners}
        self.progress: CleanupProgress | None = None
        """Of the run under way."""
        self.deferred: str | None = None
        """What keeps the machine busy, when that puts tasks off."""

    def __getitem__(self, name: str) -> Task:
        return self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def row_tasks(self) -> frozenset[str]:
        """Those whose undoing puts rows back, too."""
        return frozenset(
            name for name, task in self._tasks.items() if type(task.cleaner).put_back is not TaskOptions.put_back
        )

    def describe(
        self,
        waits: Mapping[str, float],
        running: Flight | None,
        wall: float,
        quarantine: tuple[int, int],
        *,
        urgent: bool,
    ) -> CleanupState:
        """All of it in public. `waits`: seconds until each is due; `quarantine`: items and bytes."""
        return CleanupState(
            tasks=[self._describe(task, waits.get(task.name), running, wall) for task in self._tasks.values()],
            quarantined=quarantine[0],
            quarantined_bytes=quarantine[1],
            urgent=urgent,
        )

    def _describe(self, task: Task, wait: float | None, running: Flight | None, wall: float) -> CleanupTask:
        runs = running is not None and running.errand == "sweep" and running.task == task.name
        return CleanupTask(
            task=task.name,
            enabled=task.timing.enabled,
            every_seconds=list(task.timing.every_seconds),
            next_run_at=None if wait is None else stamp(wall + max(0.0, wait)),
            running=runs,
            last_report=None if task.last_report is None else brief(task.last_report),
            progress=self.progress if runs else None,
            deferred=self.deferred if wait is not None and wait <= 0 and not runs else None,
        )


def report_of(flight: Flight, swept: Swept, started_at: float, finished_at: float) -> CleanupReport:
    """What came of a run, in public. Stamps are unix seconds."""
    return CleanupReport(
        run_id=flight.run_id,
        task=flight.task,
        dry_run=flight.dry_run,
        started_at=stamp(started_at),
        finished_at=stamp(finished_at),
        outcome=swept.outcome,
        detail=swept.detail,
        removed=swept.removed,
        kept=swept.kept,
        failures=swept.failures,
        freed_bytes=swept.freed_bytes,
        freed_allocated_bytes=swept.freed_allocated_bytes,
        scanned=swept.scanned,
        restored=swept.restored,
        plan=[PlannedItem(path=each.path, size_bytes=each.size_bytes, kept=each.keep) for each in swept.listing],
    )


def brief(report: CleanupReport) -> CleanupReport:
    """Without the lists that only whoever asks for this very report wants."""
    if not report.plan and len(report.failures) <= SHOWN_FAILURES:
        return report
    failures = dict([*report.failures.items()][:SHOWN_FAILURES])
    return msgspec.structs.replace(report, plan=[], failures=failures)


def stamp(unix_seconds: float) -> dt.datetime:
    """As public JSON has it."""
    return dt.datetime.fromtimestamp(unix_seconds, dt.UTC)
