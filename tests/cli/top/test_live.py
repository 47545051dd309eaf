"""`aura-actors top` on a terminal, with a real daemon: it moves, fits, obeys keys, leaves no trace."""

import os
import re
import signal
import subprocess
import sys
import termios
from functools import partial
from typing import Any

import pytest

from tests.cli.top.conftest import ENTERED, LEFT, TOP, pictures
from tests.client.run.conftest import Daemon
from tests.tty import Tty, until

CURSOR_SHOWN, CURSOR_HIDDEN = "\x1b[?25h", "\x1b[?25l"


def opened(ttys: Any, daemon: Daemon, *options: str, size: tuple[int, int] = (100, 30), **environ: str) -> Tty:
    tty: Tty = ttys(*TOP, *options, AURA_URL=daemon.url, PYTHONUTF8="1", **environ)
    tty.resize(*size)
    return tty


def shows(tty: Tty, *words: str) -> list[str]:
    """The newest picture with all of these in it."""

    def found() -> list[str] | None:
        *_, drawn = pictures(tty) or [[]]
        return drawn if all(any(word in line for line in drawn) for word in words) else None

    drawn: list[str] = until(found, f"{words} were never shown together; last: {(pictures(tty) or [[]])[-1]}")
    return drawn


def fills(tty: Tty, columns: int, rows: int) -> bool:
    """The newest picture is exactly so large."""
    *_, drawn = pictures(tty)
    return len(drawn) == rows and {len(line) for line in drawn} == {columns}


def titles(tty: Tty) -> set[str]:
    """The subjects of the newest picture."""
    return {line.partition(" ─")[0] for line in pictures(tty)[-1] if " ─" in line}


def quit_in_order(tty: Tty) -> None:
    """Whatever was changed on the terminal is as before."""
    assert tty.wait() == 0
    assert tty.modes() == tty.modes_before
    assert tty.seen.count(ENTERED) == tty.seen.count(LEFT) >= 1
    assert tty.seen.rindex(CURSOR_SHOWN) > tty.seen.rindex(CURSOR_HIDDEN)
    assert "Traceback" not in tty.seen


def test_it_shows_the_machine_moves_and_quits_on_q(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served)
    shows(tty, "● live", "CPU ─", "Admission ─", "q quit")
    assert not tty.modes()[3] & (termios.ICANON | termios.ECHO)

    def samples() -> set[str]:
        rows = [line for picture in pictures(tty) for line in picture if "sampler" in line]
        return {found[0] for line in rows if (found := re.search(r"\d+ *$", line))}

    tty.resize(120, 60)
    shows(tty, "sampler")
    until(lambda: len(samples()) >= 3, "the number of samples never moved")
    tty.type("q")
    quit_in_order(tty)


def test_it_is_as_large_as_the_terminal_at_once(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served, size=(120, 40))
    shows(tty, "Actors ─")
    for columns, rows in ((40, 24), (200, 50), (80, 24)):
        tty.resize(columns, rows)
        until(partial(fills, tty, columns, rows), f"it never was {columns} x {rows}")
    tty.type("q")
    quit_in_order(tty)


def test_keys_choose_what_is_seen(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served, size=(60, 20))
    shows(tty, "CPU ─", "more ↓")
    tty.type("2")
    shows(tty, "Admission ─", "Queue 0 ─")
    tty.type("4")
    shows(tty, "Actors ─", "● sampler")
    tty.type("1")
    shows(tty, "CPU ─")
    tty.type("\x1b[B")
    until(lambda: titles(tty).isdisjoint({"CPU"}) and "Memory" in titles(tty), "it did not scroll")
    tty.type("p")
    shows(tty, "paused", "p resume")
    tty.type("q")
    quit_in_order(tty)


def test_ctrl_c_quits_as_q_does(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served)
    shows(tty, "● live")
    tty.type("\x03")
    quit_in_order(tty)


