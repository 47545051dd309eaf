"""Following a daemon: its frames, folded into the newest state, and a word to whoever waits for a change.

Owns the subscription, through the client SDK as any program has it. Draws nothing.
"""

import logging
import time
from collections.abc import Iterable

import anyio
import msgspec

from aura_actors.cli.top.screen import Connection
from aura_actors.cli.top.state import TOPICS, State, remembered, take
from aura_actors.client import Aura, Frames, absence
from aura_actors.errors import Unavailable, UsageError
from aura_actors.wire.metrics import History, SystemMetrics


class Watch:
    """`state` is always whole; `changed` is set with each new one."""

    def __init__(self, url: str, history: History) -> None:
        self.state = State(past=remembered((), _samples(history)))
        self.changed = anyio.Event()
        self.samples = 0
        """How many were heard."""
        self._url = url
        self._frames: Frames | None = None

    @property
    def connection(self) -> Connection:
        """As it is now."""
        return Connection(url=self._url, trouble=None if self._frames is None else self._frames.trouble)

    async def follow(self, aura: Aura, interval_seconds: float) -> None:
        """Until cancelled, over restarts of the daemon. Raises Unavailable, also where the daemon refuses us."""
        try:
            await self._follow(aura, interval_seconds)
        except UsageError as error:  # a token that was taken away: nothing that the command line was wrong about
            raise Unavailable(str(error)) from error

    async def _follow(self, aura: Aura, interval_seconds: float) -> None:
        async with aura.subscribe(*TOPICS, interval=interval_seconds) as frames:
            self._frames = frames
            absence.log.addHandler(logging.NullHandler())  # `connection` says it, and stderr may be the screen
            async for frame in frames:
                try:
                    self.state = take(self.state, frame, time.monotonic())
                except msgspec.DecodeError as error:
                    raise Unavailable(
                        f"{self._url} says something that this version does not know: {error}"
                    ) from error
                self.samples += frame.topic == "system"
                self.touch()

    def touch(self) -> None:
        """Say that there is something to draw."""
        self.changed.set()

    async def change(self, within_seconds: float) -> None:
        """Wait for the next one, or so long."""
        with anyio.move_on_after(within_seconds):
            await self.changed.wait()
        self.changed = anyio.Event()


def _samples(history: History) -> Iterable[SystemMetrics]:
    return (msgspec.json.decode(entry.data, type=SystemMetrics) for entry in history.entries)
