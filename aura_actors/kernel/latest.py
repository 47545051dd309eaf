"""One value, the newest: for state, where a reader wants what is true now and may miss what was between.

Owns the value and its version. Facts that must not be missed go through the bus instead.
"""

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Latest(Generic[T]):
    """A cell that keeps the last value set. Reading never waits; waiting is for a newer one."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 0
        self._newer = trio.Event()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    @property
    def version(self) -> int:
        """How often a value was set."""
        return self._version

    def set(self, value: T) -> None:
        """Replace the value and wake everybody who waits for a newer one."""
        self._value = value
        self._version += 1
        newer, self._newer = self._newer, trio.Event()
        newer.set()

    async def wait_newer(self, version: int) -> T:
        """Wait until the cell is newer than `version`, and return what it holds then."""
        while self._version <= version:
            await self._newer.wait()
        return self._value
