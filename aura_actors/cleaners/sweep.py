"""One run, driven step by step: for about so long, then whoever drives it can pace, show progress, or stop it.

Owns how a run ends and what it answers. Refuses to know when runs happen, what they do, and who is told.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from aura_actors.cleaners.base import Bench, Job, Listed
from aura_actors.cleaners.printable import shown_text
from aura_actors.cleaners.roots import Declined
from aura_actors.cleaners.segments import Damaged
from aura_actors.errors import StoreUnavailable

Outcome = Literal["done", "declined", "failed", "interrupted"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is."""

    phase: str
    scanned: int
    removed: int
    freed_bytes: int
    total: int | None
    total_bytes: int | None = None
    """Of all that is to go."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, or, as a dry run, would do. Files, links, directories and rows all count as items."""

    outcome: Outcome
    detail: str | None = None
    scanned: int = 0
    removed: int = 0
    restored: int = 0
    kept: dict[str, int] = {}
    failures: dict[str, str] = {}
    freed_bytes: int = 0
    """Of what left its place."""
    freed_allocated_bytes: int = 0
    quarantined: int = 0
    quarantined_bytes: int = 0
    """Of `freed_bytes`: what still lies in quarantine, on the same disk."""
    listing: tuple[Listed, ...] = ()


class Sweep:
    """One run. `step` and `stop` raise nothing that a disk or a database can cause."""

    def __init__(self, job: Job, bench: Bench) -> None:
        self._bench = bench
        self._steps = job.work(bench)
        self._swept: Swept | None = None

    def step(self, seconds: float) -> Progress | Swept:
        """Work for about so long (at least one batch); how far it is, or what came of it."""
        until = time.monotonic() + seconds
        while self._swept is None:
            self._batch()
            if time.monotonic() >= until:
                break
        return self._swept or self._progress()

    def stop(self) -> Swept:
        """End the run where it is; what was done stays done. After the end: what came of it."""
        if self._swept is None:
            self._guarded(self._close, "interrupted", "the run was stopped before it was through")
        assert self._swept is not None
        return self._swept

    def _batch(self) -> None:
        self._guarded(lambda: next(self._steps), None, None)

    def _close(self) -> None:
        close = getattr(self._steps, "close", None)  # an iterator that is no generator has nothing to end
        if close is not None:
            close()

    def _guarded(self, action: Callable[[], None], outcome: Outcome | None, detail: str | None) -> None:
        try:
            action()
        except StopIteration:
            outcome, detail = "done", "; ".join(self._bench.books.unknown) or None
        except Declined as refusal:
            outcome, detail = "declined", str(refusal)
        except OSError as error:
            place = f"{error.filename}: " if isinstance(error.filename, str) else ""
            outcome, detail = "failed", f"{place}{error.strerror}"
        except (StoreUnavailable, sqlite3.Error, Damaged) as error:
            outcome, detail = "failed", str(error)
        if outcome is not None:
            self._swept = self._report(outcome, detail)

    def _progress(self) -> Progress:
        books = self._bench.books
        return Progress(
            phase=books.phase,
            scanned=books.scanned,
            removed=books.removed,
            freed_bytes=books.freed_bytes,
            total=books.total,
            total_bytes=books.total_bytes,
        )

    def _report(self, outcome: Outcome, detail: str | None) -> Swept:
        books = self._bench.books
        return Swept(
            outcome=outcome,
            detail=None if detail is None else shown_text(detail),
            scanned=books.scanned,
            removed=books.removed,
            restored=books.restored,
            kept={reason.value: n for reason, n in sorted(books.kept.items(), key=lambda k: k[0].value)},
            failures=books.failures,
            freed_bytes=books.freed_bytes,
            freed_allocated_bytes=books.freed_allocated_bytes,
            quarantined=books.quarantined,
            quarantined_bytes=books.quarantined_bytes,
            listing=tuple(books.listing),
        )


def sweep(job: Job, bench: Bench, *, should_stop: Callable[[], bool] = lambda: False) -> Swept:
    """Drive a run to its end, or until it is to stop. Blocks."""
    run = Sweep(job, bench)
    while not should_stop():
        answer = run.step(0)
        if isinstance(answer, Swept):
            return answer
    return run.stop()
