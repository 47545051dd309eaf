"""Who is to be looked at next, and when: one task waits for all clients, in place of several timers for each.

Owns the moments. What is done about a client when its moment has come is not its business.
"""

import heapq
import itertools
import math
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Agenda(Generic[T]):
    """One moment for each, the earliest that was set since the last look. Times are Trio's, in seconds."""

    def __init__(self) -> None:
        # A moment has a number, by which `_who` knows whose it is. The heap holds numbers alone, also of moments
        # that do not count any more: who is forgotten is gone from memory before its moment would have come.
        self._moments: dict[T, tuple[float, int]] = {}
        self._who: dict[int, T] = {}
        self._heap: list[tuple[float, int]] = []
        self._numbers = itertools.count()
        self._sooner = trio.Event()

    def at(self, who: T, moment: float) -> None:
        """Look at `who` then, unless that happens sooner anyway. Infinity is never."""
        if moment >= self._moments.get(who, (math.inf, 0))[0]:
            return
        self.forget(who)
        number = next(self._numbers)
        self._moments[who], self._who[number] = (moment, number), who
        if not self._heap or moment < self._heap[0][0]:
            self._sooner.set()
        heapq.heappush(self._heap, (moment, number))

    def forget(self, who: T) -> None:
        """Look at it no more."""
        if who in self._moments:
            _, number = self._moments.pop(who)
            del self._who[number]

    async def due(self) -> list[T]:
        """Wait until somebody's moment has come; those whose has, the earliest first. They have none now."""
        while True:
            self._sooner = trio.Event()
            with trio.move_on_at(self._heap[0][0] if self._heap else math.inf):
                await self._sooner.wait()
            if found := self._take(trio.current_time()):
                return found

    def _take(self, now: float) -> list[T]:
        found = []
        while self._heap and self._heap[0][0] <= now:
            _, number = heapq.heappop(self._heap)
            if number in self._who:
                found.append(self._who[number])
                self.forget(self._who[number])
        return found
