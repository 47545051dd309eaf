"""The log of `serve`: structlog and the standard library's logging as one stream on stderr, without secrets.

Owns the format, the level and the way an uncaught exception takes. Says nothing itself.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from aura_actors.cli.redaction import redact


def configure_logging(
    log_format: str,
    level: str,
    *,
    secrets: Sequence[str] = (),
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send everything of at least `level` to `stream` (stderr), as `console` or `json`; may be called again.

    `secrets` are texts that are hidden wherever they stand.
    """
    out = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(shared, log_format, secrets, colours=_colours(out, environ)))
    logging.basicConfig(level=number, handlers=[handler], force=True)
    logging.captureWarnings(True)


def log_uncaught() -> None:
    """An exception that ends the program or a thread goes to the log too, with its traceback."""
    sys.excepthook = _on_uncaught
    threading.excepthook = _on_uncaught_in_thread


def _formatter(
    shared: list[Processor], log_format: str, secrets: Sequence[str], *, colours: bool
) -> structlog.stdlib.ProcessorFormatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if log_format == "json"
        # The plain traceback: the pretty one prints local variables, and with them tokens.
        else structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _Redactor(secrets),
            renderer,
        ],
    )


class _Redactor:
    """The last step before the text: what no other step may add to."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        hidden: Any = redact(event, self._secrets)
        return dict(hidden)


def _colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return stream.isatty() and not environ.get("NO_COLOR")


def _on_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger("aura_actors").critical("uncaught exception", exc_info=(kind, error, traceback))


def _on_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if issubclass(arguments.exc_type, SystemExit):
        return
    error = arguments.exc_value or arguments.exc_type()
    name = None if arguments.thread is None else arguments.thread.name
    log = structlog.get_logger("aura_actors")
    log.critical("uncaught exception", thread=name, exc_info=(arguments.exc_type, error, arguments.exc_traceback))
