"""`aura-actors run [needs] -- CMD …`: parse, put the parts together, call. The work is `aura_actors.client.run`'s.

Finds out here what the wrapper is only told: in which control group we are, and how much memory is free where no
daemon is to decide.
"""

import math
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from aura_actors.cli import learned, needs
from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.client.run.lease import Keeper
from aura_actors.client.run.local import Local
from aura_actors.client.run.remote import Remote
from aura_actors.client.run.screen import Screen
from aura_actors.client.run.wrapper import Job
from aura_actors.client.run.wrapper import run as run_job
from aura_actors.errors import InvalidValue
from aura_actors.wire.units import parse_duration

AUTO: Final = "auto"


def run(
    *command: Annotated[str, Parameter(help="The command and its arguments, after `--`.", metavar="CMD")],
    memory: Annotated[
        str | None,
        Parameter(
            help='Memory it holds at most, such as "2GiB"; "auto" reserves what its --kind was seen to need.'
        ),
    ] = None,
    cpu: needs.Cpu = 0,
    gpu: needs.Gpu = False,
    prefer_gpu: needs.PreferGpu = False,
    gpu_memory: needs.GpuMemory = None,
    priority: needs.Priority = "normal",
    job_id: needs.JobId = None,
    kind: needs.Kind = None,
    wait: Annotated[
        str | None,
        Parameter(help='How long to wait for room, such as "10m"; 0: not at all. Without it, as long as it takes.'),
    ] = None,
    cap: Annotated[
        bool, Parameter(help="Hold it to its memory: 1.1 times what it declared and 8 MiB, then it is killed.")
    ] = False,
    verbose: Annotated[
        bool, Parameter(name=["--verbose", "-v"], help="Say how its memory is told apart, and what is left behind.")
    ] = False,
    no_daemon: Annotated[
        bool, Parameter(help="Ask nobody: begin once what it declares is free. Reserves nothing.")
    ] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Wait until there is room, then run a command and hold that room until it ends.

    The exit statuses are those of `client.run.exits`.
    """
    if sys.platform != "linux":
        raise InvalidValue("works on Linux only", path="run")
    if not command:
        raise InvalidValue("give a command after `--`", path="CMD")
    body = needs.body(
        f"run-{secrets.token_hex(6)}" if job_id is None else job_id,
        memory=None if memory == AUTO else memory,
        cpu=cpu,
        gpu=gpu,
        prefer_gpu=prefer_gpu,
        gpu_memory=gpu_memory,
        priority=priority,
        kind=kind,
    )
    _check_auto(memory, kind, no_daemon)
    wait_seconds = math.inf if wait is None else _duration(wait)
    own_groups, unified = _own_groups()
    screen = Screen()
    keeper: Keeper
    ask: Callable[[], dict[str, object]]
    if no_daemon:
        from aura_actors.cli.free_memory import default_bytes, look

        keeper, ask = Local(look, default_bytes()), lambda: body
    else:
        daemon = find_daemon(url, token_file)
        keeper = Remote(daemon)

        def ask() -> dict[str, object]:
            return body if kind is None else learned.advise(daemon, screen, body, auto=memory == AUTO)

    job = Job(
        command=command,
        needs=ask,
        wait_seconds=wait_seconds,
        cap=cap,
        verbose=verbose,
        own_groups=own_groups,
        unified=unified,
    )
    return run_job(job, keeper, screen)


def _check_auto(memory: str | None, kind: str | None, no_daemon: bool) -> None:
    if memory == AUTO and kind is None:
        raise InvalidValue("auto is learned by kind: give --kind", path="--memory")
    if memory == AUTO and no_daemon:
        raise InvalidValue("auto is learned by a daemon, and --no-daemon asks none", path="--memory")


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except InvalidValue as error:
        raise InvalidValue(str(error), path="--wait") from error


def _own_groups() -> tuple[tuple[str, ...], bool]:
    from aura_actors.collectors.cgroup_find import find_groups

    try:
        chain = find_groups("", Path("/proc/self/cgroup").read_text(encoding="utf-8")).memory
    except OSError:
        return (), False
    return chain.directories, chain.unified
