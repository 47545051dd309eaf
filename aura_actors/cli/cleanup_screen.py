"""A cleanup run while it goes on: a bar on a terminal, a line now and then in a log, nothing where that is wanted.

Owns how progress looks. Knows no daemon.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from aura_actors.cli import text
from aura_actors.wire.cleanup import CleanupProgress

LINE_SECONDS: Final = 10.0
"""Between two lines where there is no terminal."""


class Screen(Protocol):
    """Whoever shows how far a run is."""

    def show(self, progress: CleanupProgress | None) -> None:
        """None: the run waits for its turn."""
        ...


@contextmanager
def open_screen(task: str, *, quiet: bool) -> Iterator[Screen]:
    """What fits to standard error, which is where progress goes."""
    if quiet:
        yield _Nothing()
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield _Bar(progress, progress.add_task(task, total=None, said="waits for its turn"))
    else:
        yield _Lines(task)


def words(progress: CleanupProgress) -> str:
    """How far it is, in one line."""
    removed = f", {progress.removed} removed ({text.size(progress.freed_bytes)})" if progress.removed else ""
    return f"{progress.phase}: {progress.scanned} looked at{removed}, {progress.files_per_second:.0f}/s"


class _Nothing:
    def show(self, progress: CleanupProgress | None) -> None:
        pass


class _Lines:
    def __init__(self, task: str) -> None:
        self._task = task
        self._next = time.monotonic() + LINE_SECONDS

    def show(self, progress: CleanupProgress | None) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_SECONDS
        said = "waits for its turn" if progress is None else words(progress)
        print(f"{self._task}: {said}", file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def show(self, progress: CleanupProgress | None) -> None:
        if progress is not None:
            self._progress.update(
                self._task, total=progress.total, completed=progress.removed, said=words(progress)
            )


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
