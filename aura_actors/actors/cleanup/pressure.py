"""How full the disks are that cleanup works on, and what that calls for.

Owns one emergency for each disk, and a measurement that never waits for a disk that does not answer.
"""

from collections.abc import Callable, Mapping, Sequence

import trio

from aura_actors.cleaners.space import Fullness
from aura_actors.domain.watermarks import Emergency, Marks

PATIENCE_SECONDS = 1.0


class DiskPressure:
    """Outlives an incarnation of the actor: a crash is no reason to try again at once what freed little."""

    def __init__(
        self, fullness: Callable[[Sequence[str]], Mapping[str, Fullness]], limiter: trio.CapacityLimiter
    ) -> None:
        self._fullness = fullness
        self._limiter = limiter
        self._emergencies: dict[int, Emergency] = {}
        self._marks = Marks()
        self._places: Mapping[str, Sequence[str]] = {}

    def arrange(self, marks: Marks, places: Mapping[str, Sequence[str]]) -> None:
        """The marks, and the folders of each task by its id. Where one is new, every disk's story begins anew."""
        if (marks, places) != (self._marks, self._places):
            self._emergencies.clear()
        self._marks, self._places = marks, places

    @property
    def urgent(self) -> bool:
        """Whether tasks are being brought forward."""
        return any(emergency.on for emergency in self._emergencies.values())

    async def step(self, now: float) -> str | None:
        """What to run next for a disk's sake. `now` is steady seconds."""
        for device, used_percent in (await self._measure()).items():
            emergency = self._emergencies.get(device)
            if emergency is None:
                continue
            step = emergency.step(used_percent, now)
            if step is not None:
                return step
        return None

    async def _measure(self) -> dict[int, float]:
        paths = sorted({path for folders in self._places.values() for path in folders})
        found: Mapping[str, Fullness] = {}
        if self._limiter.available_tokens:  # else an earlier one hangs still
            with trio.move_on_after(PATIENCE_SECONDS):
                found = await trio.to_thread.run_sync(
                    self._fullness, paths, limiter=self._limiter, abandon_on_cancel=True
                )
        for full in found.values():
            if full.device not in self._emergencies:
                tasks = [
                    task
                    for task, folders in self._places.items()
                    if any(path in found and found[path].device == full.device for path in folders)
                ]
                self._emergencies[full.device] = Emergency(self._marks, tasks)
        return {full.device: full.used_percent for full in found.values()}
