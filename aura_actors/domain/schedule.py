"""When a cleanup task is due, and which run goes next.

Owns due times, jitter, what to believe of stamps when the wall clock moves, and single flight. Refuses to know
what a task does, and reads no clock: `wall` is unix seconds, `steady` a clock that is never set.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

JITTER_SHARE = 0.1
MAX_JITTER_SECONDS = 900.0
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

    @property
    def period_seconds(self) -> float:
        """Time from the end of a run to when the next one is due, before jitter."""
        return min(self.every_seconds)


def jitter_seconds(timing: Timing) -> float:
    """A delay that is the same in every life of the program and different for every task.

    Less than a tenth of the period, and than 15 minutes.
    """
    digest = hashlib.blake2b(timing.task.encode(), digest_size=8).digest()
    share = int.from_bytes(digest) / 2**64
    return share * min(timing.period_seconds * JITTER_SHARE, MAX_JITTER_SECONDS)


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


def most_overdue(waits: Mapping[str, float]) -> str | None:
    """The task that has been due for longest, by `wait_seconds` of each; None when none is due."""
    due = [(wait, task) for task, wait in waits.items() if wait <= 0]
    return min(due)[1] if due else None


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


class Flight(msgspec.Struct, frozen=True):
    """One run, wanted or under way."""

    run_id: str
    task: str
    dry_run: bool


class Flights:
    """At most one run at a time; at most one, waiting or running, per task and mode.

    Every run walks a disk, so two at once would only slow each other down. Invariant: `waiting` and
    `running` hold no (task, dry_run) twice, hence never more than twice as many as there are tasks.
    """

    def __init__(self) -> None:
        self.running: Flight | None = None
        self._waiting: deque[Flight] = deque()

    def find(self, task: str, *, dry_run: bool) -> Flight | None:
        """The run that a request for this task and mode joins. A dry run never joins a real one."""
        everything = [*self._waiting, *([self.running] if self.running else [])]
        return next((f for f in everything if (f.task, f.dry_run) == (task, dry_run)), None)

    def add(self, flight: Flight) -> None:
        """Put a run at the end of the line. ValueError if there is one to join."""
        if self.find(flight.task, dry_run=flight.dry_run) is not None:
            raise ValueError(f"{flight.task} has such a run already")
        self._waiting.append(flight)

    def start_next(self) -> Flight | None:
        """Take the first in line, if nothing is running."""
        if self.running is None and self._waiting:
            self.running = self._waiting.popleft()
            return self.running
        return None

    def land(self) -> None:
        """The running one is over."""
        self.running = None
