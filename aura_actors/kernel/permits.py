"""Counted slots over a real `trio.CapacityLimiter`, borrowed in the name of a holder and resized in place.

Owns the limiter; who may hold a slot, and why, is decided elsewhere. Lowering the size takes nothing away from
anybody: it only keeps new holders out.
"""

from collections.abc import Hashable

import trio


class Permits:
    """`size` slots. A holder is any hashable object and holds one slot at most."""

    def __init__(self, size: int) -> None:
        self._limiter = trio.CapacityLimiter(size)

    @property
    def size(self) -> int:
        """How many slots there are."""
        return int(self._limiter.total_tokens)

    @property
    def used(self) -> int:
        """How many are held; more than `size` only after the size was lowered."""
        return self._limiter.borrowed_tokens

    def resize(self, size: int) -> None:
        """Change the number of slots."""
        if size != self.size:
            self._limiter.total_tokens = size

    def take(self, holder: Hashable) -> None:
        """Give `holder` a slot, above the size if need be: who may have one is decided before."""
        try:
            self._limiter.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            size = self.size
            self._limiter.total_tokens = self.used + 1
            self._limiter.acquire_on_behalf_of_nowait(holder)
            self._limiter.total_tokens = size

    def give_back(self, holder: Hashable) -> None:
        """Take the slot of `holder` back."""
        self._limiter.release_on_behalf_of(holder)
