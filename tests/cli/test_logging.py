"""structlog and the standard library write one stream, in one format, without secrets."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from aura_actors.cli.logging import configure_logging, log_uncaught


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream for the log; logging and structlog are put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # `force=True` closes what it replaces; pytest's own handlers must survive that.
    root.handlers = []
    yield io.StringIO()
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The log, one object a line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_stamp_level_logger_event_and_context(stream: io.StringIO) -> None:
    configure_logging("json", "info", stream=stream)
    with structlog.contextvars.bound_contextvars(job_id="a"):
        structlog.get_logger("aura_actors.x").info("granted", bytes=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "granted", "level": "info", "logger": "aura_actors.x", "job_id": "a", "bytes": 3}


def test_the_standard_library_takes_the_same_way(stream: io.StringIO) -> None:
    configure_logging("json", "info", stream=stream)
    logging.getLogger("hypercorn.error").warning("port %d", 8080, extra={"token": "s3cret"})
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("port 8080", "warning", "hypercorn.error")
    assert line["token"] == "***"


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    configure_logging("json", "warning", stream=stream)
    structlog.get_logger("a").info("no")
    logging.getLogger("a").info("no")
    structlog.get_logger("a").error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_is_written_not_even_from_a_traceback(stream: io.StringIO, log_format: str) -> None:
    configure_logging(log_format, "debug", secrets=["hunter2"], stream=stream)
    log = structlog.get_logger("a")
    log.info("asked", token="s3cret", lease_id="s3cret", headers={"Authorization": "Bearer s3cret"})
    log.info("header Authorization: Bearer s3cret and hunter2")

    def fails(token: str) -> None:
        raise ValueError("refused hunter2")

    local = "S3CRET-local".lower()  # the traceback shows this file's lines, and they must not hold it
    try:
        fails(local)
    except ValueError:
        log.exception("crashed")
    written = stream.getvalue()
    assert "s3cret" not in written
    assert "hunter2" not in written
    assert "ValueError: refused ***" in written
    assert "Traceback" in written


def test_setting_up_again_replaces_the_first_set_up(stream: io.StringIO) -> None:
    first = io.StringIO()
    configure_logging("json", "debug", stream=first)
    configure_logging("json", "debug", stream=stream)
    structlog.get_logger("a").info("once")
    assert first.getvalue() == ""
    assert len(lines(stream)) == 1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "environ", "coloured"),
    [(io.StringIO(), {}, False), (Terminal(), {}, True), (Terminal(), {"NO_COLOR": "1"}, False)],
)
@pytest.mark.usefixtures("stream")
def test_only_a_terminal_gets_colours_and_only_if_it_wants_them(
    out: io.StringIO, environ: dict[str, str], coloured: bool
) -> None:
    configure_logging("console", "info", stream=out, environ=environ)
    structlog.get_logger("a").info("hello")
    assert ("\x1b[" in out.getvalue()) is coloured


def test_an_uncaught_exception_is_logged_with_its_traceback(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    configure_logging("json", "info", stream=stream)
    log_uncaught()
    error = ValueError("out")
    sys.excepthook(ValueError, error, None)

    def fails() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fails, name="probe")
    thread.start()
    thread.join()
    main, other = lines(stream)
    assert (main["event"], main["level"]) == ("uncaught exception", "critical")
    assert "ValueError: out" in main["exception"]
    assert other["thread"] == "probe"
    assert "RuntimeError: in a thread" in other["exception"]
