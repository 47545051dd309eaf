"""What no policy can know: what every job will come to use, and so whether too much or too little was promised.

Owns three figures that only an observer from outside has: seconds in which those who run would not fit at their
peaks, jobs that waited although they would have fitted, and how long after they would have fitted they started.
Decides nothing, and no policy is shown any of it.
"""

from benchmarks.throttle.scenario import Room
from benchmarks.throttle.workload import Job

PROMPT_SECONDS = 0.1
"""A start that comes no later than this after there was room is no false denial."""


class Truth:
    """Told of everything that happens, in order of time."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._now = 0.0
        self._running: dict[str, int] = {}
        self._external: dict[str, int] = {}
        self._waiting: dict[str, Job] = {}
        self._fits_since: float | None = None
        """Since when the one who waits longest would fit."""
        self.overcommitted_seconds = 0.0
        self.freed_to_granted: list[float] = []
        """Seconds from room, as it truly was, to the start, of each who waited and was the oldest then."""

    @property
    def false_denials(self) -> int:
        """Jobs that were kept waiting although there was room for them and nobody was before them."""
        return sum(seconds > PROMPT_SECONDS for seconds in self.freed_to_granted)

    def arrived(self, job: Job, now: float) -> None:
        """It waits."""
        self._pass(now)
        self._waiting[job.id] = job
        self._look()

    def started(self, job: Job, now: float, limit_bytes: int | None = None) -> None:
        """It waits no longer; under a limit of its own it never uses more than that."""
        self._pass(now)
        oldest = next(iter(self._waiting))
        del self._waiting[job.id]
        if job.id == oldest:
            if self._fits_since is not None:
                self.freed_to_granted.append(now - self._fits_since)
            self._fits_since = None
        self._running[job.id] = job.uses_bytes if limit_bytes is None else min(job.uses_bytes, limit_bytes)
        self._look()

    def ended(self, job: str, now: float) -> None:
        """It holds nothing any more."""
        self._pass(now)
        del self._running[job]
        self._look()

    def visited(self, name: str, uses_bytes: int, now: float) -> None:
        """Somebody else takes so much; 0: is gone."""
        self._pass(now)
        self._external[name] = uses_bytes
        self._look()

    def finish(self, now: float) -> None:
        """The end of the run."""
        self._pass(now)

    @property
    def _committed(self) -> int:
        return sum(self._running.values()) + sum(self._external.values())

    def _pass(self, now: float) -> None:
        if self._committed > self._room.limit_bytes:
            self.overcommitted_seconds += now - self._now
        self._now = now

    def _look(self) -> None:
        oldest = next(iter(self._waiting.values()), None)
        if oldest is None or self._committed + oldest.uses_bytes > self._room.allowed_bytes:
            self._fits_since = None
        elif self._fits_since is None:
            self._fits_since = self._now
