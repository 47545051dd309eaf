"""Counted slots: what the rules need to know of them, and how many jobs may run at once.

The real slots are `trio.CapacityLimiter`s, in the shell.
"""

from collections.abc import Hashable
from typing import Protocol

import msgspec


class Slots(Protocol):
    """Counted slots, each held in the name of a holder."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    @property
    def used(self) -> int:
        """How many are held; may exceed `size` after it was lowered."""
        ...

    def resize(self, size: int) -> None:
        """Change how many there are; takes nothing away from anybody."""
        ...

    def take(self, holder: Hashable) -> None:
        """Give `holder` one: the rules have seen that one is free, or know the holder from before a restart."""
        ...

    def give_back(self, holder: Hashable) -> None:
        """Take back the one of `holder`."""
        ...


class SlotRule(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs at once: a fixed number, or worked out from the machine on every reading."""

    fixed: int | None = None
    bytes_per_job: int
    max_jobs: int

    def size(self, free_bytes: int, cores: int, gpus: int) -> int:
        """The guide's `clamp(min(memory slots, cores, x2 with a GPU), 1, max_jobs)`, or the fixed number.

        `free_bytes` is what jobs may have together: A - Y.
        """
        if self.fixed is not None:
            return self.fixed
        memory_slots = free_bytes // max(1, self.bytes_per_job)
        return max(1, min(memory_slots, cores * (2 if gpus else 1), self.max_jobs))
