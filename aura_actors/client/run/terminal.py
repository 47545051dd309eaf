"""The terminal that we were started on, if there is one.

The command stays in our process group then, so that it is in the foreground when we are, Ctrl-C and Ctrl-Z reach
it from the kernel, and the shell's job is us and the rest of a pipeline together. Owns what must be put back: the
terminal's modes, when a command was killed before it could do so itself.
"""

import os
import termios
from typing import Any


class Terminal:
    """`here` is whether there is a controlling terminal."""

    def __init__(self) -> None:
        self._descriptor = _open()
        self._modes: list[Any] | None = None
        if self._descriptor is not None and self._foreground:
            self._modes = termios.tcgetattr(self._descriptor)

    @property
    def here(self) -> bool:
        """There is one."""
        return self._descriptor is not None

    @property
    def _foreground(self) -> bool:
        assert self._descriptor is not None
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # hung up
            return False

    def restore(self) -> None:
        """Put the modes back; only where that is still ours to do."""
        if self._descriptor is None or self._modes is None or not self._foreground:
            return
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._modes)
        except termios.error:  # hung up
            return


def _open() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
