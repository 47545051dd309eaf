"""The line of those who wait: who stands where, by class and age, and who stands for a whole shape.

Owns the order, and which places somebody attends. Knows nothing of room, of protection or of who starts next.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import msgspec


class Waiter(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits. Whoever shows `secret`, its ticket, may give the place up."""

    key: str
    """Unique among those who wait."""
    owner: str
    spec: Any
    """Hashable; equal specs fit alike."""
    rank: int
    """Its class: 0 high, 1 normal, 2 low."""
    wants_gpu: bool
    secret: str
    number: int
    """Grows with every arrival, unique."""
    since: float
    """Monotonic seconds, from which its age counts."""
    ttl_seconds: float
    """Of the lease that it asks for."""
    max_runtime_seconds: float | None = None
    """Enforced on that lease; None: it may run for ever."""

    def __repr__(self) -> str:
        return f"<Waiter {self.key} number={self.number} owner={self.owner}>"


Order = tuple[float, int]
Shape = Callable[[Waiter], Hashable]


class Place(msgspec.Struct, kw_only=True, eq=False):
    """Where a waiter stands."""

    waiter: Waiter
    order: Order
    alike: Hashable
    """Places with an equal one are told apart by age alone."""
    kept_until: float | None
    """Monotonic seconds; None while somebody attends it."""
    passed: int = 0
    """How many started past it while it was the head."""
    doubted: bool = False
    """It could not start now, whoever else made way: nobody is held up for it."""

    def kept(self, now: float) -> bool:
        """Whether somebody attends it, or may still come back to it."""
        return self.kept_until is None or now < self.kept_until


BY_ORDER = attrgetter("order")


class Line:
    """All places, by key.

    `rank * class_seconds - age` orders them. Ages grow alike, so `rank * class_seconds + since` does it too and
    never changes. Adding and removing cost a bisection; the head is at hand.
    """

    def __init__(self, class_seconds: float, shape: Shape) -> None:
        self._class_seconds = class_seconds
        self._shape = shape
        self._places: dict[str, Place] = {}
        # Invariant: every place is either here ...
        self.unattended: dict[str, Place] = {}
        # ... or, by order, here and in its group; no group is empty.
        self._attended: list[Place] = []
        self._groups: dict[Hashable, list[Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __getitem__(self, key: str) -> Place:
        return self._places[key]

    def find(self, key: str) -> Place | None:
        """The place of that key."""
        return self._places.get(key)

    @property
    def head(self) -> Place | None:
        """The first of the attended ones that are not doubted."""
        return next((place for place in self._attended if not place.doubted), None)

    def fronts(self) -> Iterable[Place]:
        """The first attended one of every class and shape, in any order."""
        return [group[0] for group in self._groups.values()]

    def order(self, waiter: Waiter) -> Order:
        """Where it stands, or would."""
        return waiter.rank * self._class_seconds + waiter.since, waiter.number

    def add(self, waiter: Waiter, kept_until: float | None) -> None:
        """Raises `ValueError` if the key has a place."""
        if waiter.key in self._places:
            raise ValueError(f"{waiter.key} waits already")
        alike = (self._shape(waiter), waiter.rank, waiter.wants_gpu, waiter.max_runtime_seconds)
        place = Place(waiter=waiter, order=self.order(waiter), alike=alike, kept_until=kept_until)
        self.put(place)

    def put(self, place: Place) -> None:
        """Enter a place; one that was removed stands where it stood, as it was."""
        self._places[place.waiter.key] = place
        if place.kept_until is None:
            self._show(place)
        else:
            self.unattended[place.waiter.key] = place

    def remove(self, key: str) -> Place:
        """Raises `KeyError` if the key has no place."""
        place = self._places.pop(key)
        if self.unattended.pop(key, None) is None:
            self._hide(place)
        return place

    def attend(self, place: Place) -> None:
        """Somebody waits at it now."""
        if self.unattended.pop(place.waiter.key, None) is not None:
            place.kept_until = None
            self._show(place)

    def leave(self, place: Place, kept_until: float) -> None:
        """Nobody waits at it now."""
        if place.kept_until is None:
            self._hide(place)
        place.kept_until = kept_until
        self.unattended[place.waiter.key] = place

    def _show(self, place: Place) -> None:
        insort(self._attended, place, key=BY_ORDER)
        insort(self._groups.setdefault(place.alike, []), place, key=BY_ORDER)

    def _hide(self, place: Place) -> None:
        group = self._groups[place.alike]
        for places in (self._attended, group):
            del places[bisect_left(places, place.order, key=BY_ORDER)]
        if not group:
            del self._groups[place.alike]
