"""Who of those who wait starts next, and who is protected meanwhile.

Owns passing and protection: smaller requests may pass the oldest one, until it was passed too often or waited too
long; then its whole vector counts as reserved. Knows no dimension: what fits, and until when the present jobs run,
a `Room` says. `now` is monotonic seconds.

The rule of one reservation with backfill is EASY (Lifka, "The ANL/IBM SP scheduling system", 1995); it is held back
until protection is due, so that small requests are not delayed for one that would start soon anyway.
"""

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property, partial
from typing import Protocol

import msgspec

from aura_actors.domain.reasons import Shortfall
from aura_actors.domain.waiting_bound import Bound, bound
from aura_actors.domain.waiting_line import Line, Place, Shape
from aura_actors.domain.waiting_line import Waiter as Waiter
from aura_actors.errors import Refused

GPU_HEAD_START_SECONDS = 30.0
"""While a GPU is free, whoever wants one is tried as if it were this much older; it is not protected sooner."""
PROMISED_SHAPES = 32
"""Where more different ones are in line before somebody, no bound is told: each costs a look ahead."""


class QueueRule(msgspec.Struct, frozen=True, kw_only=True):
    """How long the line may be, and how far anybody may be passed in it."""

    limit: int = 1024
    """Places, attended or not."""
    pass_limit: int = 8
    """Whoever was passed this often while it was the oldest is protected."""
    protect_after_seconds: float = 120.0
    """So is the oldest once it waited this long (W)."""
    class_seconds: float = 60.0
    """tau: one class of priority weighs as much as this age."""
    ticket_ttl_seconds: float = 60.0
    """How long a place is kept that nobody attends."""


class Room(Protocol):
    """What there is, as far as the queue must know."""

    def fits(self, waiter: Waiter, behind: Waiter | None) -> bool:
        """Whether `waiter` may start now, with the whole vector of `behind` counted as reserved."""
        ...

    def earliest(self, waiter: Waiter) -> float | None:
        """The latest moment by which it can start, going by enforced runtimes of what runs (monotonic seconds).

        None where that is not known: something runs without a limit, or others than the admitted are in the way.
        """
        ...

    def gpu_free(self) -> bool:
        """Whether a GPU could be given to somebody."""
        ...


