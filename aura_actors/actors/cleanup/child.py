"""The process that does one run, as the cleanup actor talks to it.

Owns how it is started, what is said to it and that it is ended. Refuses to know what the work is and when to ask.
"""

import os
import sys
from collections.abc import Callable
from typing import Protocol

import msgspec
import trio

from aura_actors.kernel.worker import Worker
from aura_actors.workers import frames, sweep_frames

_REQUEST = msgspec.msgpack.Encoder()
_REPLY: msgspec.msgpack.Decoder[sweep_frames.Reply] = msgspec.msgpack.Decoder(sweep_frames.Reply)


class TooLong(Exception):
    """No frame can hold a request. It was not sent, and whoever was to be asked can be asked something else."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes, and at most {frames.MAX_FRAME_BYTES} can be handed over")


class Hand(Protocol):
    """Whoever does a run."""

    async def ask(self, request: sweep_frames.Request) -> sweep_frames.Reply:
        """One step. Raises `WorkerEnded`, `TooLong`, or `msgspec.MsgspecError` for an answer that is none."""
        ...

    async def end(self) -> bool:
        """End it. False if that is not possible now: it hangs in the kernel."""
        ...


class Sweeper(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is run. `environment` is set beside our own."""

    environment: dict[str, str] = {}
    patience_seconds: float = 0.3
    """Between the three ways to end it; all three are within what an actor has for its end."""

    def command(self) -> list[str]:
        """`-P`: a module in the current folder is not ours."""
        return [sys.executable, "-P", "-m", "aura_actors.workers.sweep"]

    def variables(self) -> dict[str, str]:
        """Our environment without our settings, which can hold a token."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        return ours | self.environment


class Child(Hand):
    """A process of our own. It lives for one run."""

    def __init__(self, worker: Worker, patience_seconds: float) -> None:
        self._worker = worker
        self._patience_seconds = patience_seconds

    @classmethod
    async def start(cls, sweeper: Sweeper, nursery: trio.Nursery, report: Callable[[str], None]) -> "Child":
        """Start it; `report` hears what it prints. Raises `OSError` where that is not possible."""
        worker = await Worker.start(
            sweeper.command(), environment=sweeper.variables(), max_frame_bytes=frames.MAX_FRAME_BYTES
        )
        nursery.start_soon(worker.listen, report)
        return cls(worker, sweeper.patience_seconds)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._worker.pid

    async def ask(self, request: sweep_frames.Request) -> sweep_frames.Reply:
        """One step."""
        frame = _REQUEST.encode(request)
        if len(frame) > frames.MAX_FRAME_BYTES:
            raise TooLong(len(frame))
        return _REPLY.decode(await self._worker.ask(frame))

    async def end(self) -> bool:
        """End it: it leaves by itself when nobody asks any more."""
        return await self._worker.end(self._patience_seconds)
