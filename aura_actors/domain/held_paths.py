"""Which paths live leases hold: what cleanup leaves alone meanwhile.

Owns the table, kept up with every lease that begins, changes or ends. Refuses to know what is at these paths.
"""

from collections.abc import Iterable

from aura_actors.domain.changes import Changes
from aura_actors.domain.leases import Lease


class HeldPaths:
    """Invariant: the paths of every live lease that holds any, by fence."""

    def __init__(self) -> None:
        self._by_fence: dict[int, tuple[str, ...]] = {}
        self._paths: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, sorted; the same object until something changes."""
        return self._paths

    def reset(self, leases: Iterable[Lease]) -> None:
        """These leases live, and no others."""
        self._by_fence = {lease.fence: lease.spec.hold_paths for lease in leases if lease.spec.hold_paths}
        self._gather()

    def change(self, changes: Changes) -> None:
        """One step of the books is written."""
        changed = False
        for fence, lease in changes.written.items():
            changed = self._set(fence, lease.spec.hold_paths) or changed
        for fence in changes.erased:
            changed = self._set(fence, ()) or changed
        if changed:
            self._gather()

    def _set(self, fence: int, paths: tuple[str, ...]) -> bool:
        if self._by_fence.get(fence, ()) == paths:
            return False
        if paths:
            self._by_fence[fence] = paths
        else:
            del self._by_fence[fence]
        return True

    def _gather(self) -> None:
        self._paths = tuple(sorted({path for paths in self._by_fence.values() for path in paths}))
