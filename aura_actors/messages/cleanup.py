"""What the cleanup actor is told and asked. Owns no behaviour; reports are the public JSON's."""

import msgspec

from aura_actors.kernel.latest import Latest
from aura_actors.kernel.request import Request
from aura_actors.wire.cleanup import CleanupReport, CleanupRuns, CleanupState


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Look whether a task is due."""


class Run(msgspec.Struct, frozen=True):
    """A run that was begun or joined."""

    run_id: str
    report: Latest[CleanupReport | None]
    """None until the run is over. `await report.wait_newer(0)` waits for that; the caller bounds the wait.

    Every run gets a report, also one that ends with its actor (outcome `interrupted`).
    """
    joined: bool = False


class RunTask(Request[Run], frozen=True, tag=True):
    """Run one task now, or join the run of the same task and mode that waits or is under way.

    Answered at once. Refused with `InvalidValue` for a task that does not exist.
    """

    task: str
    dry_run: bool = False


class UndoRun(Request[Run], frozen=True, tag=True):
    """Put back what one run took into quarantine; the report is that run's, as it is afterwards.

    Answered at once. Refused with `NotFound` for an unknown run, `Conflict` where there is nothing to put back, and
    `StoreUnavailable` where that is not known.
    """

    run_id: str


class StopRun(Request[Run], frozen=True, tag=True):
    """End one run soon; what it did stays done. Refused with `NotFound` unless it waits or is under way."""

    run_id: str


class FindRun(Request["CleanupReport | None"], frozen=True, tag=True):
    """One run's report; None while it waits or is under way. Refused with `NotFound` for an unknown run."""

    run_id: str


class ListRuns(Request[CleanupRuns], frozen=True, tag=True):
    """What is remembered of past runs."""


class Describe(Request[CleanupState], frozen=True, tag=True):
    """Every task: its schedule, and its last report."""


CleanupMessage = Tick | RunTask | UndoRun | StopRun | FindRun | ListRuns | Describe


class CleanupNews:
    """Reports that the publisher has not published yet, as events; outlives its incarnations, and is bounded."""

    def __init__(self, at_most: int = 100) -> None:
        self._at_most = at_most
        self._reports: list[CleanupReport] = []
        self.news = Latest(0)
        """Set with every report."""

    def add(self, report: CleanupReport) -> None:
        """A run is over."""
        self._reports = [*self._reports, report][-self._at_most :]
        self.news.set(self.news.value + 1)

    def drain(self) -> list[CleanupReport]:
        """What came since the last call."""
        reports, self._reports = self._reports, []
        return reports
