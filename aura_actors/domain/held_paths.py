"""Which paths jobs hold, those that run and those that wait: what cleanup leaves alone meanwhile.

Owns the table, kept up with every lease and every place that begins, changes or ends. Refuses to know what is at
these paths.
"""

from collections.abc import Iterable

from aura_actors.domain.changes import Changes
from aura_actors.domain.leases import Lease
from aura_actors.domain.waiting import Queue


class HeldPaths:
    """Invariant: the paths of every live lease, by its fence, and of every place in the queue, by its key."""

    def __init__(self) -> None:
        self._held: dict[int | str, tuple[str, ...]] = {}
        self._paths: tuple[str, ...] | None = ()
        """None until somebody asks, once something has changed: a step of the books must not cost a sort."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, sorted; the same object until something changes."""
        if self._paths is None:
            self._paths = tuple(sorted({path for paths in self._held.values() for path in paths}))
        return self._paths

    def reset(self, leases: Iterable[Lease], queue: Queue) -> None:
        """These leases live, and no others."""
        self._held, self._paths = {}, None
        for lease in leases:
            self._set(lease.fence, lease.spec.hold_paths)
        for waiter in queue.line(0.0):
            self._set(waiter.key, waiter.spec.hold_paths)

    def change(self, changes: Changes, queue: Queue) -> None:
        """One step of the books is written; the queue is as it is after it."""
        for fence, lease in changes.written.items():
            self._set(fence, lease.spec.hold_paths)
        for fence in changes.erased:
            self._set(fence, ())
        # In this same step: whoever is granted what it waited for holds its paths without a gap.
        for key in (*changes.queued, *changes.dropped, *(lease.key for lease in changes.granted)):
            waiter = queue.find(key)
            self._set(key, () if waiter is None else waiter.spec.hold_paths)

    def _set(self, holder: int | str, paths: tuple[str, ...]) -> None:
        if self._held.get(holder, ()) == paths:
            return
        self._paths = None
        if paths:
            self._held[holder] = paths
        else:
            del self._held[holder]
