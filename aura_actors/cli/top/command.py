"""The command's options, and what they choose: a live screen, one picture, or a line per sample.

Owns the exit statuses: those of every client command where the daemon cannot be asked, 0 for `q` and Ctrl-C. What
is shown is drawn elsewhere.
"""

import os
import sys
from functools import partial
from typing import Annotated, Final

import anyio
from cyclopts import Parameter

from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.cli.top import lines, live
from aura_actors.cli.top.state import KEPT
from aura_actors.cli.top.watch import Watch
from aura_actors.client import connect
from aura_actors.errors import InvalidValue
from aura_actors.wire.metrics import History
from aura_actors.wire.units import parse_duration

PATH: Final = f"/api/metrics/history?topic=system&limit={KEPT}"
LEAST_SECONDS, MOST_SECONDS = 0.1, 60.0


def top(
    *,
    interval: Annotated[str, Parameter(help="How often something new is shown: 100ms to 60s.")] = "1s",
    once: Annotated[bool, Parameter(help="Print one picture and end.")] = False,
    count: Annotated[int | None, Parameter(help="Print this many lines, one per interval, and end.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Show the machine, jobs, cleanup and actors of a running daemon, live. In a pipe: one line per interval."""
    seconds = _seconds(interval)
    if count is not None and count < 1:
        raise InvalidValue("expected a whole number of at least 1", path="--count")
    if once and count is not None:
        raise InvalidValue("one picture is no line: give --once or --count", path="--once")
    try:
        daemon = find_daemon(url, token_file)
        history = daemon.decode(daemon.get(PATH), History)
        watch = Watch(daemon.url, history)
        where, token = daemon.where, daemon.token
        if once:
            show: live.Show = lines.once
        elif count is not None or not _can_live():
            show = partial(lines.show, count=count)
        else:
            show = live.show
        return anyio.run(_watching, watch, show, where, token, seconds, backend="trio")
    except KeyboardInterrupt:
        return 0
    except BaseExceptionGroup as group:  # raised again, bare: the first error of a task ends them all
        error = _first(group)
        if isinstance(error, KeyboardInterrupt):
            return 0
        raise error from None


async def _watching(watch: Watch, show: live.Show, where: str, token: str | None, seconds: float) -> int:
    async with connect(where, token=token) as aura, anyio.create_task_group() as group:
        group.start_soon(watch.follow, aura, seconds)
        status = await show(watch)
        group.cancel_scope.cancel()
    return status


def _seconds(interval: str) -> float:
    try:
        seconds = parse_duration(interval)
    except InvalidValue as error:
        raise InvalidValue(str(error), path="--interval") from error
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise InvalidValue(f'expected 100ms to 60s, got "{interval}"', path="--interval")
    return seconds


def _can_live() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
