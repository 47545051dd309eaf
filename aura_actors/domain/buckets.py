"""How much may be used in a minute: a token bucket that refills all the time.

Owns one rate and what is left of it. Knows nothing about who uses it; `now` is monotonic seconds, and one that is
older than one seen before counts as that one. The algorithm is the usual token bucket (RFC 3290, A), with a level
that may be forced below zero, because what a call really used is told only when it is over.
"""

EARLY_SECONDS = 1e-6
"""What is there in less than this counts as there: sums of floats never meet to the last bit."""
DEBT_MINUTES = 60
"""No report, however wrong, closes a bucket for longer than this."""


class Bucket:
    """Starts full. `capacity` is one minute's worth unless it is given."""

    __slots__ = ("_at", "_level", "_per_second", "capacity")

    def __init__(self, per_minute: float, capacity: float | None = None) -> None:
        self.capacity = per_minute if capacity is None else capacity
        self._per_second = per_minute / 60.0
        self._level = self.capacity
        self._at = float("-inf")

    def level(self, now: float) -> float:
        """What may be taken now; below zero after more was used than there was."""
        if now > self._at:
            if self._level < self.capacity:
                self._level = min(self.capacity, self._level + (now - self._at) * self._per_second)
            self._at = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, whether it is there or not."""
        lowest = -DEBT_MINUTES * 60.0 * self._per_second
        level = self.level(now)
        self._level = level - min(amount, level - lowest)

    def give(self, amount: float, now: float) -> None:
        """Put back what was taken and not used; what does not fit any more is lost."""
        level = self.level(now)
        self._level = level + min(amount, self.capacity - level)

    def seconds_until(self, amount: float, now: float) -> float | None:
        """In how many seconds `amount` can be taken, 0.0 when it can be now; None if it never fits."""
        level = self.level(now)
        if amount <= level:
            return 0.0
        if amount > self.capacity:
            return None
        seconds = (amount - level) / self._per_second
        return seconds if seconds > EARLY_SECONDS else 0.0

    def resize(self, per_minute: float, now: float, capacity: float | None = None) -> None:
        """Another rate from now on. What was used stays used, so a smaller bucket may start below zero."""
        used = self.capacity - self.level(now)
        self.capacity = self._level = per_minute if capacity is None else capacity
        self._per_second = per_minute / 60.0
        self.take(used, now)
