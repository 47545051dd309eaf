"""The end of the time of grace: what has lain in quarantine for long enough is deleted.

Owns the last looks: that nobody has it open, and that it has not been written to since, which shows that somebody
had it open all along; that goes back to where it was.
"""

import os
from collections.abc import Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.hold import take_hold
from aura_actors.cleaners.in_use import OpenFiles, read_open_files
from aura_actors.cleaners.journal import Haul, Recorded
from aura_actors.cleaners.quarantine import drop_run_folder, open_run_folder
from aura_actors.cleaners.roots import Declined
from aura_actors.cleaners.tree import Tree, opened, shown_path
from aura_actors.cleaners.walk import item_of
from aura_actors.cleaners.way_back import WayBack
from aura_actors.domain.retention import Item, Keep, Kind, age_ns


class Purge(msgspec.Struct, frozen=True):
    """A job for a `Sweep`: delete what has lain in quarantine for long enough."""

    def work(self, bench: Bench) -> Iterator[None]:
        """See `purge`."""
        return purge(bench)


def purge(bench: Bench) -> Iterator[None]:
    """Delete what is in quarantine for longer than the bench's grace, all of it when urgent; yields after batches.

    What is pinned or in use stays for the next time. A root that is not recognised is a failure in the books.
    """
    bench.books.phase = "purge"
    bench.journal.tidy(bench.now_ns)
    for haul in bench.journal.hauls():
        try:
            with opened(bench, haul.root) as tree:
                yield from _Purging(bench, tree, haul).steps()
        except Declined as refusal:
            bench.books.fail(shown_path(haul.root), str(refusal))


class _Purging:
    def __init__(
        self,
        bench: Bench,
        tree: Tree,
        haul: Haul,
    ) -> None:
        self._bench = bench
        self._tree = tree
        self._haul = haul
        self._open_files: OpenFiles | None = None
        self._trash_fd = -1

    def steps(self) -> Iterator[None]:
        bench, haul = self._bench, self._haul
        until_ns = None if bench.urgent else int(max(-1, bench.now_ns - age_ns(bench.quarantine_seconds)))
        batch = bench.journal.moves(haul.number, limit=BATCH, until_ns=until_ns)
        if not batch:
            return
        trash_fd = open_run_folder(self._tree.fd, haul.run_id, make=False)
        way = WayBack(self._tree, trash_fd, bench.journal.folders(haul.number))
        self._trash_fd = -1 if trash_fd is None else trash_fd
        try:
            while batch:
                self._purge(batch, way)
                yield
                batch = bench.journal.moves(haul.number, after=batch[-1].seq, limit=BATCH, until_ns=until_ns)
        finally:
            way.close()
            if trash_fd is not None:
                os.close(trash_fd)
                drop_run_folder(self._tree.fd, haul.run_id)

    def _purge(self, batch: Sequence[Recorded], way: WayBack) -> None:
        books, journal = self._bench.books, self._bench.journal
        going = [recorded for recorded in batch if not self._pinned(recorded, way)]
        journal.doom([recorded.seq for recorded in going])
        purged: list[int] = []
        stayed: list[Recorded] = []
        written: list[Recorded] = []
        for recorded in going:
            books.scanned += 1
            reason = self._attempt(recorded, way)
            if reason is None:
                purged.append(recorded.seq)
                books.free(recorded.move.size_bytes, recorded.move.allocated_bytes)
            else:
                (written if reason is Keep.CHANGED else stayed).append(recorded)
                books.keep(reason)
        for since_ns in {recorded.since_ns for recorded in (*stayed, *written)}:
            seqs = [recorded.seq for recorded in (*stayed, *written) if recorded.since_ns == since_ns]
            journal.settle(quarantined=seqs, now_ns=since_ns)
        if purged:
            journal.settle(purged=purged, now_ns=self._bench.now_ns)
        if written:
            self._return(written, way)

    def _attempt(self, recorded: Recorded, way: WayBack) -> Keep | None:
        if recorded.move.kind == "directory":
            return None
        try:
            return self._delete(recorded)
        except FileNotFoundError:
            return None  # somebody took it out by hand
        except OSError as error:
            self._books_fail(recorded, way, error)
            return Keep.FAILED

    def _delete(self, recorded: Recorded) -> Keep | None:
        item = self._look(recorded)
        if not _untouched(item, recorded):
            return Keep.CHANGED
        if item.kind is not Kind.FILE:
            os.unlink(item.name, dir_fd=self._trash_fd)
            return None
        hold = take_hold(self._trash_fd, item, recorded.seq, self._look_at_processes)
        if isinstance(hold, Keep):
            return hold
        try:
            if not hold.undisturbed():
                return Keep.IN_USE
            os.unlink(item.name, dir_fd=self._trash_fd)
        finally:
            hold.release()
        return None

    def _look(self, recorded: Recorded) -> Item:
        if self._trash_fd < 0:
            raise FileNotFoundError
        name = str(recorded.seq)
        return item_of(0, name, os.stat(name, dir_fd=self._trash_fd, follow_symlinks=False))

    def _return(self, written: Sequence[Recorded], way: WayBack) -> None:
        journal = self._bench.journal
        journal.put_back([recorded.seq for recorded in written])
        restored: list[int] = []
        stayed: list[int] = []
        for recorded in written:
            try:
                reason = way.put_back(recorded)
            except OSError as error:
                self._books_fail(recorded, way, error)
                reason = Keep.FAILED
            text = "it was written to while it lay in quarantine"
            self._books_fail(recorded, way, f"{text}, and went back" if reason is None else f"{text}, and stays")
            (restored if reason is None else stayed).append(recorded.seq)
        self._bench.books.restored += len(restored)
        journal.settle(restored=restored, quarantined=stayed, now_ns=self._bench.now_ns)

    def _pinned(self, recorded: Recorded, way: WayBack) -> bool:
        pins = self._bench.pins
        if pins.root.free or not pins.cover(self._tree.real_path(0, way.path(recorded.move))):
            return False
        self._bench.books.scanned += 1
        self._bench.books.keep(Keep.PINNED)
        return True

    def _books_fail(self, recorded: Recorded, way: WayBack, error: OSError | str) -> None:
        self._bench.books.fail(way.shown(recorded.move), error)

    def _look_at_processes(self) -> OpenFiles:
        if self._open_files is None:
            self._open_files = read_open_files()
        return self._open_files


def _untouched(item: Item, recorded: Recorded) -> bool:
    move = recorded.move
    return (item.inode, item.size_bytes, item.modified_ns) == (move.inode, move.size_bytes, move.modified_ns)
