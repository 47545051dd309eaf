"""`aura-actors serve`: settings, log, then the runtime until it is told to stop. Knows nothing of what it runs."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from cyclopts import Parameter

from aura_actors.cli.logging import configure_logging, log_uncaught
from aura_actors.config import Settings, check_exposure, load
from aura_actors.errors import UsageError

OPTIONS = {
    "http.host": "--host",
    "http.port": "--port",
    "http.unix": "--unix",
    "data_dir": "--data-dir",
    "log.format": "--log-format",
}
"""Which key each option sets."""


def serve(
    *,
    config: Annotated[Path | None, Parameter(help="TOML file with the configuration.")] = None,
    host: Annotated[str | None, Parameter(help="Address to serve on; 127.0.0.1 unless configured.")] = None,
    port: Annotated[
        int | None, Parameter(help="Port to serve on; 0 picks a free one; 8080 unless configured.")
    ] = None,
    unix: Annotated[str | None, Parameter(help="Unix socket that serves the same.", metavar="PATH")] = None,
    data_dir: Annotated[
        str | None, Parameter(help="Folder for everything that survives a restart.", metavar="DIR")
    ] = None,
    log_format: Annotated[Literal["console", "json"] | None, Parameter(help="How the log on stderr looks.")] = None,
    ready_file: Annotated[
        Path | None, Parameter(help="File that gets the addresses and the pid once ready.")
    ] = None,
) -> int:
    """Measure, admit, clean up and serve, until SIGTERM or Ctrl-C."""
    given = {
        "http.host": host,
        "http.port": port,
        "http.unix": unix,
        "data_dir": data_dir,
        "log.format": log_format,
    }
    read = partial(_read, config, given)
    settings = read()
    _heed(settings)
    log_uncaught()
    return _run(settings, ready_file, read)


def _read(config: Path | None, given: Mapping[str, object]) -> Settings:
    """The settings as they are now, once they are seen to be acceptable."""
    settings = load(config, os.environ, given, option_names=OPTIONS)
    check_exposure(settings)
    return settings


def _heed(settings: Settings) -> None:
    """Have the log go by these settings."""
    configure_logging(settings.log.format, settings.log.level, secrets=settings.http.secrets)


def _run(settings: Settings, ready_file: Path | None, read: Callable[[], Settings]) -> int:
    import trio

    from aura_actors import runtime
    from aura_actors.kernel.pauses import begin

    begin()
    try:
        return trio.run(
            partial(runtime.serve, settings, ready_file=ready_file, announce=_announce, reread=read, heed=_heed)
        )
    except BaseExceptionGroup as group:  # raised again, unless it holds nothing but a wrong call
        _raise_usage_error(group)


def _raise_usage_error(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """The first wrong-call error where a nursery wrapped nothing else; the group itself otherwise."""
    ours, others = group.split(UsageError)
    if ours is None or others is not None:
        raise group
    error: BaseException = ours
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise error from None


def _announce(line: str) -> None:
    """One line on stdout, at once; a daemon outlives whoever read its first lines."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  # stays open as stdout until the process ends
