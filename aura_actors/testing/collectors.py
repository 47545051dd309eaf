"""Collectors whose readings a test has written down: values, errors, a source that hangs.

Owns the order of what is read. Blocking and safe in threads, as every collector; knows neither Trio nor who reads.
"""

import threading
from collections.abc import Callable
from typing import Self

from aura_actors.domain.snapshot import Reading

Step = Reading | Exception | Callable[[], Reading]
"""What one read does: return it, raise it, or call it."""


class Hang:
    """A step that blocks its reader until `release`, then reads `then`; after that it blocks no more.

    As a context manager it releases at the end, so that no thread is left hanging, whatever a test found.
    """

    def __init__(self, then: Step) -> None:
        self.entered = threading.Event()
        """Set once a reader hangs; `await trio.to_thread.run_sync(hang.entered.wait, 10)` waits for that."""
        self._released = threading.Event()
        self._then = then

    def release(self) -> None:
        """Let go of whoever hangs."""
        self._released.set()

    def __call__(self) -> Reading:
        self.entered.set()
        self._released.wait()
        return _do(self._then)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class ScriptedCollector:
    """A collector that takes one step for each read, and stays at the last one. Raises `ValueError` for no step.

    One that `may_hang` is read last.
    """

    def __init__(self, name: str, *steps: Step, may_hang: bool = False) -> None:
        if not steps:
            raise ValueError(f"the script of {name} has no step")
        self.name = name
        self.may_hang = may_hang
        self._steps = steps
        self._reads = 0
        self._lock = threading.Lock()

    @property
    def reads(self) -> int:
        """How often a read was begun."""
        return self._reads

    def read(self) -> Reading:
        """Take the next step."""
        with self._lock:
            step = self._steps[min(self._reads, len(self._steps) - 1)]
            self._reads += 1
        return _do(step)


def _do(step: Step) -> Reading:
    if isinstance(step, Exception):
        raise step
    return step() if callable(step) else step
