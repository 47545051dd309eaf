"""What one step changed in the books: to be written before anybody is told, or undone.

Owns the list. A step is written as a whole or not at all.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from aura_actors.domain.leases import Lease
from aura_actors.errors import NeverFits, Refused

How = Literal["released", "expired", "runtime", "exited", "disconnected", "revoked"]


class Ended(msgspec.Struct, frozen=True):
    """A lease that ended, and how."""

    lease: Lease
    how: How


class Changes(msgspec.Struct, eq=False):
    """One step's changes. Invariant: no fence is in `written` and among the erased."""

    written: dict[int, Lease] = {}
    """New and changed leases, by fence."""
    begun: list[Lease] = []
    granted: list[Lease] = []
    """To those who waited."""
    queued: list[str] = []
    """Keys of places that were taken; they may be gone again."""
    dropped: list[str] = []
    """Keys of places that ended without a grant."""
    never: dict[str, Refused | NeverFits] = {}
    """Why, of those among them that wait for more than there is any more."""
    ended: list[Ended] = []
    undo: list[Callable[[], None]] = []
    """Run backwards, they make the books what they were."""

    @property
    def erased(self) -> list[int]:
        """Fences of the leases that ended."""
        return [each.lease.fence for each in self.ended]

    @property
    def any(self) -> bool:
        """Whether there is something to write."""
        return bool(self.written or self.ended)

    def begin(self, lease: Lease) -> None:
        """A new lease."""
        self.begun.append(lease)
        self.written[lease.fence] = lease

    def write(self, lease: Lease) -> None:
        """A new form of a lease."""
        self.written[lease.fence] = lease

    def erase(self, lease: Lease, how: How) -> None:
        """A lease ended; one that began in this very step leaves no trace."""
        self.written.pop(lease.fence, None)
        self.ended.append(Ended(lease, how))
        if self.granted and any(each.fence == lease.fence for each in self.granted):
            self.granted = [each for each in self.granted if each.fence != lease.fence]
            self.dropped.append(lease.key)

    def take_back(self) -> None:
        """Undo everything."""
        for undo in reversed(self.undo):
            undo()
