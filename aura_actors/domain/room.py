"""The ledger as the queue sees it: whether somebody fits, and when there will be room.

Owns the translation, and the plan of whoever was found to fit last. Decides nothing.
"""

from collections.abc import Hashable

from aura_actors.domain.external import GHOST_SECONDS
from aura_actors.domain.holding import Plan, Reserved
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.outlook import earliest
from aura_actors.domain.waiting import Waiter

PROMISED_SECONDS = 0.1
"""A promise is not told as of longer ago."""


class LedgerRoom:
    """Room at one moment; not to be kept."""

    def __init__(self, ledger: Ledger, now: float) -> None:
        self._ledger = ledger
        self._now = now
        self.plan: Plan | None = None
        """Of the last waiter that fits."""

    def fits(self, waiter: Waiter, behind: Waiter | None) -> bool:
        """Whether it may start now, with the whole vector of `behind` counted as reserved."""
        self.plan = self._ledger.plan(waiter.spec, self._now, self.reserved(behind))
        return self.plan is not None

    def reserved(self, waiter: Waiter | None) -> Reserved | None:
        """What is kept for a waiter."""
        return None if waiter is None else self._ledger.reserve(waiter.key, waiter.spec)

    def earliest(self, waiter: Waiter) -> float | None:
        """The latest moment by which it can start, if nobody else does before; None where nobody can say."""
        return earliest(self._ledger, waiter.spec, self._now)

    def gpu_free(self) -> bool:
        """Whether a device has nobody on it."""
        return self._ledger.devices.free


class PromiseRoom(LedgerRoom):
    """What may be promised: those who arrive later may run as long as any job that runs now, and memory comes back
    some time after its job's end. Not for decisions."""

    def __init__(self, ledger: Ledger, now: float, *, protected: bool) -> None:
        """`protected`: nobody who arrives later can get in the way any more."""
        super().__init__(ledger, now)
        self.now = now
        self._known: dict[Hashable, float | None] = {}
        limits = [holding.lease.spec.max_runtime_seconds or 0.0 for holding in ledger.holdings.values()]
        self._longest_seconds = 0.0 if protected else max(limits, default=0.0)

    def earliest(self, waiter: Waiter) -> float | None:
        """The latest moment by which it can start, with those two taken into account."""
        asked = shape(waiter)
        if asked not in self._known:
            known = super().earliest(waiter)
            if known is not None:
                known = max(known, self._now + self._longest_seconds) + GHOST_SECONDS
            self._known[asked] = known
        return self._known[asked]


class Promises:
    """The room to promise from, made once for all questions between two changes: looking ahead costs most.

    What is told a little later is told as of then, which is no less true.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rooms: dict[bool, PromiseRoom] = {}
        self._state: Hashable = None

    def forget(self) -> None:
        """There was a reading."""
        self._rooms.clear()

    def room(self, now: float, state: Hashable, *, protected: bool) -> PromiseRoom:
        """As `PromiseRoom`; `state` is another one after every change."""
        if state != self._state:
            self._rooms.clear()
            self._state = state
        room = self._rooms.get(protected)
        if room is None or not 0 <= now - room.now < PROMISED_SECONDS:
            room = self._rooms[protected] = PromiseRoom(self._ledger, now, protected=protected)
        return room


def shape(waiter: Waiter) -> Hashable:
    """What of a waiter decides whether it fits."""
    spec = waiter.spec
    return (
        spec.memory_bytes,
        spec.cpu_millicores,
        spec.gpu,
        spec.scratch_bytes,
        spec.units,
        spec.providers,
        spec.job_slots,
    )
