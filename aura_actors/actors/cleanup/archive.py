"""What outlives a run: the store's records, the reports, and the roots that were recognised.

Owns every call of the store, each in a thread, and what becomes of the reports when quarantine changes. None of
them ends a run or the actor. Decides nothing about when runs happen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import ParamSpec, TypeVar

import msgspec
import structlog
import trio

from aura_actors.actors.cleanup.board import Board, Task, report_of
from aura_actors.actors.cleanup.grounds import recognise
from aura_actors.actors.cleanup.reports import Reports, Rows
from aura_actors.actors.cleanup.writing import Writing
from aura_actors.cleaners import Declined, Ground, Swept, swept_archives
from aura_actors.domain.flights import Flight
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores.quarantine import Held, QuarantineStore
from aura_actors.stores.schedule import ScheduleStore, TaskRecord
from aura_actors.wire.cleanup import CleanupProgress, CleanupReport
from aura_actors.workers import sweep_frames as f

log = structlog.get_logger("aura_actors.cleanup")
P = ParamSpec("P")
T = TypeVar("T")

CUT_SHORT = "the run was cut short by the end of the program or of its process"


class Archive:
    """One incarnation's view of what is stored. `threads` is a limiter of one thread, used for nothing else.

    `open_journal` opens the journal of the quarantine; it blocks. `wall` is unix seconds.
    """

    def __init__(
        self,
        store: ScheduleStore,
        data_dir: str,
        threads: trio.CapacityLimiter,
        open_journal: Callable[[], QuarantineStore],
        wall: Callable[[], float],
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._threads = threads
        self._writing = Writing(threads)
        self._open_journal = open_journal
        self._wall = wall
        self.reports = Reports()
        self.grounds: dict[str, Ground] = {}
        """Every root that was recognised, by path."""
        self.refusals: dict[str, str] = {}
        """By task: why it has no root that it may work on."""
        self.trouble: str | None = None
        """Why nothing may be cleaned up: a store cannot be read. `recover` may be tried again."""

    async def recover(self, board: Board) -> bool:
        """Read everything, and prepare the roots. True where a run had been cut short, or work on quarantine."""
        try:
            cut_short = await self._in_thread(self._recover, board, self._wall())
        except (StoreUnavailable, InvalidValue) as error:
            if self.trouble is None:
                log.warning("nothing is cleaned up", error=str(error))
            self.trouble = str(error)
            return False
        if self.trouble is not None:
            log.info("cleanup goes on")
        self.trouble = None
        return cut_short

    async def begin(self, flight: Flight, started_at: float) -> None:
        """A real run begins: until its end is written, it counts as unfinished."""
        await self._writing.write(self._store.begin, flight.task, flight.run_id, started_at)

    async def note(self, task: str, progress: CleanupProgress) -> None:
        """How far the run is. What is only of use in time does not wait for it."""
        if not self._writing.troubled:
            await self._writing.write(self._store.note, task, progress)

    async def correct_finish(self, task: str, finished_at: float) -> None:
        """A stamp from the future becomes now."""
        await self._writing.write(self._store.correct_finish, task, finished_at)

    async def conclude(self, flight: Flight, report: CleanupReport, ended: f.Ended, board: Board) -> CleanupReport:
        """A task's run is over; its report as it is remembered.

        One that was stopped is no finish: what is due counts from the run before it.
        """
        task = board[flight.task]
        quarantine = await self._known(ended)
        if not flight.dry_run:
            report = self.reports.fresh(report, quarantine, ended.rows)
        if not flight.dry_run:
            finished = report.outcome != "interrupted"
            await self._writing.write(self._store.finish if finished else self._store.interrupt, report)
            task.came_to(report.outcome, report.finished_at.timestamp())
            if finished:
                task.finished_at = report.finished_at.timestamp()
        task.last_report = report
        self.reports.add(report)
        await self._amend(quarantine, ended.rows, board)
        return report

    async def settle(self, flight: Flight, report: CleanupReport, ended: f.Ended, board: Board) -> CleanupReport:
        """Work on quarantine is over. Of an undo, the report is that of the run that was undone, as it is now."""
        quarantine = await self._known(ended)
        if flight.errand == "undo":
            before = self.reports.find(flight.task)
            whole = report.outcome == "done" and not report.kept and not report.failures
            after = msgspec.structs.replace(
                before,
                restored=before.restored + report.restored,
                failures={**before.failures, **report.failures},
                undoable=before.undoable and not whole,
            )
            self.reports.replace(after)
            await self._amend(quarantine, ended.rows, board, [after])
            return msgspec.structs.replace(
                self.reports.find(flight.task),
                outcome=report.outcome,
                detail=report.detail,
                kept=report.kept,
                failures=report.failures,
            )
        await self._amend(quarantine, ended.rows, board)
        return report

    async def _known(self, ended: f.Ended) -> Mapping[str, Held]:
        """What lies in quarantine, of which a process that was killed could say nothing."""
        if ended.quarantine is not None:
            return ended.quarantine
        try:
            return await self._in_thread(self._held)
        except (StoreUnavailable, InvalidValue) as error:
            log.warning("what lies in quarantine is not known now", error=str(error))
            return self.reports.quarantine

    def _held(self) -> Mapping[str, Held]:
        with closing(self._open_journal()) as journal:
            return journal.held()

    async def _amend(
        self, quarantine: Mapping[str, Held], rows: Rows, board: Board, changed: Sequence[CleanupReport] = ()
    ) -> None:
        by_run = {report.run_id: report for report in (*changed, *self.reports.settle(quarantine, rows))}
        if by_run:
            await self._writing.write(self._store.amend, [*by_run.values()])
        for task in board.values():
            last = task.last_report
            if last is not None and last.run_id in by_run:
                task.last_report = by_run[last.run_id]

    # --- at the beginning ---

    def _recover(self, board: Board, wall: float) -> bool:
        self._writing.catch_up()
        self.reports = Reports(board.row_tasks)
        self.grounds, self.refusals = {}, {}
        self.reports.restore(reversed(self._store.runs()))
        records = self._store.records()
        with closing(self._open_journal()) as journal:
            held, cut_short = journal.held(), journal.unsettled()
            roots = {haul.root for haul in journal.hauls()}
        for task in board.values():
            record = records.get(task.name, TaskRecord(task=task.name))
            task.finished_at = record.finished_at
            task.came_to(record.outcome, record.finished_at or wall)
            task.last_report = record.last_report
            if record.run_id is not None and record.unfinished:
                cut_short = True
                task.last_report = self.reports.fresh(_unheard(record, record.run_id, wall), held, {})
                self._writing.write_here(self._store.interrupt, task.last_report)
                self.reports.add(task.last_report)
            self._prepare(task)
        swept = swept_archives([task.cleaner for task in board.values()], self._data_dir, self.grounds)
        for name, path in swept.items():
            self.refusals.setdefault(
                name, f"{path} is where another task keeps its archives, which this would remove"
            )
        self._prepare_old(roots - self.grounds.keys())
        self._writing.write_here(self._store.amend, self.reports.settle(held, {}))
        return cut_short

    def _prepare(self, task: Task) -> None:
        for path in task.cleaner.grounds_under(self._data_dir):
            try:
                self.grounds[path] = recognise(self._store, path, self._data_dir)
            except Declined as refusal:
                self.refusals.setdefault(task.name, str(refusal))

    def _prepare_old(self, paths: Iterable[str]) -> None:
        """Roots that no task has any more, for what lies there in quarantine; none that was never on record."""
        for path in paths:
            if self._store.root(path) is not None:
                with suppress(Declined):  # whoever wants something of it is told
                    self.grounds[path] = recognise(self._store, path, self._data_dir)

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await trio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._threads)


def _unheard(record: TaskRecord, run_id: str, wall: float) -> CleanupReport:
    """The report of a run of which nobody heard the end: what is known is how far it was at some time."""
    cursor = record.cursor
    swept = Swept(
        outcome="interrupted",
        detail=CUT_SHORT,
        scanned=0 if cursor is None else cursor.scanned,
        removed=0 if cursor is None else cursor.removed,
        freed_bytes=0 if cursor is None else cursor.freed_bytes,
    )
    return report_of(Flight(run_id, record.task), swept, record.started_at or wall, wall)
