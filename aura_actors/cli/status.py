"""`aura-actors status`: the machine, what was promised of it, and who is alive, on one screen. Only reads."""

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_actors.cli import text
from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.wire.actors import ActorNode, Actors
from aura_actors.wire.admission import Jobs, Providers
from aura_actors.wire.alerts import Alerts
from aura_actors.wire.kinds import Kind, Kinds
from aura_actors.wire.metrics import SystemMetrics, Utilization

PATHS = {
    "utilization": "/api/metrics/utilization",
    "system": "/api/metrics/system",
    "actors": "/api/actors",
    "alerts": "/api/alerts",
    "jobs": "/api/admission/jobs",
}
"""What `--json` prints, under these names."""

_STYLES = {"running": "green", "backoff": "yellow", "starting": "yellow", "failed": "bold red"}
_PIPE_WIDTH = 120
_NAMED = 3
"""So many who wait are named."""


def status(
    *,
    json: Annotated[
        bool, Parameter(help="Print one JSON object: utilization, system, actors, alerts, jobs.")
    ] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Show use, alerts, reservations, the queue, providers, kinds of jobs and actors of a running daemon."""
    daemon = find_daemon(url, token_file)
    answers = {name: daemon.get(path) for name, path in PATHS.items()}
    if json:
        whole = {name: daemon.decode(answer, dict) for name, answer in answers.items()}
        print(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
        return
    utilization = daemon.decode(answers["utilization"], Utilization)
    system = daemon.decode(answers["system"], SystemMetrics)
    actors = daemon.decode(answers["actors"], Actors)
    alerts = daemon.decode(answers["alerts"], Alerts)
    jobs = daemon.decode(answers["jobs"], Jobs)
    providers = daemon.decode(daemon.get("/api/providers"), Providers)
    kinds = daemon.decode(daemon.get("/api/admission/kinds"), Kinds).kinds
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    rows = [*_use(system), *_alerts(alerts), *_admission(utilization, jobs, providers)]
    console.print(_grid(rows))
    console.print()
    if kinds:
        console.print(_kinds(kinds))
        console.print()
    console.print(_tree(actors))


def _grid(rows: Iterable[tuple[str, Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style="bold"), value)
    return table


def _plain(value: str) -> Text:
    return Text(text.printable(value))


def _use(system: SystemMetrics) -> Iterator[tuple[str, Text]]:
    cpu, memory = system.cpu, system.memory
    cores = text.UNKNOWN if cpu.logical_cores is None else cpu.logical_cores
    yield "CPU", _plain(f"{text.percent(cpu.overall_usage_percent)} of {cores} cores")
    used, total = text.size(memory.used_bytes), text.size(memory.total_bytes)
    yield "Memory", _plain(f"{text.percent(memory.usage_percent)}, {used} of {total}")
    for number, gpu in enumerate(system.gpus):
        used, total = text.size(gpu.used_memory_bytes), text.size(gpu.total_memory_bytes)
        yield f"GPU {number}", _plain(f"{text.percent(gpu.usage_percent)}, {used} of {total}, {gpu.name}")
    if system.stale:
        yield "Stale", _plain(", ".join(sorted(system.stale)))


def _alerts(alerts: Alerts) -> Iterator[tuple[str, Text]]:
    for alert in alerts.active:
        yield "Alert", Text(text.printable(alert.text), style="bold red")


def _admission(utilization: Utilization, jobs: Jobs, providers: Providers) -> Iterator[tuple[str, Text]]:
    if jobs.draining:
        yield "Draining", Text("nothing new is admitted; `aura-actors drain off` ends it", style="bold yellow")
    active, most = utilization.active_jobs, utilization.max_concurrent_jobs
    yield "Job slots", _plain(f"{active} of {most} in use, {utilization.available_job_slots} free")
    yield "Reserved", _plain(text.size(utilization.total_reserved_memory_bytes))
    waiting = ", ".join(f"{each.job_id} ({each.waited_seconds:.0f} s)" for each in jobs.queue[:_NAMED])
    more = f" and {len(jobs.queue) - _NAMED} more" if len(jobs.queue) > _NAMED else ""
    yield "Queue", _plain(f"{len(jobs.queue)} wait: {waiting}{more}" if jobs.queue else "nobody waits")
    slots = [f"{each.name} {each.active}/{each.max_concurrent}" for each in providers.providers]
    yield "Providers", _plain(", ".join(slots) or "none")


def _kinds(kinds: list[Kind]) -> Table:
    """What runs were seen to need, half of them and 95 percent."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("Kind", "Runs", "Kills", "Peak p50", "p95", "Auto reserves", "Runtime p50", "p95"):
        table.add_column(column, overflow="fold")
    for each in kinds:
        peaks = (each.peak_p50_bytes, each.peak_p95_bytes, each.reserve_bytes)
        times = (each.runtime_p50_seconds, each.runtime_p95_seconds)
        table.add_row(
            Text(text.printable(each.kind)),
            Text(str(each.runs)),
            Text(str(each.kills)),
            *(Text(text.size(peak)) for peak in peaks),
            *(Text(text.UNKNOWN if seconds is None else f"{seconds:.1f} s") for seconds in times),
        )
    return table


def _tree(actors: Actors) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("Actor", "State", "Restarts", "Mailbox", "Last crash"):
        table.add_column(column, overflow="fold")
    for depth, node in _walk(actors.root, 0):
        waiting = "" if node.mailbox is None else f"{node.mailbox.depth}/{node.mailbox.capacity}"
        crash = "" if node.last_crash is None else node.last_crash.error
        table.add_row(
            Text("  " * depth + text.printable(node.name)),
            Text(text.printable(node.state), style=_STYLES.get(node.state, "")),
            Text(str(node.restarts)),
            Text(waiting),
            Text(text.printable(crash)),
        )
    return table


def _walk(node: ActorNode, depth: int) -> Iterator[tuple[int, ActorNode]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)
