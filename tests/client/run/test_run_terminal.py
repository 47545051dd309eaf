"""`aura-actors run` on a terminal: the command is in the foreground, the keyboard reaches it as without us."""

import os
import re
import signal
import sys
import termios
import time
from typing import Any

from tests.client.run.conftest import Daemon, command, state_of, until


def test_the_keyboard_interrupts_the_command(aura: Daemon, ttys: Any) -> None:
    # `read` is the shell's own: before it has started another program, it would keep an interrupt to itself.
    tty = ttys(
        *command("--job-id", "c", "--memory", "1MiB", "--", "sh", "-c", "echo on; read x"), AURA_URL=aura.url
    )
    tty.expect("on\r\n")
    tty.type("\x03")
    assert tty.wait() == 130
    assert "c" not in aura.jobs()


def test_a_command_that_handles_the_interrupt_hears_of_it_once(aura: Daemon, ttys: Any) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))\n"
        "print('on', flush=True)\n"
        "input()"
    )
    tty = ttys(*command("--memory", "1MiB", "--", sys.executable, "-c", code), AURA_URL=aura.url)
    tty.expect("on\r\n")
    tty.type("\x03")
    tty.expect("heard")
    tty.type("\n")
    assert tty.wait() == 0
    assert tty.seen.count("heard") == 1


def test_the_keyboard_ends_the_wait(daemon: Daemon, ttys: Any) -> None:
    daemon.take_all()
    tty = ttys(*command("--job-id", "w", "--memory", "1MiB", "--", "true"), AURA_URL=daemon.url)
    tty.expect("place 1")
    tty.type("\x03")
    assert tty.wait() == 130
    daemon.gone("w")


def test_a_program_for_terminals_works(aura: Daemon, ttys: Any) -> None:
    """It reads keys one by one, in a mode of its own, and knows the size."""
    code = (
        "import os, sys, tty, termios\n"
        "before = termios.tcgetattr(0)\n"
        "tty.setraw(0)\n"
        "sys.stdout.write(f'size {os.get_terminal_size().columns} '); sys.stdout.flush()\n"
        "key = os.read(0, 1)\n"
        "termios.tcsetattr(0, termios.TCSADRAIN, before)\n"
        "print('key', key)"
    )
    tty = ttys(*command("--memory", "1MiB", "--", sys.executable, "-c", code), AURA_URL=aura.url)
    tty.expect("size ")
    tty.type("q")
    assert tty.wait() == 0
    assert "key b'q'" in tty.seen


def test_modes_are_put_back_for_a_command_that_was_killed(aura: Daemon, ttys: Any) -> None:
    code = "import os, sys, tty; tty.setraw(0); print('raw', os.getpid(), flush=True); os.read(0, 1)"
    tty = ttys(*command("--memory", "1MiB", "--", sys.executable, "-c", code), AURA_URL=aura.url)
    tty.expect("raw ")
    until(lambda: "\n" in tty.read().partition("raw ")[2])
    os.kill(int(tty.seen.partition("raw ")[2].split()[0]), signal.SIGKILL)
    assert tty.wait() == 137
    assert termios.tcgetattr(tty.slave)[3] & termios.ICANON


def test_a_pipeline_is_one_job_and_its_end_may_use_the_terminal(aura: Daemon, ttys: Any) -> None:
    """As `… | less` does: whoever is not in the foreground group would be stopped."""
    reader = f"{sys.executable} -c \"print(open('/dev/tty').readline(), input())\""
    line = f"{' '.join(command('--memory', '1MiB', '--', 'echo', 'piped'))} | {reader}"
    tty = ttys("bash", "--norc", "-i", AURA_URL=aura.url, PS1="$ ")
    tty.expect("$ ")
    tty.type(f"{line}\n")
    time.sleep(1)
    tty.type("typed\n")
    tty.expect("typed\r\n piped")


def test_a_shell_stops_it_and_lets_it_go_on(aura: Daemon, ttys: Any) -> None:
    line = " ".join(command("--memory", "1MiB", "--", "sh", "-c", "'echo pid=$$=; read x; echo got-$x'"))
    tty = ttys("bash", "--norc", "-i", AURA_URL=aura.url, PS1="$ ")
    tty.expect("$ ")
    tty.type(f"{line}\n")
    pid = int(until(lambda: re.search(r"pid=(\d+)=", tty.read()))[1])
    tty.type("\x1a")
    tty.expect("Stopped")
    assert state_of(pid) == "T"
    tty.type("fg\n")
    until(lambda: state_of(pid) == "S")
    tty.type("again\n")
    tty.expect("got-again")


def test_the_live_line_is_written_over_and_taken_away(daemon: Daemon, ttys: Any) -> None:
    give_back = daemon.take_all()
    tty = ttys(*command("--memory", "1MiB", "--", "echo", "begun"), AURA_URL=daemon.url)
    tty.expect("waiting 0:01: place 1")
    give_back()
    assert tty.wait() == 0
    assert "\n" not in tty.seen.partition("begun")[0]
    assert tty.seen.partition("begun")[0].endswith("\r\x1b[K")
    assert "\x1b[2m" in tty.seen


def test_no_color_is_heeded(daemon: Daemon, ttys: Any) -> None:
    daemon.take_all()
    tty = ttys(*command("--memory", "1MiB", "--wait", "1s", "--", "true"), AURA_URL=daemon.url, NO_COLOR="1")
    assert tty.wait() == 75
    assert "waiting 0:0" in tty.seen
    assert "\x1b[2m" not in tty.seen
