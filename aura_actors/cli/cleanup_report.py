"""Cleanup tasks and reports as a person reads them. Knows no daemon and decides no exit status."""

import sys
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_actors.cli import text
from aura_actors.wire.cleanup import CleanupReport, CleanupState, CleanupTask
from aura_actors.wire.units import format_duration

_PIPE_WIDTH = 120


def print_tasks(state: CleanupState) -> None:
    """A table of the tasks, and what lies in quarantine."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Task", no_wrap=True)  # it is copied into the next command
    for column in ("Every", "Next", "Last run", "Outcome", "Removed", "Freed"):
        table.add_column(column, overflow="fold")
    for task in state.tasks:
        table.add_row(*(Text(text.printable(cell)) for cell in _cells(task)))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    console.print(table)
    if state.quarantined:
        print(f"in quarantine: {_items(state.quarantined)}, {text.size(state.quarantined_bytes)}")
    if state.urgent:
        print("a disk is nearly full: tasks are brought forward")
    for problem in state.problems:
        print(text.printable(problem))


def print_report(report: CleanupReport, *, verbose: bool) -> None:
    """What a run did, or would do."""
    verb = "would remove" if report.dry_run else "removed"
    freed = f" ({text.size(report.freed_bytes)})" if report.removed else ""
    print(f"{report.task}: {report.outcome}; {verb} {_items(report.removed)}{freed}")
    if report.detail:
        print(f"  {text.printable(report.detail)}")
    for reason, count in sorted(report.kept.items()):
        print(f"  {'would keep' if report.dry_run else 'kept'} {count}: {reason}")
    for path, error in report.failures.items():
        print(f"  failed: {text.printable(path)}: {text.printable(error)}")
    if report.undoable:
        where = f"{_items(report.quarantined)} in quarantine" if report.quarantined else "rows in an archive"
        print(f"  {where}: aura-actors cleanup undo {report.run_id}")
    if report.dry_run and verbose:
        _print_plan(report)


def print_undone(report: CleanupReport) -> None:
    """What undoing a run put back."""
    print(f"{report.task}: {_items(report.restored)} put back")
    if report.detail:
        print(f"  {text.printable(report.detail)}")
    for path, error in report.failures.items():
        print(f"  not put back: {text.printable(path)}: {text.printable(error)}")
    if report.quarantined:
        print(f"  {_items(report.quarantined)} still in quarantine")


def _print_plan(report: CleanupReport) -> None:
    for item in report.plan:
        size = "" if item.size_bytes is None or item.kept else f"  {text.size(item.size_bytes)}"
        verdict = "remove" if item.kept is None else f"keep ({item.kept})"
        print(f"  {verdict}: {text.printable(item.path)}{size}")
    unlisted = report.removed + sum(report.kept.values()) - len(report.plan)
    if unlisted > 0:
        print(f"  and {_items(unlisted)} more")


def _cells(task: CleanupTask) -> Iterator[str]:
    last = task.last_report
    yield task.task
    yield ", ".join(format_duration(each) for each in task.every_seconds)
    if task.running:
        yield "running" if task.progress is None else task.progress.phase
    elif not task.enabled:
        yield "never"
    else:
        yield f"waits: {task.deferred}" if task.deferred else _when(task.next_run_at)
    yield text.UNKNOWN if last is None else _when(last.finished_at)
    yield text.UNKNOWN if last is None else last.outcome + (" (dry run)" if last.dry_run else "")
    yield text.UNKNOWN if last is None else str(last.removed)
    yield text.UNKNOWN if last is None else text.size(last.freed_bytes)


def _when(moment: datetime | None) -> str:
    return text.UNKNOWN if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
