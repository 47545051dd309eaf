"""Upkeep as sections: cleanup tasks, the daemon's own process, its actors. Pure; owns their words."""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from aura_actors.cli import text
from aura_actors.cli.top import marks
from aura_actors.cli.top.sight import Sight, span
from aura_actors.cli.top.table import Cell, Column, Section, pair, said, table
from aura_actors.wire.actors import ActorNode, Actors
from aura_actors.wire.cleanup import CleanupReport, CleanupState, CleanupTask
from aura_actors.wire.metrics import ProcessMetrics

TASK_COLUMNS: Final = (
    Column(name="Task", yields=True),
    Column(name="Next", right=True),
    Column(name="Last", right=True, wide=46),
    Column(name="Did", yields=True),
)
ACTOR_COLUMNS: Final = (
    Column(name="Actor", yields=True),
    Column(name="Restarts", right=True),
    Column(name="Waiting", right=True),
    Column(name="Handled", right=True, wide=50),
)
BAR: Final = 8
ALL_OF_IT: Final = 200.0
"""A run that comes to its end is no reason for alarm."""
STATES: Final = {"running": "green", "backoff": marks.HIGH, "stopped": marks.FAINT}


def cleanup(sight: Sight, width: int) -> Iterator[Section]:
    """Every task: when it runs next, and what it did last."""
    state = sight.state.cleanup
    if state is None:
        return
    lines = table(TASK_COLUMNS, (_task(each, sight) for each in state.tasks), width) if state.tasks else []
    if state.urgent:
        lines.append(said("a disk is nearly full: what frees space is brought forward", marks.NEAR))
    lines += [said(problem, marks.NEAR) for problem in state.problems]
    yield Section(title="Cleanup", aside=_aside(state), lines=lines or [said("no task", marks.FAINT)])


def _aside(state: CleanupState) -> str:
    """What the last run of each task freed, and what still lies in quarantine."""
    reports = [each.last_report for each in state.tasks if each.last_report is not None]
    freed = sum(report.freed_bytes for report in reports if not report.dry_run)
    if state.quarantined:
        return f"{text.size(state.quarantined_bytes)} in quarantine"
    return f"last runs freed {text.size(freed)}" if freed else ""


def _task(task: CleanupTask, sight: Sight) -> list[Cell]:
    report = task.last_report
    return [
        task.task,
        _next(task, sight),
        "never" if report is None else f"{span(-sight.until(report.finished_at))} ago",
        _does(task, sight) or (Text() if report is None else _did(report)),
    ]


def _does(task: CleanupTask, sight: Sight) -> Text | None:
    """How far the run under way is, or why one that is due waits."""
    if task.deferred is not None and not task.running:
        return said(f"waits: {task.deferred}", marks.NEAR)
    progress = task.progress
    if progress is None:
        return None
    told = f"{progress.phase}: {progress.scanned} seen, {text.size(progress.freed_bytes)} freed"
    if not progress.total_bytes:
        return said(told)
    share = 100 * progress.freed_bytes / progress.total_bytes
    return Text.assemble(marks.bar(share, BAR, sight.glyphs, ALL_OF_IT), " ", said(told), no_wrap=True)


def _next(task: CleanupTask, sight: Sight) -> Text:
    if task.running:
        return Text("running", style="cyan")
    if not task.enabled:
        return Text("off", style=marks.FAINT)
    left = 0.0 if task.next_run_at is None else sight.until(task.next_run_at)
    return Text(f"in {span(left)}" if left > 0 else "due")


def _did(report: CleanupReport) -> Text:
    if report.outcome != "done":
        words = f"{report.outcome}: {report.detail}" if report.detail else report.outcome
        return said(words, marks.HIGH if report.outcome == "failed" else marks.NEAR)
    verb = "would free" if report.dry_run else "freed"
    failed = f", {len(report.failures)} failed" if report.failures else ""
    return said(f"{verb} {text.size(report.freed_bytes)}, {report.removed} items{failed}")


def daemon(sight: Sight, width: int) -> Iterator[Section]:
    """The runtime itself: its process and its supervision tree."""
    process, actors = sight.state.process, sight.state.actors
    if process is not None:
        yield _process(sight, process, width)
    if actors is not None:
        yield _actors(sight, actors, width)


def _process(sight: Sight, process: ProcessMetrics, width: int) -> Section:
    system, pool = sight.state.system, process.thread_pool
    cpu = None if system is None else system.cpu.process_usage_percent
    resident = None if system is None else system.memory.process_usage_bytes
    descriptors = process.open_file_descriptors
    lines = [
        pair(f"cpu {text.percent(cpu)}", f"memory {text.size(resident)}", width),
        pair(
            f"threads {pool.busy_worker_threads} of {pool.max_worker_threads} busy",
            f"{text.UNKNOWN if descriptors is None else descriptors} files open",
            width,
        ),
        pair(
            f"longest gc pause {process.gc.longest_pause_ms:.0f} ms",
            f"cache {text.size(process.cache_memory_bytes)}",
            width,
        ),
    ]
    up = "" if process.uptime_seconds is None else f"up {span(process.uptime_seconds)}"
    return Section(title="Daemon", aside=up, lines=lines)


def _actors(sight: Sight, actors: Actors, width: int) -> Section:
    nodes = list(_walk(actors.root, 0))
    header, *rows = table(ACTOR_COLUMNS, (_actor(node, depth, sight) for depth, node in nodes), width)
    lines = [header]
    for row, (depth, node) in zip(rows, nodes, strict=True):
        lines.append(row)
        if node.last_crash is not None:
            ago = span(-sight.until(node.last_crash.at))
            lines.append(said(f"{'  ' * depth}  crashed {ago} ago: {node.last_crash.error}", marks.NEAR))
    lost = f"{actors.dead_letters} messages lost" if actors.dead_letters else ""
    return Section(title="Actors", aside=lost, lines=lines)


def _actor(node: ActorNode, depth: int, sight: Sight) -> list[Cell]:
    running = node.state == "running"
    mark = (sight.glyphs.dot if running else sight.glyphs.ring, STATES.get(node.state, marks.NEAR))
    name = Text.assemble("  " * depth, mark, " ", text.printable(node.name), no_wrap=True)
    if not running:
        name.append(f" {text.printable(node.state)}", style=marks.NEAR)
    mailbox = node.mailbox
    return [
        name,
        Text(str(node.restarts), style=marks.NEAR if node.restarts else marks.FAINT),
        "" if mailbox is None else f"{mailbox.depth}/{mailbox.capacity}",
        "" if mailbox is None else str(mailbox.handled),
    ]


def _walk(node: ActorNode, depth: int) -> Iterator[tuple[int, ActorNode]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)
