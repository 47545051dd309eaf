"""How often a restart is allowed, and after how long. Pure: time and chance are arguments.

Owns the sliding window (Erlang/OTP `supervisor:add_restart/3`: keep every restart that is not older than the
period, allow while there are no more than `intensity`) and exponential backoff with full jitter inside the cap
(the jittered delay never exceeds it).
"""

import msgspec

from aura_actors.errors import InvalidValue


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Delay before a restart; the n-th in a row waits up to `min(cap, first * 2**n)`.

    The count starts again after a child has lived for `healthy_seconds`.
    """

    first_seconds: float = 0.05
    cap_seconds: float = 5.0
    healthy_seconds: float = 10.0

    def ceiling(self, attempt: int) -> float:
        """The longest delay before restart number `attempt` (0 is the first)."""
        return min(self.cap_seconds, self.first_seconds * 2.0 ** min(attempt, 64))

    def delay(self, attempt: int, chance: float) -> float:
        """The delay in seconds, for a `chance` in [0, 1)."""
        return self.ceiling(attempt) * chance


class RestartIntensity(msgspec.Struct, frozen=True, kw_only=True):
    """At most `intensity` restarts within any `period_seconds`; one more, and the supervisor gives up.

    Starts that run into their timeout take long: `period_seconds` should be more than `intensity` of those.
    """

    intensity: int = 5
    period_seconds: float = 60.0

    def check_reachable(self, backoff: Backoff) -> None:
        """Refuse a budget that the backoff stretches beyond its period, since it could never be used up."""
        longest = sum(backoff.ceiling(n) for n in range(self.intensity))
        if longest > self.period_seconds:
            raise InvalidValue(
                f"{self.intensity} restarts can take {longest:g} s with this backoff, longer than the period of "
                f"{self.period_seconds:g} s, so the supervisor would never give up"
            )

    def record(self, restarts: tuple[float, ...], now: float) -> tuple[float, ...]:
        """The restarts that still count at `now`, this one included. `now` is monotonic seconds."""
        kept = tuple(t for t in restarts if t >= now - self.period_seconds)
        return (*kept, now)

    def allows(self, restarts: tuple[float, ...]) -> bool:
        """Whether as many restarts as `record` returned are within the budget."""
        return len(restarts) <= self.intensity
