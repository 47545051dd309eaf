"""The live screen: rich draws on the alternate screen, keys and signals change what is seen, and all is put back.

Owns the terminal while it is ours: entering, redrawing, stopping (Ctrl-Z), leaving. What is drawn is the business
of `screen`, what keys do that of `view`.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from rich.console import Console, Group
from rich.live import Live

from aura_actors.cli.top import marks
from aura_actors.cli.top.keyboard import Keyboard
from aura_actors.cli.top.marks import Glyphs
from aura_actors.cli.top.screen import picture
from aura_actors.cli.top.sight import Sight
from aura_actors.cli.top.state import State
from aura_actors.cli.top.view import QUIT, View, keys, press
from aura_actors.cli.top.watch import Watch

Show = Callable[[Watch], Awaitable[int]]

TICK_SECONDS: Final = 1.0
"""Ages and what is left grow and shrink without news too."""
TOGETHER_SECONDS: Final = 0.03
"""Frames of one moment, and keys that are held down, are drawn at once."""
SIGNALLED: Final = 128
ENDING: Final = {
    signal.SIGINT: 0,
    signal.SIGQUIT: SIGNALLED + signal.SIGQUIT,
    signal.SIGTERM: SIGNALLED + signal.SIGTERM,
    signal.SIGHUP: SIGNALLED + signal.SIGHUP,
}
"""The exit status after each; Ctrl-C is a way to quit."""
UNSIZED: Final = ("COLUMNS", "LINES")
"""A shell may have exported the size that the terminal had once."""
CUT, WRAP = "\x1b[?7l", "\x1b[?7h"
"""What a terminal does with a line that it finds longer than we do: not all agree on how wide a character is, and a
line that went on in the next row would move all below it."""


def glyphs_of(console: Console) -> Glyphs:
    """What this terminal can show."""
    return marks.ASCII if console.options.ascii_only else marks.UNICODE


async def show(watch: Watch) -> int:
    """Until somebody quits; the exit status."""
    return await Screen(watch).run()


class Screen:
    """One terminal, for the time of `run`."""

    def __init__(self, watch: Watch) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in UNSIZED}
        self._console = Console(highlight=False, _environ=environ)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._keyboard = Keyboard(sys.stdin)
        self._watch = watch
        self._view = View()
        self._stood_still: tuple[State, float] | None = None
        """What is shown while paused, and since when."""
        self._reach = (0, 0)
        """Lines that are seen at once, and how far one may scroll."""
        self._status: int | None = None

    async def run(self) -> int:
        """Draw until somebody quits; the exit status. The terminal is as it was, whatever happens."""
        async with anyio.create_task_group() as group:
            await group.start(self._heed_signals)
            try:
                self._enter()
                group.start_soon(self._heed_keys)
                while self._status is None:
                    self._draw()
                    await anyio.sleep(TOGETHER_SECONDS)
                    await self._watch.change(TICK_SECONDS)
            except OSError as error:
                if error.errno != errno.EIO:  # the terminal has gone, and SIGHUP is under way
                    raise
                self._status = ENDING[signal.SIGHUP]
            finally:
                self._leave()
            group.cancel_scope.cancel()
        return self._status or 0

    def _enter(self) -> None:
        self._keyboard.grab()
        self._live.start()
        self._tell(CUT)

    def _leave(self) -> None:
        try:
            self._tell(WRAP)
            self._live.stop()
            self._keyboard.let_go()
        except OSError:  # it is not there any more
            return

    def _tell(self, sequence: str) -> None:
        self._console.file.write(sequence)
        self._console.file.flush()

    def _draw(self) -> None:
        state, now = self._stood_still or (self._watch.state, time.monotonic())
        sight = Sight(state=state, now=now, glyphs=glyphs_of(self._console))
        width, height = self._console.size
        shown = picture(sight, self._view, self._watch.connection, width, height)
        self._reach = (shown.page, shown.last)
        self._live.update(Group(*shown.lines), refresh=True)

    async def _heed_keys(self) -> None:
        while typed := await self._keyboard.read():
            for key in keys(typed):
                self._press(key)
        self._end(ENDING[signal.SIGHUP])

    def _press(self, key: str) -> None:
        if key == QUIT:
            self._end(0)
            return
        page, last = self._reach
        self._view = press(self._view, key, page=page, last=last)
        if not self._view.paused:
            self._stood_still = None
        elif self._stood_still is None:
            self._stood_still = (self._watch.state, time.monotonic())
        self._watch.touch()

    def _end(self, status: int) -> None:
        self._status = status
        self._watch.touch()

    async def _heed_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(*ENDING, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT) as received:
            task_status.started()
            async for number in received:
                if number in ENDING:
                    self._end(ENDING[number])
                elif number == signal.SIGTSTP:
                    self._leave()
                    os.kill(os.getpid(), signal.SIGSTOP)
                    self._enter()
                self._watch.touch()
