"""`aura-actors jobs list | revoke JOB`: who holds what, who waits and why; and the end of one of them."""

import sys
from collections.abc import Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_actors.cli import reasons, text
from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import ActiveJob, JobId, Jobs, QueuedJob

PATH = "/api/admission/jobs"
_PIPE_WIDTH = 120


def list_jobs(
    *,
    json: Annotated[bool, Parameter(help="Print the daemon's answer as JSON.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """List the jobs that hold a lease and those that wait."""
    daemon = find_daemon(url, token_file)
    answer = daemon.get(PATH)
    found = daemon.decode(answer, Jobs)
    if json:
        print(msgspec.json.format(answer, indent=2).decode())
        return
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    if found.draining:
        print("draining: nothing new is admitted")
    if not found.active and not found.queue:
        console.print("no jobs")
    if found.active:
        header = ("Job", "Owner", "Memory", "Uses", "Cores", "GPUs", "Priority", "Kind", "Expires")
        console.print(_table(header, map(_active, found.active)))
    if found.queue:
        console.print(_table(("Waiting", "Owner", "Memory", "Place", "Waited", "Why"), map(_queued, found.queue)))


def revoke_job(
    job: Annotated[str, Parameter(help="The job's id.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print what was done as JSON.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """End a job's lease, or take its place in the queue away. The job itself is not stopped."""
    try:
        msgspec.convert(job, JobId)
    except msgspec.ValidationError as error:
        raise InvalidValue("expected 1 to 128 letters, digits and ._:-, but not . or ..", path="JOB") from error
    daemon = find_daemon(url, token_file)
    daemon.post(f"{PATH}/{job}/revoke", {})
    print(msgspec.json.encode({"revoked": job}).decode() if json else f"{job}: revoked")


def _active(job: ActiveJob) -> Iterator[str]:
    yield job.job_id
    yield job.owner
    yield text.size(job.memory_bytes)
    yield text.size(job.measured_bytes)
    yield f"{job.cpu_cores:g}"
    yield str(len(job.gpus))
    yield job.priority
    yield job.kind or text.UNKNOWN
    yield f"{job.expires_at:%H:%M:%S}"


def _queued(job: QueuedJob) -> Iterator[str]:
    yield job.job_id
    yield job.owner
    yield text.size(job.memory_bytes)
    yield str(job.position)
    marks = {"unattended": not job.attended, "protected": job.protected}
    yield ", ".join([f"{job.waited_seconds:.0f} s", *(mark for mark, holds in marks.items() if holds)])
    yield "; ".join(reasons.lines(job.reasons))


def _table(header: tuple[str, ...], rows: Iterator[Iterator[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in header:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(text.printable(cell)) for cell in row))
    return table
