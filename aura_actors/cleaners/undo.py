"""Undoing a run: what of it still lies in quarantine goes back to where it was.

Owns the order: intent, move, outcome. What is in the way is never overwritten; it stays in quarantine then.
"""

import os
from collections.abc import Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import BATCH, Bench, Cleaner
from aura_actors.cleaners.journal import Haul, Recorded
from aura_actors.cleaners.quarantine import drop_run_folder, open_run_folder
from aura_actors.cleaners.roots import Declined
from aura_actors.cleaners.tree import Tree, opened, shown_path
from aura_actors.cleaners.way_back import WayBack
from aura_actors.domain.retention import Keep


class Undo(msgspec.Struct, frozen=True):
    """A job for a `Sweep`: undo this run, of this task."""

    run_id: str
    cleaner: Cleaner | None = None

    def work(self, bench: Bench) -> Iterator[None]:
        """See `undo`."""
        return undo(self.run_id, bench, self.cleaner)


def undo(run_id: str, bench: Bench, cleaner: Cleaner | None = None) -> Iterator[None]:
    """Put back what a run took; yields after every batch. Raises `Declined` where nothing of it is left.

    Files from quarantine first; then its `cleaner` puts back what the run did to a database. What cannot go back
    stays in quarantine, is kept with its reason in the books, and waits there for another full time of grace.
    """
    hauls = bench.journal.hauls(run_id)
    bench.books.phase = "undo"
    for haul in hauls:
        try:
            with opened(bench, haul.root) as tree:
                yield from _undo(haul, bench, tree)
        except Declined as refusal:
            if len(hauls) == 1:
                raise
            bench.books.fail(shown_path(haul.root), str(refusal))
    if cleaner is not None:
        try:
            yield from cleaner.put_back(bench, run_id)
        except Declined as refusal:
            if not bench.books.restored:
                raise
            bench.books.fail(cleaner.name, str(refusal))  # the files are back, and that is not nothing
    if not hauls and not bench.books.scanned:
        raise Declined(f"nothing of run {run_id} is left to be put back")


def _undo(haul: Haul, bench: Bench, tree: Tree) -> Iterator[None]:
    trash_fd = open_run_folder(tree.fd, haul.run_id, make=False)
    way = WayBack(tree, trash_fd, bench.journal.folders(haul.number))
    after = 0
    try:
        while batch := bench.journal.moves(haul.number, after=after, limit=BATCH):
            after = batch[-1].seq
            _return(bench, way, batch)
            yield
    finally:
        way.close()
        if trash_fd is not None:
            os.close(trash_fd)
            drop_run_folder(tree.fd, haul.run_id)


def _return(bench: Bench, way: WayBack, batch: Sequence[Recorded]) -> None:
    books = bench.books
    bench.journal.put_back([recorded.seq for recorded in batch])
    restored: list[int] = []
    stayed: list[int] = []
    forgotten: list[int] = []
    for recorded in batch:
        books.scanned += 1
        try:
            if not way.lies(recorded):
                books.keep(Keep.FAILED)
                books.fail(way.shown(recorded.move), "it is no longer in quarantine")
                forgotten.append(recorded.seq)
                continue
            reason = way.put_back(recorded)
        except OSError as error:
            books.fail(way.shown(recorded.move), error)
            reason = Keep.FAILED
        if reason is None:
            restored.append(recorded.seq)
            books.restored += 1
        else:
            stayed.append(recorded.seq)
            books.keep(reason)
            if reason is Keep.ORIGIN_TAKEN:
                books.fail(way.shown(recorded.move), "something else is there now")
    bench.journal.settle(restored=restored, quarantined=stayed, forgotten=forgotten, now_ns=bench.now_ns)
