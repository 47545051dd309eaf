"""Putting rows back that a run took out of a database.

Owns the way back: verify, one transaction for rows and ledger, then the end of the segment. A row that is in the
way is never overwritten; the segment stays then. Refuses to know files and quarantine.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator

import msgspec

from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.database import insert_rows, write
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.segments import Damaged, read_file, unpack
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.retention import Keep

NOT_BACK = (OSError, Damaged, sqlite3.IntegrityError)
"""What keeps one archive from being put back, and no other."""


def put_segments_back(
    bench: Bench, archive: Tree, connection: sqlite3.Connection, task: str, run_id: str
) -> Iterator[None]:
    """Insert the rows of every segment that a run of a task sealed; then the segments go."""
    ledger = Ledger(connection, make=False)
    for entry in ledger.of_run(run_id):
        if entry.task != task or entry.state != "done":
            continue
        try:
            segment = unpack(_verified(archive, entry))
            with write(connection):
                insert_rows(connection, segment.rows, segment.tables)
                ledger.put(msgspec.structs.replace(entry, state="restored"))
        except NOT_BACK as error:
            not_back(bench, archive, entry, error)
            continue
        bench.books.scanned += len(segment.rows)
        bench.books.restored += len(segment.rows)
        end_archive(archive, entry)
        yield


def _verified(archive: Tree, entry: Entry) -> bytes:
    data = read_file(archive.fd, entry.file)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise Damaged("not the file that the ledger knows")
    return data


def end_archive(archive: Tree, entry: Entry) -> None:
    """Remove an archive whose rows are in their tables again; a kill before it leaves that to the next run."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(entry.file, dir_fd=archive.fd)
        os.fsync(archive.fd)


def not_back(bench: Bench, archive: Tree, entry: Entry, error: Exception) -> None:
    """One archive could not be put back, and stays."""
    bench.books.scanned += 1
    bench.books.keep(Keep.ORIGIN_TAKEN if isinstance(error, sqlite3.IntegrityError) else Keep.FAILED)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    bench.books.fail(archive.shown(0, entry.file), text)
