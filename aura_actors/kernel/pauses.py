"""How long garbage collection has stopped the program, and how it stops it for less long.

Owns the hook in `gc.callbacks`, which is the whole process's: set by `watching` and taken out again. Everything
waits while the collector runs, the loop as well, so its pauses belong to the loop's story.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec


def begin() -> None:
    """Let the collector begin, with what is made from now on; for a program that was loaded with `gc.disable()`.

    Looking for garbage while modules are loaded passes over all of them again and again, a quarter of the time that
    loading takes, and finds next to none.
    """
    gc.freeze()
    gc.enable()


def settle() -> None:
    """Let the collector pass over all that is there now; for a program that has started and goes on for long.

    Modules, routes and actors stay to the end, yet a full collection looks at each of their objects: some hundred
    thousand, 30 ms and more of a standstill, again and again while leases come and go.
    """
    gc.collect()
    gc.freeze()


class GcStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Since the interpreter started; pauses since `watching` began. Tuples have one entry per generation."""

    collections: tuple[int, ...]
    collected: tuple[int, ...]
    uncollectable: tuple[int, ...]
    pause_seconds_total: float
    longest_pause_seconds: float


class GcPauses:
    """Adds up the pauses. `clock` is monotonic seconds, called whenever a collection begins and ends."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began: float | None = None
        self._total = 0.0
        self._longest = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count until the block ends."""
        gc.callbacks.append(self._on_phase)
        try:
            yield
        finally:
            gc.callbacks.remove(self._on_phase)

    def _on_phase(self, phase: str, info: dict[str, int]) -> None:
        # Runs in whichever thread collects, with the interpreter's lock: two collections never overlap.
        if phase == "start":
            self._began = self._clock()
        elif self._began is not None:
            pause = self._clock() - self._began
            self._began = None
            self._total += pause
            self._longest = max(self._longest, pause)

    def statistics(self) -> GcStatistics:
        """The counts now."""
        generations = gc.get_stats()
        return GcStatistics(
            collections=tuple(g["collections"] for g in generations),
            collected=tuple(g["collected"] for g in generations),
            uncollectable=tuple(g["uncollectable"] for g in generations),
            pause_seconds_total=self._total,
            longest_pause_seconds=self._longest,
        )
