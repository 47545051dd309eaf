"""Cleanup tasks and their runs as JSON: `/api/cleanup*` and the feed topic `cleanup`."""

import datetime as dt

from aura_actors.wire.admission import Body
from aura_actors.wire.metrics import Wire


class RunBody(Body, frozen=True, kw_only=True):
    """Start one task now."""

    dry_run: bool = False
    """Look what would be removed, and remove nothing."""


class CleanupReport(Wire, frozen=True, kw_only=True):
    """What one run did, or would do."""

    run_id: str
    """Of this run."""
    task: str
    """Whose run it was."""
    dry_run: bool
    """Nothing was removed: the numbers say what would have been."""
    started_at: dt.datetime
    """When it began."""
    finished_at: dt.datetime
    """When it ended."""
    outcome: str
    """`done`, or `declined`, `failed`, `interrupted` with the reason in `detail`."""
    detail: str | None
    """The reason, where it is not `done`."""
    removed: int
    """Items removed."""
    kept: dict[str, int]
    """Items left alone, counted by reason."""
    failures: dict[str, str]
    """Path to error, at most 100 of them."""
    freed_bytes: int
    """Their size."""
    freed_allocated_bytes: int
    """The space that they took on the disk."""


class CleanupTask(Wire, frozen=True, kw_only=True):
    """One task's schedule and last report."""

    task: str
    """Its id."""
    enabled: bool
    """It runs by itself."""
    every_seconds: list[float]
    """Its periods."""
    next_run_at: dt.datetime | None
    """null where it does not run by itself."""
    running: bool
    """A run is under way."""
    last_report: CleanupReport | None
    """Of the last run that ended; null before the first."""


class CleanupState(Wire, frozen=True, kw_only=True):
    """`GET /api/cleanup` and the feed topic `cleanup`."""

    tasks: list[CleanupTask]
    """Every task."""


class RunStarted(Wire, frozen=True, kw_only=True):
    """202: the run goes on by itself; its report appears in `GET /api/cleanup`."""

    run_id: str
    """Of the run that was started or joined."""
