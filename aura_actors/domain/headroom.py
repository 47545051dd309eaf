"""How much memory may still be promised: H = A - Y - sum R, never more than a configured budget leaves.

    C  capacity                     S  kept for the user interface      A = min(C - S, theta * C)
    R  what a lease reserved        Y  peak of external use over 30 s

Memory is limited at several levels at once: by the machine, and by each control group around us that has a limit.
C is the smallest of them, and H the least over all, each with its own C and Y.

Leases without attribution count in full and their use counts in Y as well: safe, and wasteful. Owns the formula;
readings and time are arguments.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

PEAK_SECONDS = 30.0


class MemoryRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part of the formula."""

    reserved_for_ui_bytes: int
    threshold_percent: float
    limit_bytes: int | None = None
    """A budget over all leases, whatever the machine has."""

    def allowed_bytes(self, capacity_bytes: int) -> int:
        """A: what may be in use at all."""
        share = int(capacity_bytes * self.threshold_percent / 100)
        return max(0, min(capacity_bytes - self.reserved_for_ui_bytes, share))


class Peak:
    """The highest of the values seen within a window. Invariant: kept values fall, so the first is the peak."""

    def __init__(self, window_seconds: float = PEAK_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._values: deque[tuple[float, int]] = deque()

    def add(self, now: float, value: int) -> None:
        """Enter a value seen at `now`."""
        while self._values and self._values[-1][1] <= value:
            self._values.pop()
        self._values.append((now, value))
        while self._values[0][0] < now - self._window_seconds:
            self._values.popleft()

    @property
    def value(self) -> int | None:
        """The peak; None before the first value. The last value is kept however old it is."""
        return self._values[0][1] if self._values else None


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One place where memory is limited, and what is used of it by everybody there."""

    name: str
    capacity_bytes: int
    used_bytes: int


class Levels:
    """What is free at the tightest level. Outlives a crash of whoever asks: the peaks are still known then.

    A level that appears begins with the use that is seen; one that vanishes is forgotten, so that a limit which is
    lifted binds nobody any longer. The machine itself is a level, and there is always at least one.
    """

    def __init__(self, window_seconds: float = PEAK_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._peaks: dict[str, Peak] = {}
        self._levels: tuple[Level, ...] = ()

    def observe(self, now: float, levels: Iterable[Level]) -> None:
        """Take in what is used at every level now."""
        self._levels = tuple(levels)
        known, self._peaks = self._peaks, {}
        for level in self._levels:
            peak = self._peaks[level.name] = known.get(level.name) or Peak(self._window_seconds)
            peak.add(now, max(0, level.used_bytes))

    @property
    def capacity_bytes(self) -> int | None:
        """C; None before the first reading."""
        return min((level.capacity_bytes for level in self._levels), default=None)

    def external_bytes(self, rule: MemoryRule) -> int | None:
        """Y as it looks from the smallest level: A less what is free where least is."""
        capacity_bytes = self.capacity_bytes
        if capacity_bytes is None:
            return None
        free_bytes = min(
            rule.allowed_bytes(level.capacity_bytes) - (self._peaks[level.name].value or 0)
            for level in self._levels
        )
        return rule.allowed_bytes(capacity_bytes) - free_bytes
