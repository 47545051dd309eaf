"""What is done when a disk fills up: tasks are brought forward until there is room again.

Owns the two marks, the order, and when it is not worth the while. Refuses to know how full the disk is and what a
task does: use is an argument, in percent, and so is the time (steady seconds).
"""

from collections.abc import Sequence

import msgspec

PURGE = "quarantine"
"""The step that empties quarantine; every other step is a task's id."""

ORDER = ("cache", "temp-files", "compress-logs", "orphaned-uploads", "failed-projects")
"""What is brought forward, cheapest to recreate first. What only moves things into an archive frees nothing."""

RETRY_SECONDS = 3_600.0
"""After an emergency that freed little: it would free as little again, at once."""

LITTLE_PERCENT = 1.0
"""Of the disk."""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Use at which tasks are brought forward, and use at which that ends, in percent of the disk."""

    high_percent: float = 85.0
    low_percent: float = 80.0


class Emergency:
    """One disk's story. `step` is called while nothing runs, and says what to run.

    An emergency empties quarantine, then runs each task in turn and empties quarantine again, until use is at the
    low mark or nothing is left to try. If use fell by less than `LITTLE_PERCENT` by then, the next one is not begun
    for `RETRY_SECONDS`.
    """

    def __init__(self, marks: Marks, tasks: Sequence[str]) -> None:
        self._marks = marks
        self._tasks = [task for task in ORDER if task in tasks]
        self._left: list[str] | None = None
        self._used_at_begin = 0.0
        self._not_before = float("-inf")

    @property
    def on(self) -> bool:
        """Whether tasks are being brought forward."""
        return self._left is not None

    def step(self, used_percent: float | None, now: float) -> str | None:
        """What to run next because of the disk; None for nothing. An unknown use is no reason for anything."""
        if used_percent is None:
            return None
        if self._left is None:
            if used_percent < self._marks.high_percent or now < self._not_before:
                return None
            self._left = [PURGE, *(step for task in self._tasks for step in (task, PURGE))]
            self._used_at_begin = used_percent
        if used_percent > self._marks.low_percent and self._left:
            return self._left.pop(0)
        self._end(used_percent, now)
        return None

    def _end(self, used_percent: float, now: float) -> None:
        self._left = None
        freed_little = self._used_at_begin - used_percent < LITTLE_PERCENT
        if freed_little and used_percent > self._marks.low_percent:
            self._not_before = now + RETRY_SECONDS
