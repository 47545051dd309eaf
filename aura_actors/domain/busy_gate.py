"""Whether what many share is too busy for another job: closes above a threshold, opens again 5 points below.

Owns the smoothing and the hysteresis. What is busy is compressible, so nothing is reserved here.
"""

from math import exp

TIME_CONSTANT_SECONDS = 5.0
HYSTERESIS_POINTS = 5.0


class BusyGate:
    """A gate over an exponentially weighted moving average of busy percent. 100 never closes."""

    def __init__(self, threshold_percent: float) -> None:
        self.threshold_percent = threshold_percent
        """Where the gate closes; from the next reading on where it is changed."""
        # The first reading covers a fraction of a second of our own start: it weighs as little as it lasted.
        self._average = 0.0
        self._seen_at: float | None = None
        self._closed = False

    @property
    def busy_percent(self) -> float:
        """The average."""
        return self._average

    @property
    def open_percent(self) -> float:
        """Up to here a job may start now: the threshold, or less while the gate is closed."""
        return self.threshold_percent - (HYSTERESIS_POINTS if self._closed else 0.0)

    def observe(self, now: float, busy_percent: float) -> None:
        """Enter a reading taken at `now` (monotonic seconds)."""
        if self._seen_at is not None:
            weight = 1.0 - exp(-max(0.0, now - self._seen_at) / TIME_CONSTANT_SECONDS)
            self._average += weight * (busy_percent - self._average)
        self._seen_at = now
        self._closed = self.closed()

    def closed(self, expected_percent: float = 0.0) -> bool:
        """True while no job may start, with `expected_percent` to come on top of what is seen."""
        return self.threshold_percent < 100 and self._average + expected_percent > self.open_percent
