"""Names whoever holds the loop too long: a heartbeat on the loop, and a thread that looks when it is late.

Owns nothing of any actor: it finds the name of the one at work on the stack of the loop's own thread. Nothing is
added to a message or a step; the cost is one timer on the loop and one in the thread.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import msgspec
import trio

from aura_actors.kernel.cell import Cell


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """The loop has not turned for `seconds`. `actor` is None where no actor's handler is on the stack."""

    actor: str | None
    where: str
    seconds: float


class LoopWatchdog:
    """A service. `report` is called from the watching thread, once for each stall of more than `late_seconds`."""

    def __init__(self, report: Callable[[Stall], None], *, late_seconds: float = 1.0) -> None:
        self._report = report
        self._late_seconds = late_seconds
        self._beat = 0.0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """Beat until `stopping`."""
        over = threading.Event()
        self._beat = time.monotonic()
        watcher = threading.Thread(
            target=self._watch, args=(threading.get_ident(), over), name="loop watchdog", daemon=True
        )
        watcher.start()
        try:
            task_status.started()
            while not stopping.is_set():
                self._beat = time.monotonic()
                with trio.move_on_after(self._late_seconds / 2):
                    await stopping.wait()
        finally:
            over.set()

    def _watch(self, loop_thread: int, over: threading.Event) -> None:
        reported = 0.0
        while not over.wait(self._late_seconds / 2):
            beat, late = self._beat, time.monotonic() - self._beat
            if late > self._late_seconds and beat != reported:
                reported = beat
                frame = sys._current_frames().get(loop_thread)
                if frame is not None:
                    self._report(Stall(actor=actor_on(frame), where=place_of(frame), seconds=round(late, 3)))


def actor_on(frame: FrameType) -> str | None:
    """The actor at work on this stack, be it in open, handle or close."""
    step: FrameType | None = frame
    while step is not None:
        if step.f_code is Cell.run.__code__:
            cell = step.f_locals.get("self")
            return cell.ref.name if isinstance(cell, Cell) else None
        step = step.f_back
    return None


def place_of(frame: FrameType) -> str:
    """Where the loop's thread is: `file:line function`."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
