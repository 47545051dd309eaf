"""When a cleanup task is due.

Owns due times, jitter, pauses, and what to believe of stamps when the wall clock moves; which of those that are due
goes next is `timetable`'s. Refuses to know what a task does, and reads no clock: `wall` is unix seconds, `steady` a
clock that is never set.
"""

import functools
import hashlib
from collections.abc import Iterable

import msgspec

JITTER_SHARE = 0.1
MAX_JITTER_SECONDS = 900.0
MOST_DOUBLINGS = 32
"""Of a pause; whatever it began with, no period is longer then."""
CLOCK_TOLERANCE_SECONDS = 900.0
"""A wall clock that moved further than this against the steady one was set, or the machine slept."""


class Periods(msgspec.Struct, frozen=True, kw_only=True):
    """How long the named periods are."""

    hourly_seconds: float = 3_600.0
    daily_seconds: float = 86_400.0
    weekly_seconds: float = 604_800.0

    def lengths(self, names: Iterable[str]) -> tuple[float, ...]:
        """Seconds of `hourly`, `daily`, `weekly`; KeyError for anything else."""
        table = {"hourly": self.hourly_seconds, "daily": self.daily_seconds, "weekly": self.weekly_seconds}
        return tuple(table[name] for name in names)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One task's place in the schedule."""

    task: str
    every_seconds: tuple[float, ...]
    """Not empty. A task with several periods is due at the earliest of them."""
    enabled: bool = True
    last_of_pass: bool = False
    """It goes after every other task of the same period."""

    @property
    def period_seconds(self) -> float:
        """Time from the end of a run to when the next one is due, before jitter."""
        return min(self.every_seconds)


@functools.lru_cache(maxsize=256)
def jitter_seconds(timing: Timing) -> float:
    """A delay that is the same in every life of the program and different for every task.

    Less than a tenth of the period, and than 15 minutes.
    """
    digest = hashlib.blake2b(timing.task.encode(), digest_size=8).digest()
    share = int.from_bytes(digest) / 2**64
    return share * min(timing.period_seconds * JITTER_SHARE, MAX_JITTER_SECONDS)


def pause_seconds(first_seconds: float, times: int, period_seconds: float) -> float:
    """How long to wait before something is tried again that went wrong so many `times` in a row, at least once.

    Twice as long each time, up to the period.
    """
    return float(min(first_seconds * 2 ** min(times - 1, MOST_DOUBLINGS), period_seconds))


def wait_seconds(
    timing: Timing,
    finished_at: float | None,
    *,
    wall: float,
    since_open_seconds: float,
    start_delay_seconds: float,
) -> float:
    """Seconds until the task is due; 0 or less when it is.

    Counts from the end of the last run, not before the start delay is over. Whatever was missed while nobody was
    there to run it is one run: there is nothing to enumerate. A `finished_at` in the future counts as now.
    """
    jitter = jitter_seconds(timing)
    from_start = start_delay_seconds + jitter - since_open_seconds
    if finished_at is None:
        return from_start
    age_seconds = max(0.0, wall - finished_at)
    return max(from_start, timing.period_seconds + jitter - age_seconds)


def believed(finished_at: float | None, wall: float) -> float | None:
    """The stamp to keep: one from the future (the clock was set back) becomes now.

    The correction has to be stored: a stamp that is believed anew each time would put the task off for ever.
    """
    return None if finished_at is None else min(finished_at, wall)


class Anchor(msgspec.Struct, frozen=True):
    """Both clocks, read together."""

    wall: float
    steady: float

    def moved_seconds(self, wall: float, steady: float) -> float:
        """How far the wall clock was moved since: positive is forward."""
        return (wall - self.wall) - (steady - self.steady)


def clock_jumped(anchor: Anchor, wall: float, steady: float) -> bool:
    """Whether ages measured now would be wrong by more than can be drift."""
    return abs(anchor.moved_seconds(wall, steady)) > CLOCK_TOLERANCE_SECONDS
