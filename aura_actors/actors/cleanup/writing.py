"""What is written into the schedule's store, later where it cannot be now.

Owns the line of what waits for a disk that is full or a file that is locked, and the two lines in the log. Nothing
of it ends a run: reports are in memory anyway. Refuses to know what is written.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import ParamSpec

import structlog
import trio

from aura_actors.errors import StoreUnavailable

log = structlog.get_logger("aura_actors.cleanup")
P = ParamSpec("P")

AT_MOST = 200
"""What waits, in writes; the oldest is given up for the newest."""


class Writing:
    """Writes in the order in which they were asked for. `threads` lets one in at a time."""

    def __init__(self, threads: trio.CapacityLimiter) -> None:
        self._threads = threads
        self._waiting: deque[Callable[[], None]] = deque()
        self._troubled = False

    @property
    def troubled(self) -> bool:
        """The last attempt failed, and something waits."""
        return self._troubled

    async def write(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Write, and whatever waits before it. Raises nothing that a disk can cause."""
        await trio.to_thread.run_sync(lambda: self.write_here(call, *args, **kwargs), limiter=self._threads)

    def write_here(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """The same in the thread that is let in."""
        self._waiting.append(partial(call, *args, **kwargs))
        if len(self._waiting) > AT_MOST:
            self._waiting.popleft()
        self.catch_up()

    def catch_up(self) -> None:
        """Write what waits, up to the first that fails. In the thread that is let in."""
        while self._waiting:
            try:
                self._waiting[0]()
            except StoreUnavailable as error:
                if not self._troubled:
                    log.warning("what cleanup does is only in memory for now", error=str(error))
                self._troubled = True
                return
            self._waiting.popleft()
        if self._troubled:
            log.info("what cleanup did is written down")
        self._troubled = False
