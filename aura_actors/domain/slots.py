"""What the rules need to know of counted slots. The real ones are `trio.CapacityLimiter`s, in the shell."""

from collections.abc import Hashable
from typing import Protocol


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
