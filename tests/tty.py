"""A pseudo-terminal with a program on it, as a person at a keyboard has it."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any


def until(found: Callable[[], Any], what: str = "it never came about") -> Any:
    """Wait for other processes: there is nothing to wait on but what they show."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(what)


class Tty:
    """A pseudo-terminal and what was started on it as its session."""

    def __init__(self, arguments: list[str], **environ: str) -> None:
        self.master, slave = pty.openpty()
        self.slave = slave
        self.modes_before = termios.tcgetattr(slave)
        self.seen = ""
        self.process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environ},
        )  # fmt: skip
        os.set_blocking(self.master, False)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        """As a window manager does; the kernel tells the foreground."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        """Of the terminal, as they are now."""
        return termios.tcgetattr(self.slave)

    def read(self) -> str:
        with contextlib.suppress(OSError):  # nothing yet, or nobody is there any more
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen

    def expect(self, text: str) -> None:
        until(lambda: text in self.read(), f"{text!r} was never shown")

    def wait(self) -> int:
        status = until(lambda: (self.read(), self.process.poll() is not None)[1]) and self.process.returncode
        self.read()
        return int(status)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
