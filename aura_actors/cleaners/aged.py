"""Removing what is old enough below a root: scan, plan, carry out; or, for a dry run, say what would go.

Owns the order of the three. What is old enough is the retention rule's decision, how things are looked at and moved
the business of `walk` and `removal`.
"""

from collections.abc import Callable, Generator, Iterator, Sequence

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.foresight import foreseen
from aura_actors.cleaners.removal import Recheck, Removal
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.walk import Objection, Uses, Walk
from aura_actors.domain.retention import Draft, Item, Keep, Plan, Rule, without

Sift = Callable[[Sequence[Item]], Sequence[Keep | None]]
"""Asked about the planned files, batch by batch, before anything moves: why one must stay."""


def remove_aged(
    bench: Bench,
    tree: Tree,
    rule: Rule,
    *,
    exclude: Sequence[str] = (),
    start: int = 0,
    objection: Objection | None = None,
    sift: Sift | None = None,
    recheck: Recheck | None = None,
    uses: Uses | None = None,
    quarantine: bool = True,
) -> Iterator[None]:
    """What is old enough below the place `start` leaves the tree; yields after every batch.

    `objection` is asked during the scan, `sift` about the plan, `recheck` before each batch is moved. `uses` makes
    access times count.
    """
    books = bench.books
    books.phase = "scan"
    draft = Draft(bench.now_ns, rule, list_kept=books.list_at_most)
    pins = bench.held().at(tree.real_path(start, ""))
    walk = Walk(tree, draft, books, exclude=exclude, pins=pins, objection=objection, uses=uses)
    yield from walk.steps(start)
    planned = draft.finish()
    if sift is not None:
        planned = yield from _sifted(planned, sift)
    if bench.dry_run:
        planned = yield from foreseen(bench, tree, planned)
    for reason, count in planned.kept.items():
        books.keep(reason, count)
    if bench.dry_run:
        yield from _pretend(bench, tree, planned, quarantine=quarantine)
        return
    books.phase, books.total = "remove", len(planned.remove) + len(planned.directories)
    books.total_bytes = sum(item.size_bytes for item in planned.remove)
    yield from Removal(bench, tree, quarantine=quarantine, recheck=recheck).steps(planned)


def _sifted(planned: Plan, sift: Sift) -> Generator[None, None, Plan]:
    stay: dict[int, Keep] = {}
    for first in range(0, len(planned.remove), BATCH):
        reasons = sift(planned.remove[first : first + BATCH])
        stay.update((first + n, reason) for n, reason in enumerate(reasons) if reason is not None)
        yield
    return without(planned, stay)


def _pretend(bench: Bench, tree: Tree, planned: Plan, *, quarantine: bool) -> Iterator[None]:
    books = bench.books
    for item in (*planned.remove, *planned.directories):
        books.free(item.size_bytes, item.allocated_bytes, quarantined=quarantine)
        if len(books.listing) < books.list_at_most:
            books.list(tree.shown(item.parent, item.name), item.size_bytes)
    for kept in planned.keep:
        books.list(tree.shown(kept.parent, kept.name), None, kept.reason)
    yield
