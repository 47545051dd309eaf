"""Aged rows: into a sealed segment first, then out of their table.

Owns the protocol. A batch becomes a segment that is durable and was read back; one transaction then deletes the
rows that are still as they were sealed, and notes the segment in the ledger. Killed at any point, every row is in
its table, or in exactly one sealed segment; the next run takes up a segment that the ledger does not know.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated

from msgspec import Meta

from aura_actors.cleaners.base import Age, Bench, Every, TaskOptions
from aura_actors.cleaners.database import can_be_tried, on_image, open_application, write
from aura_actors.cleaners.expiry import discard_segments
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.refusals import REFUSES, willing
from aura_actors.cleaners.restore import end_archive, put_segments_back
from aura_actors.cleaners.sealing import drop, drop_drafts
from aura_actors.cleaners.segments import SUFFIX, Damaged, Packed, Segment, pack, read_file, unpack, write_segment
from aura_actors.cleaners.selection import Columns, Selection, Stamps
from aura_actors.cleaners.tree import Tree, opened
from aura_actors.cleaners.values import Row, Unspeakable, encode
from aura_actors.domain.retention import Keep


class RowOptions(TaskOptions, frozen=True, kw_only=True):
    """The configuration of a task that takes aged rows out of one table."""

    every: Every | tuple[Every, ...] = "weekly"
    older_than_seconds: Age
    table: str
    database: str | None = None
    """The application's own SQLite file; None is `aura.db` in the data directory."""
    columns: Columns
    stamps: Stamps = "seconds"
    where: str | None = None
    """What else must be true of a row that goes, as SQL; `:now` is unix seconds."""
    archive: str | None = None
    """Where segments go; None is `archive` in the data directory."""
    max_rows: Annotated[int, Meta(ge=1)] = 1_000_000
    """The most that one run takes out, to the next full batch."""
    discard: bool = False
    """Segments only serve to put rows back: they go when the quarantine would let them go. False keeps them."""

    def archive_under(self, data_dir: str) -> str:
        """The folder for segments."""
        return self.archive or f"{data_dir.rstrip('/')}/archive"

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """The folder for segments."""
        return (self.archive_under(data_dir),)

    def work(self, bench: Bench) -> Iterator[None]:
        """Take up what a killed run left, then batch by batch what is due."""
        path = self.database or bench.database
        with (
            opened(bench, self.archive_under(bench.data_dir)) as tree,
            open_application(path, dry_run=bench.dry_run) as connection,
        ):
            selection = self._selection(connection, bench)
            bench.books.phase = f"rows of {self.table}"
            bench.books.total = selection.count().due
            yield
            run = _Run(self, bench, tree, connection, selection)
            if not bench.dry_run:
                yield from run.take_up()
            if self.discard:
                yield from discard_segments(bench, tree, connection, self.name)
            if not can_be_tried(bench, connection):
                _account(bench, selection, due=None, at_most=self.max_rows)
                return
            # A dry run takes the rows out of its image, and so meets whatever a real one would.
            with on_image(connection) if bench.dry_run else nullcontext():
                yield from run.through()
            due = Keep.CHANGED if run.exhausted else Keep.OVER_CAP
            _account(bench, selection, due=due, refused=run.refused)

    def recover(self, bench: Bench) -> Iterator[None]:
        """Only take up what a killed run left."""
        path = self.database or bench.database
        with (
            opened(bench, self.archive_under(bench.data_dir)) as tree,
            open_application(path, dry_run=False) as connection,
        ):
            yield from _Run(self, bench, tree, connection, self._selection(connection, bench)).take_up()

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Insert the rows again that a run took out."""
        path = self.database or bench.database
        with (
            opened(bench, self.archive_under(bench.data_dir)) as tree,
            open_application(path, dry_run=False) as connection,
        ):
            yield from put_segments_back(bench, tree, connection, self.name, run_id)

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """By the ledger."""
        with open_application(self.database or bench.database, dry_run=False, reading=True) as connection:
            return {self.name: Ledger(connection, make=False).runs(self.name)}

    def _selection(self, connection: sqlite3.Connection, bench: Bench) -> Selection:
        return Selection(
            connection,
            self.table,
            self.columns,
            stamps=self.stamps,
            where=self.where,
            now_ns=bench.now_ns,
            older_than_seconds=self.older_than_seconds,
        )


class _Run:
    def __init__(
        self, options: RowOptions, bench: Bench, tree: Tree, connection: sqlite3.Connection, selection: Selection
    ) -> None:
        self._options = options
        self._bench = bench
        self._tree = tree
        self._connection = connection
        self._selection = selection
        self._ledger = Ledger(connection, make=not bench.dry_run)
        self.exhausted = False
        """Nothing that is due was left for another run."""
        self.refused = 0
        """Rows that the database does not let go."""

    def through(self) -> Iterator[None]:
        """Every batch that is due."""
        gone = 0
        while gone < self._options.max_rows:
            batch = self._selection.next_batch()
            if not batch:
                self.exhausted = True
                return
            gone += self._take([row for row in batch if _is_speakable(row)])
            yield

    def take_up(self) -> Iterator[None]:
        """Segments that were sealed before a kill, and never came into the ledger: their rows go now."""
        drop_drafts(self._tree.fd)
        for entry in self._ledger.of_task(self._options.name, "restored"):
            end_archive(self._tree, entry)
        for name in sorted(os.listdir(self._tree.fd)):  # noqa: PTH208 - a descriptor
            if not name.endswith(SUFFIX) or self._ledger.find(name) is not None:
                continue
            try:
                data = read_file(self._tree.fd, name)
                segment = unpack(data)
            except (OSError, Damaged) as error:
                self._bench.books.fail(self._tree.shown(0, name), str(error))
                continue
            if self._is_ours(segment):
                found = Packed(name, data, hashlib.sha256(data).hexdigest())
                try:
                    self._delete([row for _, row in segment.rows], found, segment.run_id)
                except sqlite3.IntegrityError as error:
                    self._bench.books.fail(self._tree.shown(0, name), f"{REFUSES}: {error}")
            yield

    def _is_ours(self, segment: Segment) -> bool:
        columns = {self._selection.table.name: list(self._selection.table.columns)}
        return segment.task == self._options.name and segment.tables == columns

    def _take(self, rows: Sequence[Row]) -> int:
        """Take rows out, but for those that the database does not let go; how many went."""
        take = self._pretend if self._bench.dry_run else self._seal
        try:
            return take(rows) if rows else 0
        except sqlite3.IntegrityError as error:
            refusal = error
        going, went = willing(self._connection, self._selection, rows), 0
        try:
            went = take(going) if going else 0
        except sqlite3.IntegrityError as error:
            going, refusal = [], error
        self.refused += len(rows) - len(going)
        text = f"{self.refused} of its rows stay, since {REFUSES}: {refusal}"
        self._bench.books.fail(self._options.table, text)
        return went

    def _pretend(self, rows: Sequence[Row]) -> int:
        with write(self._connection):
            deleted = self._selection.delete(rows[::-1])
        return self._went(deleted)

    def _seal(self, rows: Sequence[Row]) -> int:
        table = self._selection.table
        packed = pack(
            Segment(
                task=self._options.name,
                run_id=self._bench.run_id,
                tables={table.name: list(table.columns)},
                rows=[(table.name, row) for row in rows],
            ),
            table.name,
            first=self._selection.id_of(rows[0]),
            last=self._selection.id_of(rows[-1]),
        )
        sealed = write_segment(self._tree.fd, packed)
        try:
            went = self._delete(rows, sealed, self._bench.run_id)
        except sqlite3.IntegrityError:
            self._withdraw(sealed)
            raise
        if not went:
            self._withdraw(sealed)
        return went

    def _withdraw(self, sealed: Packed) -> None:
        """All of its rows are in their table, as they were or otherwise."""
        if self._ledger.find(sealed.name) is None:
            drop(self._tree.fd, sealed.name)

    def _delete(self, rows: Sequence[Row], packed: Packed, run_id: str) -> int:
        bench = self._bench
        with write(self._connection):
            deleted = self._selection.delete(rows[::-1])  # rows that refer to others are younger than these
            if not deleted:
                return 0  # of another database, or changed since: it is no place of any row of this one
            self._ledger.put(
                Entry(
                    file=packed.name,
                    task=self._options.name,
                    run_id=run_id,
                    state="done",
                    rows=deleted,
                    size_bytes=len(packed.data),
                    sha256=packed.sha256,
                    archived_at=bench.now_ns / 1e9,
                )
            )
        return self._went(deleted)

    def _went(self, count: int) -> int:
        self._bench.books.scanned += count
        self._bench.books.removed += count
        return count


def _account(bench: Bench, selection: Selection, *, due: Keep | None, at_most: int = 0, refused: int = 0) -> None:
    """Write into the books what is left in the table; `due` is why the due ones stay, None that they go."""
    counts, books = selection.count(), bench.books
    books.scanned += counts.due + sum(counts.kept.values())
    for reason, count in counts.kept.items():
        books.keep(reason, count)
    if due is None:
        going = min(counts.due, at_most)
        books.removed += going
        books.keep(Keep.OVER_CAP, counts.due - going)
    else:
        refused = min(refused, counts.due)
        books.keep(Keep.FAILED, refused)
        books.keep(due, counts.due - refused)


def _is_speakable(row: Row) -> bool:
    try:
        encode(row)
    except Unspeakable:
        return False
    return True