def test_the_other_key_that_ends_programs_puts_the_terminal_back_too(ttys: Any, served: Daemon) -> None:
    """Ctrl-\\ is SIGQUIT."""
    tty = opened(ttys, served)
    shows(tty, "● live")
    tty.type("\x1c")
    assert tty.wait() == 128 + signal.SIGQUIT
    assert tty.modes() == tty.modes_before
    assert LEFT in tty.seen


def test_a_line_that_the_terminal_finds_too_long_moves_no_other(ttys: Any, served: Daemon) -> None:
    """Terminals do not agree on how wide some characters are: lines do not wrap, until we have left."""
    tty = opened(ttys, served)
    shows(tty, "● live")
    assert tty.seen.count("\x1b[?7l") == 1
    tty.type("q")
    quit_in_order(tty)
    assert tty.seen.count("\x1b[?7h") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_is_told_to_end_puts_the_terminal_back(ttys: Any, served: Daemon, number: signal.Signals) -> None:
    tty = opened(ttys, served)
    shows(tty, "● live")
    os.kill(tty.process.pid, number)
    assert tty.wait() == 128 + number
    assert tty.modes() == tty.modes_before
    assert LEFT in tty.seen


def test_a_shell_stops_it_and_lets_it_go_on(ttys: Any, served: Daemon) -> None:
    tty = ttys("bash", "--norc", "-i", AURA_URL=served.url, PS1="$ ", PYTHONUTF8="1")
    tty.resize(80, 24)
    tty.expect("$ ")
    tty.type(f"{' '.join(TOP)}\n")
    shows(tty, "● live")
    tty.type("\x1a")
    tty.expect("Stopped")
    assert tty.seen.count(LEFT) == 1
    tty.type("fg\n")
    until(lambda: tty.read().count(ENTERED) == 2, "it did not come back")
    shows(tty, "● live")
    tty.type("q")
    until(lambda: tty.read().count(LEFT) == 2, "it did not leave")


def test_a_daemon_that_is_started_again_is_found_and_that_is_said(ttys: Any, mortal: Daemon) -> None:
    tty = opened(ttys, mortal)
    shows(tty, "● live")
    mortal.kill()
    shows(tty, "○ reconnecting", "no daemon answers")
    mortal.start()
    shows(tty, "● live", "the daemon was started again")
    tty.type("q")
    quit_in_order(tty)


def test_no_color_is_heeded(ttys: Any, served: Daemon) -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*(3[0-9]|9[0-7])m")
    tty = opened(ttys, served, NO_COLOR="1")
    shows(tty, "● live")
    tty.type("q")
    quit_in_order(tty)
    assert not coloured.search(tty.seen)
    tty = opened(ttys, served)
    shows(tty, "● live")
    assert coloured.search(tty.seen)


def test_a_job_appears_when_it_is_admitted(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served, size=(80, 60))
    shows(tty, "Jobs 0 ─")
    lease = served.client.post("/api/admission/jobs", json={"jobId": "video-9", "memoryBytes": 2**20}).json()
    shows(tty, "Jobs 1 ─", "video-9")
    served.client.delete("/api/admission/jobs/video-9", headers={"Aura-Lease": lease["leaseId"]})
    shows(tty, "Jobs 0 ─")


def test_a_terminal_that_can_do_nothing_gets_lines(ttys: Any, served: Daemon) -> None:
    tty = opened(ttys, served, "--count", "1", TERM="dumb")
    assert tty.wait() == 0
    assert "cpu=" in tty.seen
    assert "\x1b" not in tty.seen


def test_the_client_never_loads_the_server() -> None:
    code = (
        "import sys, aura_actors.cli.top; "
        "server = ('quart', 'psutil', 'hypercorn', 'structlog', *('aura_actors.' + ring for ring in "
        "('runtime', 'config', 'domain', 'edges', 'kernel'))); print([m for m in server if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"
