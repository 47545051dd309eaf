"""How many calls at once a provider bears, learned from what the calls meet.

Owns one limit. Every good answer under enough load adds one; a sign of overload takes 30 percent, once in a
cool-down. This is additive increase, multiplicative decrease (Chiu and Jain, 1989) on losses alone, as Netflix's
concurrency-limits has it for clients: calls differ in length, so latency tells nothing.
"""

OVERLOAD = frozenset({"throttled", "timeout"})
"""What a call is reported to have met: `throttled` is a 429 or a 503."""
COOL_DOWN_SECONDS = 5.0
"""One overload is many bad answers at once: after the first, nothing is learned for so long. Without this the
good answers among the bad ones raise the limit as fast as it falls."""


class AdaptiveLimit:
    """A limit from `minimum` to `maximum`, where it starts."""

    def __init__(self, maximum: int, minimum: int = 1) -> None:
        self._maximum = maximum
        self._minimum = min(minimum, maximum)
        self._limit = maximum
        self._lowered_at = float("-inf")

    @property
    def limit(self) -> int:
        """Calls at once."""
        return self._limit

    def finished(self, outcome: str, began_at: float, in_use: int, now: float) -> None:
        """A call ended with `outcome` ("ok", "throttled", "timeout"; others say nothing about load).

        `in_use` counts the call itself. One that began before the limit was lowered speaks of the load of then.
        """
        if began_at <= self._lowered_at or now < self._lowered_at + COOL_DOWN_SECONDS:
            return
        if outcome in OVERLOAD:
            self._limit = max(self._minimum, self._limit * 7 // 10)
            self._lowered_at = now
        elif outcome == "ok" and 2 * in_use >= self._limit:
            self._limit = min(self._maximum, self._limit + 1)
