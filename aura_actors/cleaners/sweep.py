"""One pass of one cleaner over one root: scan, plan, and, unless it is a dry run, apply.

Owns the order of the three and what a pass answers. Refuses to know when passes happen and who is told.
"""

import os
from collections.abc import Callable
from typing import Literal

import msgspec

from aura_actors.cleaners.base import Cleaner, Pass, Progress, ShouldStop
from aura_actors.cleaners.cursor import locked_by_another
from aura_actors.cleaners.roots import Declined, Ground, open_root
from aura_actors.domain.retention import Plan, plan

Outcome = Literal["done", "declined", "failed", "interrupted"]


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass did, or, as a dry run, would do. Files, links and directories all count as items."""

    outcome: Outcome
    detail: str | None = None
    scanned: int = 0
    removed: int = 0
    kept: dict[str, int] = {}
    failures: dict[str, str] = {}
    freed_bytes: int = 0
    freed_allocated_bytes: int = 0


def sweep(
    cleaner: Cleaner,
    ground: Ground,
    *,
    now_ns: int,
    dry_run: bool,
    should_stop: ShouldStop = lambda: False,
    progress: Callable[[Progress], None] | None = None,
) -> Swept:
    """Run one pass. Blocks; raises nothing that a disk can cause.

    `now_ns` is what ages are counted from: for a real run the file system's own time. Declined when the root is
    not the recorded one, or somebody has it locked; failed when the root itself cannot be read. A dry run asks
    nobody for leases, so what is open still counts among what would go.
    """
    try:
        root_fd = open_root(ground)
    except Declined as refusal:
        return Swept(outcome="declined", detail=str(refusal))
    try:
        if locked_by_another(root_fd, hold=not dry_run):
            return Swept(outcome="declined", detail=f"{ground.path} is locked by another program")
        books = Pass(ground.path, root_fd, should_stop=should_stop, progress=progress)
        return _pass(cleaner, books, now_ns, dry_run=dry_run)
    except OSError as error:
        return Swept(outcome="failed", detail=f"{ground.path}: {error.strerror}")
    finally:
        os.close(root_fd)


def _pass(cleaner: Cleaner, books: Pass, now_ns: int, *, dry_run: bool) -> Swept:
    planned = plan(cleaner.scan(books), now_ns, cleaner.rule())
    if not books.stopped:
        books.kept.update(kept.reason for kept in planned.keep)
        if dry_run:
            _pretend(books, planned)
        else:
            cleaner.apply(books, planned)
    return Swept(
        outcome="interrupted" if books.stopped else "done",
        detail="the run was stopped before it was through" if books.stopped else None,
        scanned=books.scanned,
        removed=books.removed,
        kept={reason.value: count for reason, count in sorted(books.kept.items(), key=lambda k: k[0].value)},
        failures=books.failures,
        freed_bytes=books.freed_bytes,
        freed_allocated_bytes=books.freed_allocated_bytes,
    )


def _pretend(books: Pass, planned: Plan) -> None:
    for item in (*planned.remove, *planned.directories):
        books.free(item)
