"""How fast a run goes, and what is shown of it while it goes."""

from collections import deque

from aura_actors.cleaners import Progress
from aura_actors.domain.flights import Flight
from aura_actors.wire.cleanup import CleanupProgress

WINDOW_SECONDS = 3.0


class Speed:
    """Items per second over the last seconds. An item counts when it is looked at, and when it is removed."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def show(self, flight: Flight, progress: Progress, now: float) -> CleanupProgress:
        """How far the run is, in public. `now` is monotonic seconds."""
        self._seen.append((now, progress.scanned + progress.removed))
        while now - self._seen[0][0] > WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        (began, before), (_, after) = self._seen[0], self._seen[-1]
        return CleanupProgress(
            run_id=flight.run_id,
            dry_run=flight.dry_run,
            phase=progress.phase,
            scanned=progress.scanned,
            removed=progress.removed,
            freed_bytes=progress.freed_bytes,
            total=progress.total,
            total_bytes=progress.total_bytes,
            files_per_second=round((after - before) / (now - began), 1) if now > began else 0.0,
        )
