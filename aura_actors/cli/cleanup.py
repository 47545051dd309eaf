"""`aura-actors cleanup list | run TASK | undo RUN`: what is cleared away and when, now on request, and put back.

Exit status 0: done; 1: declined, failed, interrupted, or not all of it; 2: a wrong call; 3: no daemon answers; 130:
Ctrl-C, which stops a run that this command began.
"""

import sys
import time
from contextlib import suppress
from typing import Annotated

import msgspec
from cyclopts import Parameter

from aura_actors.cli import cleanup_report, cleanup_screen, text
from aura_actors.cli.daemon import Daemon, Declined, TokenFile, Url, find_daemon
from aura_actors.errors import InvalidValue, Unavailable
from aura_actors.wire.cleanup import CleanupProgress, CleanupReport, CleanupState, RunStarted

PATH = "/api/cleanup"
POLL_SECONDS = 0.2
UNDO_SECONDS = 310.0
INTERRUPTED = 130

Json = Annotated[bool, Parameter(help="Print the daemon's answer as JSON.")]


def list_tasks(*, json: Json = False, url: Url = None, token_file: TokenFile = None) -> None:
    """List the cleanup tasks: when each runs next, and what its last run did."""
    daemon = find_daemon(url, token_file)
    answer = daemon.get(PATH)
    state = daemon.decode(answer, CleanupState)
    if json:
        print(msgspec.json.format(answer, indent=2).decode())
    else:
        cleanup_report.print_tasks(state)


def run_task(
    task: Annotated[str, Parameter(help="The task's id, such as temp-files.")],
    /,
    *,
    dry_run: Annotated[bool, Parameter(help="Say what would go and what would stay; change nothing.")] = False,
    verbose: Annotated[bool, Parameter(help="List the items too, the first thousand of each.")] = False,
    json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Run one task now, or join the run that is under way, and say what it did."""
    daemon = find_daemon(url, token_file)
    known = [each.task for each in daemon.decode(daemon.get(PATH), CleanupState).tasks]
    if task not in known:
        wanted = text.printable(task)
        raise InvalidValue(f"there is no task {wanted}; there is {', '.join(known)}", path="TASK")
    started = daemon.decode(daemon.post(f"{PATH}/{task}/run", {"dryRun": dry_run}), RunStarted)
    try:
        report = _follow(daemon, task, started.run_id, quiet=json)
    except KeyboardInterrupt:
        return _let_go(daemon, started)
    if json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        cleanup_report.print_report(report, verbose=verbose)
    return 0 if report.outcome == "done" and not report.failures else 1


def undo_run(
    run: Annotated[str, Parameter(help="The run's id, as its report gives it.")],
    /,
    *,
    json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Put back what a run took, as long as that lies in quarantine."""
    if not run or not all(character.isalnum() or character in "._:-" for character in run):
        raise InvalidValue("expected the id of a run: letters, digits and ._:-", path="RUN")
    daemon = find_daemon(url, token_file)
    try:
        report = _undo(daemon, run, quiet=json)
    except Declined as refusal:
        print(f"aura-actors: {refusal}", file=sys.stderr)
        return 1
    if json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        cleanup_report.print_undone(report)
    return 0 if report.outcome == "done" and not report.failures and not report.quarantined else 1


def _undo(daemon: Daemon, run: str, *, quiet: bool) -> CleanupReport:
    """Its report; where the daemon has not come to it, that of the undo it promised. Raises `Declined`."""
    answer = daemon.post(f"{PATH}/runs/{run}/undo", {}, wait_seconds=UNDO_SECONDS)
    with suppress(msgspec.ValidationError):
        return msgspec.json.decode(answer, type=CleanupReport)
    return _follow(daemon, "undo", daemon.decode(answer, RunStarted).run_id, quiet=quiet)


def _follow(daemon: Daemon, task: str, run_id: str, *, quiet: bool) -> CleanupReport:
    """Show how far the run is until there is a report."""
    with cleanup_screen.open_screen(task, quiet=quiet) as screen:
        while True:
            answer = daemon.send("GET", f"{PATH}/runs/{run_id}")
            if answer.status == 200:
                return daemon.decode(answer.content, CleanupReport)
            if answer.status != 202:
                raise Unavailable(f"{daemon.url} does not know run {run_id} any more: was it restarted?")
            screen.show(_progress(daemon, run_id))
            time.sleep(POLL_SECONDS)


def _progress(daemon: Daemon, run_id: str) -> CleanupProgress | None:
    """None while it waits for another run to end."""
    tasks = daemon.decode(daemon.get(PATH), CleanupState).tasks
    return next((t.progress for t in tasks if t.progress is not None and t.progress.run_id == run_id), None)


def _let_go(daemon: Daemon, started: RunStarted) -> int:
    if started.joined:
        print("the run goes on: others asked for it too", file=sys.stderr)
        return INTERRUPTED
    reply = daemon.send("POST", f"{PATH}/runs/{started.run_id}/stop", {})
    stopped = reply.status == 200
    print("stopped; what it did stays done" if stopped else "the run was over already", file=sys.stderr)
    return INTERRUPTED
