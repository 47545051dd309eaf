"""How far measurements may be relied on as they grow old: in full, less and less, not at all.

Owns the two ages. What was measured then stays what it was; only less is promised on it.
"""

import msgspec

MISSED_SAMPLES = 3
STALE_SECONDS = 30.0


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """`interval_seconds`: between two samples."""

    interval_seconds: float = 1.0

    @property
    def full_seconds(self) -> float:
        """Up to this age nothing is held back: three samples may be missed."""
        return (MISSED_SAMPLES + 1) * self.interval_seconds

    @property
    def stale_seconds(self) -> float:
        """From this age on nothing is granted on it."""
        return max(STALE_SECONDS, 2 * self.full_seconds)

    def share(self, age_seconds: float) -> float:
        """The part of the headroom that may be given away: 1 while fresh, falling in a line to 0."""
        left = (self.stale_seconds - age_seconds) / (self.stale_seconds - self.full_seconds)
        return min(1.0, max(0.0, left))
