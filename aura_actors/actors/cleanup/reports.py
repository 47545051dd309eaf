"""What is remembered of past runs: their reports, and what of each still lies in quarantine.

Owns which reports are kept, and whether a run can be undone. Knows no store; what changes is returned.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from aura_actors.errors import Conflict, NotFound
from aura_actors.stores.quarantine import Held
from aura_actors.stores.schedule import REMEMBERED_RUNS
from aura_actors.wire.cleanup import CleanupReport

Rows = Mapping[str, Collection[str]]
"""By task, the runs of which archives hold rows; without the tasks that were not asked."""


class Reports:
    """The last real runs, oldest first; those that can be undone for longer; one dry run of each task.

    `row_tasks` put rows back as well, of which quarantine knows nothing: archives do, when a process has looked.
    """

    def __init__(self, row_tasks: Collection[str] = ()) -> None:
        self._row_tasks = row_tasks
        self._real: dict[str, CleanupReport] = {}
        self._dry: dict[str, CleanupReport] = {}
        self._answers: dict[str, CleanupReport] = {}
        """Of an undo, and of what never began, by the id that the run had."""
        self.quarantine: Mapping[str, Held] = {}
        """By run: what lies there, of runs that nobody remembers too."""

    def restore(self, reports: Iterable[CleanupReport]) -> None:
        """What a former life remembered, the oldest first."""
        self._real = {report.run_id: report for report in reports}

    def add(self, report: CleanupReport) -> None:
        """A run is over."""
        if report.dry_run:
            self._dry[report.task] = report
            return
        self._real[report.run_id] = report
        for run_id in [*self._real][:-REMEMBERED_RUNS]:
            if not self._real[run_id].undoable:
                del self._real[run_id]

    def answered(self, run_id: str, report: CleanupReport) -> None:
        """Who waited for this run was told this; who asks for it later is told the same."""
        if self._known(run_id) is None:
            self._answers[run_id] = report
            for oldest in [*self._answers][:-REMEMBERED_RUNS]:
                del self._answers[oldest]

    def find(self, run_id: str) -> CleanupReport:
        """By the id of a run, also of an undo, whose report is that of what it put back. Raises `NotFound`."""
        found = self._known(run_id)
        if found is None:
            raise NotFound(f"no run {run_id} is known; the last {REMEMBERED_RUNS} are remembered")
        return found

    def _known(self, run_id: str) -> CleanupReport | None:
        dry = next((report for report in self._dry.values() if report.run_id == run_id), None)
        return self._real.get(run_id, dry) or self._answers.get(run_id)

    def check_undoable(self, run_id: str) -> CleanupReport:
        """The report of a run that can be undone. Raises `NotFound`, or `Conflict` with the reason."""
        report = self.find(run_id)
        if report.run_id != run_id:
            raise Conflict(f"run {run_id} cannot be undone: it put back what another one took")
        if not report.undoable:
            raise Conflict(f"run {run_id} cannot be undone: {_why_not(report)}")
        return report

    def newest_first(self) -> list[CleanupReport]:
        """All of them."""
        return sorted(
            [*self._real.values(), *self._dry.values()], key=lambda report: report.finished_at, reverse=True
        )

    def settle(self, quarantine: Mapping[str, Held], rows: Rows) -> list[CleanupReport]:
        """What lies in quarantine and in archives now. Returns the reports that this changes."""
        self.quarantine = quarantine
        changed = []
        for run_id, report in self._real.items():
            now = self._seen(report, rows)
            if now != report:
                changed.append(now)
                self._real[run_id] = now
        return changed

    def fresh(self, report: CleanupReport, quarantine: Mapping[str, Held], rows: Rows) -> CleanupReport:
        """The report of a run that has just ended. What lies in quarantine has left its place, whatever was heard.

        Where no archive was asked, it may well hold something.
        """
        self.quarantine = quarantine
        held = quarantine.get(report.run_id, Held(0, 0))
        report = msgspec.structs.replace(
            report,
            removed=max(report.removed, held.items),
            freed_bytes=max(report.freed_bytes, held.size_bytes),
            undoable=report.removed > 0 or report.outcome in ("interrupted", "failed"),
        )
        return self._seen(report, rows)

    def _seen(self, report: CleanupReport, rows: Rows) -> CleanupReport:
        held = self.quarantine.get(report.run_id, Held(0, 0))
        unasked = report.undoable and report.task in self._row_tasks
        archived = report.run_id in rows[report.task] if report.task in rows else unasked
        return msgspec.structs.replace(
            report, quarantined=held.items, quarantined_bytes=held.size_bytes, undoable=held.items > 0 or archived
        )

    def replace(self, report: CleanupReport) -> None:
        """The report of a run that has one has changed."""
        if report.run_id in self._real:
            self._real[report.run_id] = report


def _why_not(report: CleanupReport) -> str:
    if report.dry_run:
        return "it was a dry run, which moves nothing"
    if report.restored:
        return "that was done already"
    if report.removed:
        return "nothing of it lies in quarantine or in an archive any more"
    return "it moved nothing"
