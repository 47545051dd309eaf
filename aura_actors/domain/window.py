"""The highest of the values seen within a window of time, which may be corrected when it turns out whose they were.

Owns the kept values. What they mean is its user's business.
"""

from collections import deque

PEAK_SECONDS = 30.0
GRAIN_SECONDS = 0.1
"""Values closer together than this are kept as one, the higher: what is kept is bounded however often one looks."""


class Window:
    """A peak over `seconds`. The last value is kept however old it is."""

    def __init__(self, seconds: float = PEAK_SECONDS) -> None:
        self._seconds = seconds
        self._values: deque[list[float]] = deque()
        """[time, value], the oldest first."""
        self._grain_began = float("-inf")
        self.peak: int = 0
        """The highest kept value; 0 before the first."""

    def add(self, now: float, value: int) -> None:
        """Enter a value seen at `now`."""
        if 0 <= now - self._grain_began < GRAIN_SECONDS:
            # Kept under its newest time, so that it leaves no earlier than its parts would have.
            self._values[-1] = [now, max(self._values[-1][1], value)]
        else:
            self._values.append([now, value])
            self._grain_began = now
        while self._values[0][0] < now - self._seconds:
            self._values.popleft()
        self._find_peak()

    def correct(self, amount: int, *, since: float, floor: int) -> None:
        """Of every value seen from `since` on, up to `amount` above `floor` was somebody else's."""
        for kept in self._values:
            if kept[0] >= since:
                kept[1] -= min(amount, max(0, kept[1] - floor))
        self._find_peak()

    def _find_peak(self) -> None:
        self.peak = int(max((value for _, value in self._values), default=0))
