"""Putting rows back that a run took out of a database.

Owns the way back: verify, one transaction for rows and ledger, then the end of the segment. A row that is in the
way is never overwritten; the segment stays then. Refuses to know files and quarantine.
"""

import hashlib
import sqlite3
from collections.abc import Iterator

import msgspec

from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.database import Inserted, insert_rows, write
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.sealing import drop
from aura_actors.cleaners.segments import Damaged, Segment, read_file, unpack
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.retention import Keep

NOT_BACK = (OSError, Damaged, sqlite3.IntegrityError)
"""What keeps one archive from being put back, and no other."""


def put_segments_back(
    bench: Bench, archive: Tree, connection: sqlite3.Connection, task: str, run_id: str, *, whole: bool = False
) -> Iterator[None]:
    """Insert the rows of every segment that a run of a task sealed; then the segments go.

    `whole`: the first row is what the others belong to; where that cannot go back, none does.
    """
    ledger = Ledger(connection, make=False)
    for entry in ledger.of_run(run_id):
        if entry.task != task or entry.state not in ("done", "partly"):
            continue
        try:
            segment = unpack(_verified(archive, entry))
            with write(connection):
                inserted = _insert(connection, segment, whole=whole)
                ledger.put(msgspec.structs.replace(entry, state="partly" if inserted.out else "restored"))
        except NOT_BACK as error:
            not_back(bench, archive, entry, error)
            continue
        rows_back(bench, archive, entry, inserted)
        yield


def rows_back(bench: Bench, archive: Tree, entry: Entry, inserted: Inserted) -> None:
    """Into the books what came of an archive's rows; it ends where none of them is out."""
    bench.books.scanned += inserted.back + inserted.there + inserted.out
    bench.books.restored += inserted.back
    if inserted.out:
        bench.books.keep(Keep.ORIGIN_TAKEN, inserted.out)
        text = f"{inserted.out} of its rows stay in it: others have their keys, or what they refer to is gone"
        bench.books.fail(archive.shown(0, entry.file), text)
    else:
        end_archive(archive, entry)


def _insert(connection: sqlite3.Connection, segment: Segment, *, whole: bool) -> Inserted:
    head = insert_rows(connection, segment.rows[:whole], segment.tables)
    if head.out:
        raise sqlite3.IntegrityError(f"something else in {segment.rows[0][0]} has its key")
    return head + insert_rows(connection, segment.rows[whole:], segment.tables)


def _verified(archive: Tree, entry: Entry) -> bytes:
    data = read_file(archive.fd, entry.file)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise Damaged("not the file that the ledger knows")
    return data


def end_archive(archive: Tree, entry: Entry) -> None:
    """Remove an archive whose rows are in their tables again; a kill before it leaves that to the next run."""
    drop(archive.fd, entry.file)


def not_back(bench: Bench, archive: Tree, entry: Entry, error: Exception) -> None:
    """One archive could not be put back, and stays."""
    bench.books.scanned += 1
    bench.books.keep(Keep.ORIGIN_TAKEN if isinstance(error, sqlite3.IntegrityError) else Keep.FAILED)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    bench.books.fail(archive.shown(0, entry.file), text)
