"""What the wrapper says, on stderr alone: a live line while it waits, plain lines where nobody watches.

Owns the form. A terminal gets one line that is written over (dim, unless NO_COLOR), anything else a line whenever
something changed: at once where it is the place or what is short, once a minute where it is by how much.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from aura_actors.client.run.lease import Waiting

NAME = "aura-actors"
LINE_SECONDS: Final = 60.0
"""Between two lines that differ in their numbers alone."""
_ERASE, _DIM, _PLAIN = "\r\x1b[K", "\x1b[2m", "\x1b[0m"


class Screen:
    """Writes to `stream`; a stream that is closed or full is no reason to fail a command."""

    def __init__(self, stream: TextIO = sys.stderr, environ: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._live = stream.isatty() and environ.get("TERM", "dumb") != "dumb"
        self._styled = self._live and not environ.get("NO_COLOR")
        self._shown = ""
        self._said: tuple[object, float] = (None, 0.0)
        """What the last line was about, and how long we had waited."""

    def say(self, text: str) -> None:
        """One line that stays."""
        self.clear()
        self._write(f"{NAME}: {printable(text)}\n")

    def wait(self, waiting: Waiting, waited_seconds: float) -> None:
        """What is known of the wait, now."""
        place = "" if waiting.position is None else f"place {waiting.position}, "
        what = f"{place}{printable(str(waiting))}"
        if not self._live:
            about = (waiting.position, waiting.text, [reason.dimension for reason in waiting.reasons])
            before, said_at = self._said
            if what != self._shown and (about != before or waited_seconds >= said_at + LINE_SECONDS):
                self._shown, self._said = what, (about, waited_seconds)
                self._write(f"{NAME}: waiting: {what}\n")
            return
        self._shown = what
        line = f"{NAME}: waiting {_clock(waited_seconds)}: {what}"[: shutil.get_terminal_size().columns - 1]
        self._write(f"{_ERASE}{_DIM}{line}{_PLAIN}" if self._styled else f"{_ERASE}{line}")

    def clear(self) -> None:
        """Take the live line away."""
        if self._live and self._shown:
            self._write(_ERASE)
        self._shown = ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return


def printable(text: str) -> str:
    """The text with everything escaped that could move a cursor or start a new line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
