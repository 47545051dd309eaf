"""Cleanup runs, added up since start: a report says what one run did, a scraper wants what all of them did.

Every task begins with 0: a counter that is born with the first failure would show no increase.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from aura_actors.domain.flights import Errand
from aura_actors.edges.prometheus.forms import counters, gauge, gauges
from aura_actors.wire.cleanup import CleanupReport, CleanupState

OUTCOMES = ("done", "declined", "failed", "interrupted")


class CleanupTally:
    """Sums over the reports. A dry run counts as a run and as nothing else."""

    def __init__(self, state: Callable[[], CleanupState]) -> None:
        self._state = state
        self._runs: Counter[tuple[str, str]] = Counter()
        self._freed: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._restored: Counter[str] = Counter()
        self._last_success: dict[str, float] = {}

    def add(self, report: CleanupReport, errand: Errand) -> None:
        """Count one run. An undo's report is the undone run's, which was counted when it ended."""
        task = report.task
        if errand == "undo":
            self._runs[task, "undone"] += 1
            self._restored[task] += report.restored
            return
        self._runs[task, "dry run" if report.dry_run else report.outcome] += 1
        if report.dry_run:
            return
        self._freed[task] += report.freed_bytes
        self._removed[task] += report.removed
        self._failures[task] += len(report.failures)
        self._restored[task] += report.restored
        if report.outcome == "done":
            self._last_success[task] = report.finished_at.timestamp()

    def families(self) -> Iterator[Metric]:
        """The sums."""
        state = self._state()
        runs = {(x.task, outcome): 0 for x in state.tasks for outcome in OUTCOMES}
        none = {x.task: 0 for x in state.tasks}
        before = {x.task: _success(x.last_report) for x in state.tasks}
        yield counters("aura_cleanup_runs", "Runs of a cleanup task", ("task", "outcome"), runs | self._runs)
        yield counters("aura_cleanup_freed_bytes", "Bytes freed", "task", none | self._freed)
        yield counters("aura_cleanup_removed_items", "Items removed", "task", none | self._removed)
        yield counters("aura_cleanup_failures", "Items that could not be removed", "task", none | self._failures)
        yield gauges(
            "aura_cleanup_last_success_timestamp_seconds",
            "When a task last finished without being declined or failing",
            "task",
            before | self._last_success,
        )
        yield counters(
            "aura_cleanup_restored_items", "Items put back from quarantine", "task", none | self._restored
        )
        yield gauge("aura_cleanup_quarantine_items", "Items in quarantine", state.quarantined)
        yield gauge("aura_cleanup_quarantine_bytes", "Size of what lies in quarantine", state.quarantined_bytes)
        yield gauge("aura_cleanup_disk_urgent", "1 while tasks are brought forward for a full disk", state.urgent)


def _success(report: CleanupReport | None) -> float | None:
    """When it ended well; an earlier process may have seen it."""
    return report.finished_at.timestamp() if report is not None and report.outcome == "done" else None
