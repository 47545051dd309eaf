"""What past runs of a kind of job really used, memory and time, and what to reserve for the next one.

Owns the statistics and the rule of `--memory auto`: the 95th percentile of the peaks once enough runs are known,
and a step up after a kill for want of memory, because a run that was killed never showed its peak. Refuses to know
where runs are kept and who measures them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

Number = TypeVar("Number", int, float)

KEPT_RUNS = 64
"""The newest ones: a kind that changes is forgotten run by run."""
ENOUGH_RUNS = 5
"""Fewer say too little to reserve by."""
STEP = 1.5
"""What a kill multiplies the reservation by."""
CALM_RUNS = 20
"""After so many runs without a kill, the peaks that were seen count again and the step is forgotten."""
KINDS = 256
"""The one that was not heard of for longest makes place for a new one."""


class Run(msgspec.Struct, frozen=True):
    """One run that came to its end."""

    peak_bytes: int
    runtime_seconds: float


class History(msgspec.Struct):
    """What is known of one kind. Invariant: at most `KEPT_RUNS` runs, the oldest first."""

    runs: list[Run] = []
    kills: int = 0
    """Runs that were killed for want of memory, since the beginning."""
    step_bytes: int = 0
    """At least this is reserved; 0 while no kill is remembered."""
    calm_runs: int = 0
    """Since the last kill."""


_NOTHING = History()


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A kind for people; percentiles are None before the first run."""

    kind: str
    runs: int
    kills: int
    peak_p50_bytes: int | None
    peak_p95_bytes: int | None
    runtime_p50_seconds: float | None
    runtime_p95_seconds: float | None
    reserve_bytes: int | None
    """What `auto` reserves; None while too little is known."""


class Learning:
    """The histories, by kind. What is given as `known` goes on; `histories` are what to keep."""

    def __init__(self, known: Mapping[str, History] | None = None) -> None:
        self._histories: dict[str, History] = dict(known or {})

    def __iter__(self) -> Iterator[Learned]:
        return (self._shown(kind, history) for kind, history in self._histories.items())

    @property
    def histories(self) -> Mapping[str, History]:
        """By kind, the one heard of last at the end."""
        return self._histories

    def finished(self, kind: str, run: Run) -> None:
        """A run ended by itself; how is its own business."""
        history = self._of(kind)
        history.runs = [*history.runs, run][-KEPT_RUNS:]
        history.calm_runs += 1
        if history.calm_runs >= CALM_RUNS:
            history.step_bytes = 0

    def killed(self, kind: str, reserved_bytes: int) -> None:
        """A run was killed for want of memory while so much was reserved for it."""
        history = self._of(kind)
        history.kills += 1
        history.calm_runs = 0
        history.step_bytes = max(history.step_bytes, int(STEP * reserved_bytes))

    def reserve_bytes(self, kind: str, declared_bytes: int | None = None) -> int | None:
        """What to reserve for the next run; None while too little is known and nothing is declared.

        What was learned lowers a declaration and never raises it; only a kill does.
        """
        history = self._histories.get(kind, _NOTHING)
        known = [amount for amount in (_learned_bytes(history), declared_bytes) if amount is not None]
        return max(min(known, default=0), history.step_bytes) or None

    def declared_share(self, kind: str, declared_bytes: int) -> float | None:
        """How many times what is needed was declared: 2.0 is twice too much. None while too little is known."""
        needed_bytes = self.reserve_bytes(kind)
        return declared_bytes / needed_bytes if needed_bytes else None

    def find(self, kind: str) -> Learned | None:
        """What is known of one kind."""
        history = self._histories.get(kind)
        return None if history is None else self._shown(kind, history)

    def _of(self, kind: str) -> History:
        history = self._histories.pop(kind, None) or History()
        self._histories[kind] = history
        if len(self._histories) > KINDS:
            del self._histories[next(iter(self._histories))]
        return history

    def _shown(self, kind: str, history: History) -> Learned:
        peaks = [run.peak_bytes for run in history.runs]
        runtimes = [run.runtime_seconds for run in history.runs]
        return Learned(
            kind=kind,
            runs=len(history.runs),
            kills=history.kills,
            peak_p50_bytes=percentile(peaks, 50),
            peak_p95_bytes=percentile(peaks, 95),
            runtime_p50_seconds=percentile(runtimes, 50),
            runtime_p95_seconds=percentile(runtimes, 95),
            reserve_bytes=self.reserve_bytes(kind),
        )


def _learned_bytes(history: History) -> int | None:
    peaks = [run.peak_bytes for run in history.runs]
    return percentile(peaks, 95) if len(peaks) >= ENOUGH_RUNS else None


def percentile(values: Sequence[Number], percent: int) -> Number | None:
    """The smallest value that is not exceeded by `percent` of all (nearest rank); None of nothing."""
    if not values:
        return None
    rank = -(-percent * len(values) // 100)
    return sorted(values)[max(rank, 1) - 1]