class Queue:
    """Those who wait, and the order in which they start.

    After every event that may have made room, ask `next` until it says None, and only then judge newcomers:
    `may_start` takes them as the last in line.
    """

    def __init__(self, rule: QueueRule, shape: Shape | None = None) -> None:
        """`shape`: what of a waiter decides whether it fits; its whole spec unless told otherwise."""
        self._rule = rule
        self._shape: Shape = shape or (lambda waiter: waiter.spec)
        self._line = Line(rule.class_seconds, self._shape)
        # Invariant: it is in the line, and attended.
        self._protected: Place | None = None
        self._picked: str | None = None

    def resize(self, limit: int) -> None:
        """Change how long the line may be; takes nobody's place away."""
        self._rule = msgspec.structs.replace(self._rule, limit=limit)

    # --- looking ---

    def __len__(self) -> int:
        return len(self._line)

    @property
    def full(self) -> bool:
        """Whether `offer` would refuse."""
        return len(self._line) >= self._rule.limit

    @property
    def protected(self) -> Waiter | None:
        """Who was protected when `next` was last asked; it stays so until it starts or is left alone."""
        return self._protected.waiter if self._protected else None

    def protected_at(self, now: float) -> Waiter | None:
        """Who is protected now, though `next` was not asked since it came to that."""
        guard = self._guard(now)
        return guard.waiter if guard else None

    def find(self, key: str) -> Waiter | None:
        """Who waits under that key."""
        place = self._line.find(key)
        return place.waiter if place else None

    def attended(self, key: str) -> bool:
        """Whether somebody waits there now. Raises `KeyError` for an unknown key."""
        return self._line[key].kept_until is None

    def passed(self, key: str) -> int:
        """How many started past it while it was the oldest. Raises `KeyError` for an unknown key."""
        return self._line[key].passed

    def line(self, now: float) -> list[Waiter]:
        """All of them: whoever is protected, then by class and age."""
        guard = self._guard(now)
        places = sorted(self._line, key=lambda place: (place is not guard, place.order))
        return [place.waiter for place in places]

    def ahead(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Those before it, in order; before a newcomer, those who would be."""
        guard = self._guard(now)
        before = sorted(self._before(waiter, guard), key=lambda place: (place is not guard, place.order))
        return [place.waiter for place in before]

    def position(self, waiter: Waiter, now: float) -> int:
        """Its place in line, or a newcomer's, from 1; places that nobody attends count."""
        return len(self._before(waiter, self._guard(now))) + 1

    def _before(self, waiter: Waiter, guard: Place | None) -> list[Place]:
        if guard is not None and guard.waiter.key == waiter.key:
            return []
        order = self._line.order(waiter)
        return [place for place in self._line if place is guard or place.order < order]

    def bound(self, waiter: Waiter, now: float, room: Room) -> Bound:
        """Within how many seconds it starts, or why nobody can say; a newcomer is taken as if it were in line."""
        guard = self._guard(now)
        if guard is not None and guard.waiter.key == waiter.key:
            latest = room.earliest(waiter)
            return Bound(seconds=None if latest is None else max(0.0, latest - now))
        turns = [*(place.waiter for place in self._before(waiter, guard)), waiter]
        others = (place.waiter for place in self._line if place.waiter.key != waiter.key)
        latest_starts = self._latest_starts(turns, room)
        settled_at = waiter.since + waiter.rank * self._rule.class_seconds + self._rule.protect_after_seconds
        return bound(others, latest_starts, now=now, settled_at=settled_at, turns=len(turns))

    def _latest_starts(self, turns: list[Waiter], room: Room) -> Iterator[float | None]:
        """Of each shape among them, one by one: nobody looks further than what says that nothing can be said."""
        shapes = {self._shape(each): each for each in turns}
        if len(shapes) > PROMISED_SHAPES:
            yield None
        else:
            yield from map(room.earliest, shapes.values())

    def bound_seconds(self, waiter: Waiter, now: float, room: Room) -> float | None:
        """`bound` without the reason."""
        return self.bound(waiter, now, room).seconds

    # --- coming and going ---

    def offer(self, waiter: Waiter, attended: bool = True) -> None:
        """Take a place; one that nobody attends is kept for a ticket's time from `since`.

        Raises `Refused` when the queue is full, `ValueError` if the key has a place.
        """
        if self.full:
            limit = self._rule.limit
            short = Shortfall(dimension="queue", needed=1, available=0, text=f"all {limit} places are taken")
            raise Refused("too many are waiting", reasons=(short,))
        self._line.add(waiter, None if attended else waiter.since + self._rule.ticket_ttl_seconds)

    def remove(self, key: str) -> Waiter:
        """Take whoever starts or gives up out of the line. Raises `KeyError` for an unknown key.

        If it is the one that `next` said, it starts, and whom it passes is counted.
        """
        place = self._line.remove(key)
        if place is self._protected:
            self._protected = None
        if key == self._picked:
            self._picked = None
            self.passed_by(place.waiter)
        return place.waiter

    def remember(self, key: str) -> Callable[[], None]:
        """What makes a removal undone: everybody stands as now, however many may stand. Raises `KeyError`."""
        place, protected, head = self._line[key], self._protected, self._line.head
        passed = 0 if head is None else head.passed

        def put_back() -> None:
            self._line.put(place)
            self._protected = protected
            if head is not None:
                head.passed = passed

        return put_back

    def attend(self, key: str, now: float) -> None:
        """Somebody waits there. A place whose time was over starts again as a new arrival. Raises `KeyError`."""
        place = self._line[key]
        if not place.kept(now):
            self._line.remove(key)
            self._line.add(msgspec.structs.replace(place.waiter, since=now), None)
        else:
            self._line.attend(place)

    def abandon(self, key: str, now: float, ticket_ttl: float | None = None) -> None:
        """Nobody waits there now: it is kept for `ticket_ttl` seconds, passed over meanwhile, and not protected.

        Raises `KeyError` for an unknown key.
        """
        place = self._line[key]
        self._line.leave(place, now + (self._rule.ticket_ttl_seconds if ticket_ttl is None else ticket_ttl))
        if place is self._protected:
            self._protected = None

    def doubt(self, could_ever: Callable[[Waiter], bool]) -> list[Waiter]:
        """Protect nobody who could not start even if all others made way; who that is, as of now.

        They go on waiting, and count as the oldest again once they are doubted no more.
        """
        doubted = []
        for place in self._line:
            place.doubted = not could_ever(place.waiter)
            if place.doubted:
                doubted.append(place.waiter)
        if self._protected is not None and self._protected.doubted:
            self._protected = None
        return doubted

    def expired(self, now: float) -> list[Waiter]:
        """Those whom nobody attended in time; they stay until they are removed."""
        return [place.waiter for place in self._line.unattended.values() if not place.kept(now)]

    # --- starting ---

    def next(self, now: float, room: Room) -> Waiter | None:
        """Who starts now: grant it, `remove` it, and ask again. Asks the room once per shape."""
        guard = self._protected = self._guard(now)
        look = _Look(now, room, guard.waiter if guard else None, self._shape)
        head_start = GPU_HEAD_START_SECONDS if room.gpu_free() else 0.0

        def turn(place: Place) -> tuple[float, int]:
            seconds, number = place.order
            return seconds - head_start * place.waiter.wants_gpu, number

        tries = sorted(self._line.fronts(), key=turn)
        ready = (place.waiter for place in ([guard, *tries] if guard else tries) if look.may_start(place.waiter))
        waiter = next(ready, None)
        self._picked = waiter.key if waiter else None
        return waiter

    def may_start(self, waiter: Waiter, now: float, room: Room) -> bool:
        """Whether a newcomer, behind everybody in line, may start at once. Changes nothing."""
        return _Look(now, room, self.protected_at(now), self._shape).may_start(waiter)

    def passed_by(self, waiter: Waiter) -> Callable[[], None]:
        """A newcomer starts at once: if the oldest stood before it, it was passed. Returns what undoes that."""
        head = self._line.head
        if head is None or head.order >= self._line.order(waiter):
            return lambda: None
        head.passed += 1
        return partial(setattr, head, "passed", head.passed - 1)

    def _guard(self, now: float) -> Place | None:
        """The protected place: one, until it starts or is left alone; else the oldest, if it is due."""
        head = self._line.head
        if self._protected is not None or head is None:
            return self._protected
        waited_seconds = now - head.waiter.since
        due = head.passed >= self._rule.pass_limit or waited_seconds >= self._rule.protect_after_seconds
        return head if due else None


class _Look:
    """One look at the room, in which every shape is tested once."""

    def __init__(self, now: float, room: Room, protected: Waiter | None, shape: Shape) -> None:
        self._now = now
        self._room = room
        self._protected = protected
        self._shape = shape
        self._known: dict[tuple[Hashable, bool], bool] = {}

    def may_start(self, waiter: Waiter) -> bool:
        """Whether it fits, behind whoever is protected if it may be in the way of that one."""
        behind = None if self._out_of_the_way(waiter) else self._protected
        asked = (self._shape(waiter), behind is None)
        if asked not in self._known:
            self._known[asked] = self._room.fits(waiter, behind)
        return self._known[asked]

    def _out_of_the_way(self, waiter: Waiter) -> bool:
        if self._protected is None or waiter.key == self._protected.key:
            return True
        limit, latest = waiter.max_runtime_seconds, self._latest_start
        return limit is not None and latest is not None and self._now + limit <= latest

    @cached_property
    def _latest_start(self) -> float | None:
        return None if self._protected is None else self._room.earliest(self._protected)
