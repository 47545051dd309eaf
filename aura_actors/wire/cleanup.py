"""Cleanup tasks and their runs as JSON: `/api/cleanup*` and the feed topic `cleanup`."""

import datetime as dt

import msgspec

from aura_actors.wire.admission import Body
from aura_actors.wire.metrics import Wire


class RunBody(Body, frozen=True, kw_only=True):
    """Start one task now."""

    dry_run: bool = False
    """Look what would be removed, and remove nothing."""


class PlannedItem(Wire, frozen=True, kw_only=True):
    """One thing that a dry run would remove, or leave alone."""

    path: str
    """Of a file or directory, or the table and key of a row; what cannot be printed is escaped."""
    size_bytes: int | None = None
    """null where it has none, and for what stays."""
    kept: str | None = None
    """Why it stays; null for what would go."""


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
    """The reason, where it is not `done`; of a dry run, what only a real one can show."""
    removed: int
    """Items that left their place: removed, archived, or put into quarantine."""
    kept: dict[str, int]
    """Items left alone, counted by reason."""
    failures: dict[str, str]
    """Path to error, at most 100 of them."""
    freed_bytes: int
    """The size of what left its place."""
    freed_allocated_bytes: int
    """The space that it took on the disk."""
    scanned: int = 0
    """Items looked at."""
    quarantined: int = 0
    """How many of the removed items lie in quarantine now."""
    quarantined_bytes: int = 0
    """Their size: it is given back when quarantine is emptied."""
    undoable: bool = False
    """Something lies in quarantine or in an archive that `undo` would put back."""
    restored: int = 0
    """Items that `undo` put back."""
    plan: list[PlannedItem] = msgspec.field(default_factory=list)
    """Of a dry run: what would go and what would stay, the first thousand of each."""


class CleanupProgress(Wire, frozen=True, kw_only=True):
    """How far the run under way is."""

    run_id: str
    """Of the run."""
    dry_run: bool
    """It only looks."""
    phase: str
    """What it is doing, in words."""
    scanned: int
    """Items looked at."""
    removed: int
    """Items removed, archived or quarantined so far."""
    freed_bytes: int
    """Their size."""
    total: int | None = None
    """Items that are to go; null until that is known."""
    total_bytes: int | None
    """The size of all that is to go; null until that is known."""
    files_per_second: float
    """Items looked at or removed per second, over the last seconds."""


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
    progress: CleanupProgress | None = None
    """Of the run under way."""
    deferred: str | None = None
    """Why it is due and waits: what keeps the machine busy."""


class CleanupState(Wire, frozen=True, kw_only=True):
    """`GET /api/cleanup` and the feed topic `cleanup`."""

    tasks: list[CleanupTask]
    """Every task."""
    quarantined: int = 0
    """Items in quarantine, of all runs."""
    quarantined_bytes: int = 0
    """Their size."""
    urgent: bool = False
    """A disk is above its high mark, and tasks are brought forward."""
    problems: list[str] = msgspec.field(default_factory=list)
    """What is wrong with folders, the default database or cleanup's own records; tasks that need them decline."""


class CleanupRuns(Wire, frozen=True, kw_only=True):
    """`GET /api/cleanup/runs`: what the last runs did, the newest first."""

    runs: list[CleanupReport]
    """The last 50 real ones, every one that can be undone, and the last dry run of each task."""


class RunStarted(Wire, frozen=True, kw_only=True):
    """202: the run goes on by itself; its report appears in `GET /api/cleanup/runs/{runId}`."""

    run_id: str
    """Of the run that was started or joined."""
    joined: bool = False
    """Somebody else had asked for it, or its time had come."""
