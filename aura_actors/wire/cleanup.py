"""Cleanup tasks and their runs as JSON: `/api/cleanup*` and the feed topic `cleanup`."""

import datetime as dt

from aura_actors.wire.admission import Body
from aura_actors.wire.metrics import Wire


class RunBody(Body, frozen=True, kw_only=True):
    """Start one task now."""

    dry_run: bool = False


class CleanupReport(Wire, frozen=True, kw_only=True):
    """What one run did, or would do."""

    run_id: str
    task: str
    dry_run: bool
    started_at: dt.datetime
    finished_at: dt.datetime
    outcome: str
    """`done`, or `declined`, `failed`, `interrupted` with the reason in `detail`."""
    detail: str | None
    removed: int
    kept: dict[str, int]
    """Items left alone, counted by reason."""
    failures: dict[str, str]
    """Path to error, at most 100 of them."""
    freed_bytes: int
    freed_allocated_bytes: int


class CleanupTask(Wire, frozen=True, kw_only=True):
    """One task's schedule and last report."""

    task: str
    enabled: bool
    every_seconds: list[float]
    next_run_at: dt.datetime | None
    running: bool
    last_report: CleanupReport | None


class CleanupState(Wire, frozen=True, kw_only=True):
    """`GET /api/cleanup` and the feed topic `cleanup`."""

    tasks: list[CleanupTask]


class RunStarted(Wire, frozen=True, kw_only=True):
    """202: the run goes on by itself; its report appears in `GET /api/cleanup`."""

    run_id: str
