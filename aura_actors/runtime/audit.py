"""What operators do is written down: who, what, to what, and what came of it.

Owns the way to the store, in a thread of its own. Whatever keeps it from being written is told in the log and
hinders nobody: the action itself is done by then.
"""

from collections.abc import Callable
from pathlib import Path

import trio

from aura_actors.errors import StoreUnavailable
from aura_actors.stores.audit import AuditStore


class Audit:
    """`limiter` is of one thread, for nothing else; `wall` is unix seconds; `complain` hears what failed."""

    def __init__(
        self,
        data_dir: Path,
        limiter: trio.CapacityLimiter,
        wall: Callable[[], float],
        complain: Callable[[str], None],
    ) -> None:
        self._data_dir = data_dir
        self._limiter = limiter
        self._wall = wall
        self._complain = complain
        self._store: AuditStore | None = None

    async def record(self, actor: str, action: str, target: str | None = None) -> None:
        """Somebody did something; `action` is a word such as `cleanup.run`."""
        at = self._wall()
        try:
            await trio.to_thread.run_sync(self._write, at, actor, action, target, limiter=self._limiter)
        except StoreUnavailable as error:
            self._complain(str(error))

    def close(self) -> None:
        """Close the file. Blocks."""
        if self._store is not None:
            self._store.close()

    def _write(self, at: float, actor: str, action: str, target: str | None) -> None:
        if self._store is None:
            self._store = AuditStore(self._data_dir)
        self._store.record(at=at, actor=actor, action=action, target=target)
