"""Cleanup runs, added up since start: a report says what one run did, a scraper wants what all of them did."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from aura_actors.edges.prometheus.forms import counters, gauges
from aura_actors.wire.cleanup import CleanupReport


class CleanupTally:
    """Sums over the reports. A dry run counts as a run and as nothing else."""

    def __init__(self) -> None:
        self._runs: Counter[tuple[str, ...]] = Counter()
        self._freed: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._last_success: dict[str, float] = {}

    def add(self, report: CleanupReport) -> None:
        """Count one run."""
        task = report.task
        self._runs[task, "dry run" if report.dry_run else report.outcome] += 1
        if report.dry_run:
            return
        self._freed[task] += report.freed_bytes
        self._removed[task] += report.removed
        self._failures[task] += len(report.failures)
        if report.outcome == "done":
            self._last_success[task] = report.finished_at.timestamp()

    def families(self) -> Iterator[Metric]:
        """The sums."""
        yield counters("aura_cleanup_runs", "Runs of a cleanup task", ("task", "outcome"), self._runs)
        yield counters("aura_cleanup_freed_bytes", "Bytes freed", "task", self._freed)
        yield counters("aura_cleanup_removed_items", "Items removed", "task", self._removed)
        yield counters("aura_cleanup_failures", "Items that could not be removed", "task", self._failures)
        yield gauges(
            "aura_cleanup_last_success_timestamp_seconds",
            "When a task last finished without being declined or failing",
            "task",
            self._last_success,
        )
