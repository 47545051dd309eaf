"""How much memory may still be promised: H = A - Y - sum R, never more than a configured budget leaves.

    C  capacity                     S  kept for the user interface      A = min(C - S, theta * C)
    R  what a lease reserved        Y  peak of external use over 30 s

Leases without attribution count in full and their use counts in Y as well: safe, and wasteful. Owns the formula;
readings and time are arguments.
"""

from collections import deque

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
