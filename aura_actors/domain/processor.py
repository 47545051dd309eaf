"""The processor's rule: it is shared, so a job waits while it is too busy; cores may be reserved besides.

    busy = EWMA of busy cores that no young job explains, plus the cores that young jobs declared

Owns who is young: a job that has just begun is not seen in an average yet, and what it declared stands for it. Only
use that can be told to be a young job's own, and no more than it declared, is left out of the average.
"""

from collections.abc import Mapping
from math import inf

import msgspec

from aura_actors.domain.busy_gate import BusyGate

YOUNG_SECONDS = 5.0


class _Young(msgspec.Struct, gc=False):
    began: float
    millicores: int
    group: str | None


class Processor:
    """`gate` outlives a crash of whoever asks; who is young is forgotten, which is safe: their use is seen."""

    def __init__(self, gate: BusyGate) -> None:
        self.gate = gate
        self.cores = 1
        self._young: dict[int, _Young] = {}
        """Jobs that declared cores and began within `YOUNG_SECONDS`, by fence, the oldest first."""
        # Invariant: the sum of millicores over the young.
        self._declared = 0
        # Invariant: nobody grows up before.
        self._grown_at = inf
        self._seconds: dict[str, float] = {}
        self._looked_at: float | None = None

    def begin(self, fence: int, millicores: int, group: str | None, now: float) -> None:
        """A job begins."""
        if millicores:
            if not self._young:
                self._grown_at = now + YOUNG_SECONDS
            self._young[fence] = _Young(now, millicores, group)
            self._declared += millicores

    def end(self, fence: int) -> None:
        """It ended."""
        young = self._young.pop(fence, None)
        if young is not None:
            self._declared -= young.millicores

    def look(self, now: float, busy_percent: float, cores: int, seconds: Mapping[str, float]) -> None:
        """Take in how busy all cores are, and how much each group's processes ran so far."""
        self.cores = max(1, cores)
        self._grow_up(now)
        passed = 0.0 if self._looked_at is None else now - self._looked_at
        explained = 0.0
        if passed > 0:
            declared: dict[str, float] = {}
            for young in self._young.values():
                if young.group is not None:
                    declared[young.group] = declared.get(young.group, 0.0) + young.millicores / 1000
            for group, most in declared.items():
                ran = seconds.get(group, 0.0) - self._seconds.get(group, seconds.get(group, 0.0))
                explained += min(most, max(0.0, ran / passed))
        self._seconds = dict(seconds)
        self._looked_at = now
        self.gate.observe(now, max(0.0, busy_percent - 100 * explained / self.cores))

    def expected_percent(self, now: float) -> float:
        """What young jobs declared."""
        if now >= self._grown_at:
            self._grow_up(now)
        return self._declared / (10 * self.cores)

    def expected_busy_percent(self, now: float) -> float:
        """What is seen, and what young jobs declared."""
        return self.gate.busy_percent + self.expected_percent(now)

    def closed(self, now: float) -> bool:
        """True while it is too busy."""
        return self.gate.closed(self.expected_percent(now))

    def _grow_up(self, now: float) -> None:
        while self._young:
            fence, eldest = next(iter(self._young.items()))
            self._grown_at = eldest.began + YOUNG_SECONDS
            if now < self._grown_at:
                return
            self.end(fence)
        self._grown_at = inf
