"""The keyboard of the terminal that we were started on, key by key and without an echo.

Owns the terminal's modes, and puts them back whenever it is let go. What a key means is the view's business.
"""

import codecs
import os
import termios
import tty
from typing import IO, Any, Final

import anyio

READ_BYTES: Final = 1024


class Keyboard:
    """Nothing is read where `stream` is no terminal. Signal keys (Ctrl-C, Ctrl-Z) stay signals."""

    def __init__(self, stream: IO[Any] | None) -> None:
        self._descriptor = stream.fileno() if stream is not None and stream.isatty() else None
        self._modes: list[Any] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def here(self) -> bool:
        """There is one."""
        return self._descriptor is not None

    def grab(self) -> None:
        """Keys come one by one, and are not echoed."""
        if self._descriptor is not None:
            self._modes = self._modes or termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSADRAIN)

    def let_go(self) -> None:
        """As it was found; what was typed and not read is nobody's."""
        if self._descriptor is not None and self._modes is not None:
            modes, self._modes = self._modes, None
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, modes)

    async def read(self) -> str:
        """What was typed; empty once the terminal is gone."""
        if self._descriptor is None:
            await anyio.sleep_forever()
        assert self._descriptor is not None
        await anyio.wait_readable(self._descriptor)
        try:
            typed = os.read(self._descriptor, READ_BYTES)
        except OSError:  # hung up
            return ""
        return self._decoder.decode(typed) or ("\0" if typed else "")
