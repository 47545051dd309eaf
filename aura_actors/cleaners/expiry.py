"""The end of archives and segments: by the stamp in the ledger, never by what the file system says of a file's age.

Owns which entries are due and that a file goes by the protocol of every other file. Refuses to know what else must
happen when an archive is gone.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.database import can_be_tried, rehearsal, write
from aura_actors.cleaners.foresight import foreseen
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.walk import item_of
from aura_actors.domain.retention import Item, Keep, Plan, Rule, judge, judge_stamp

Expired = Callable[[Entry], None]
"""Told in one transaction with the change in the ledger; before that, in one of which nothing stays."""

REFUSES = "the database refuses to delete its row"


def expire(
    bench: Bench,
    archive: Tree,
    connection: sqlite3.Connection,
    entries: Sequence[Entry],
    *,
    older_than_seconds: float,
    expired: Expired | None = None,
    quarantine: bool = True,
) -> Iterator[None]:
    """Remove the files of entries that are old enough; an entry expires when its file is gone from its place."""
    books, now = bench.books, bench.now_ns / 1e9
    due: list[Entry] = []
    for entry in entries:
        reason = judge_stamp(entry.archived_at, now, older_than_seconds=older_than_seconds)
        if reason is None:
            due.append(entry)
        else:
            books.scanned += 1
            books.keep(reason)
    for first in range(0, len(due), BATCH):
        batch = due[first : first + BATCH]
        if expired is not None and can_be_tried(bench, connection):
            batch = [entry for entry in batch if _may_expire(bench, archive, connection, entry, expired)]
        yield from _remove(bench, archive, [entry.file for entry in batch], quarantine=quarantine)
        if bench.dry_run:
            continue
        gone = [entry for entry in batch if _find(archive, entry.file) is None]
        for entry in gone:
            _expire(bench, archive, connection, entry, expired)
        yield


def _may_expire(
    bench: Bench, archive: Tree, connection: sqlite3.Connection, entry: Entry, expired: Expired
) -> bool:
    """Whether the database would go along: asked while the file is at its place."""
    try:
        with rehearsal(connection):
            expired(entry)
    except sqlite3.IntegrityError as error:
        bench.books.scanned += 1
        bench.books.keep(Keep.FAILED)
        bench.books.fail(archive.shown(0, entry.file), f"{REFUSES}: {error}")
        return False
    return True


def _expire(
    bench: Bench, archive: Tree, connection: sqlite3.Connection, entry: Entry, expired: Expired | None
) -> None:
    ledger = Ledger(connection, make=True)
    try:
        with write(connection):
            if expired is not None:
                expired(entry)
            ledger.put(msgspec.structs.replace(entry, state="expired", expired_by=bench.run_id))
    except sqlite3.IntegrityError as error:
        text = f"{REFUSES}: {error}; the undo of run {bench.run_id} brings the file back"
        bench.books.fail(archive.shown(0, entry.file), text)


def discard_segments(bench: Bench, archive: Tree, connection: sqlite3.Connection, task: str) -> Iterator[None]:
    """Delete a task's segments that are older than the quarantine keeps things; they only served to undo.

    What stays of them is no item of the run.
    """
    before = bench.now_ns / 1e9 - bench.quarantine_seconds
    entries = Ledger(connection, make=False).of_task(task, "done")
    old = [entry for entry in entries if entry.archived_at <= before]
    yield from expire(bench, archive, connection, old, older_than_seconds=0.0, quarantine=False)


def _remove(bench: Bench, archive: Tree, names: Sequence[str], *, quarantine: bool) -> Iterator[None]:
    books, going = bench.books, list[Item]()
    rule = Rule(older_than_seconds=None)
    for name in names:
        item = _find(archive, name)
        if item is None:
            continue  # in quarantine since a run that was killed, or taken away by hand
        books.scanned += 1
        reason = judge(item, bench.now_ns, rule)
        if reason is None:
            going.append(item)
        else:
            books.keep(reason)
    plan = Plan(remove=tuple(going), directories=(), kept={}, keep=())
    if bench.dry_run:
        plan = yield from foreseen(bench, archive, plan)
        for reason, count in plan.kept.items():
            books.keep(reason, count)
        for item in plan.remove:
            books.free(item.size_bytes, item.allocated_bytes, quarantined=quarantine)
            books.list(archive.shown(0, item.name), item.size_bytes)
        return
    yield from Removal(bench, archive, quarantine=quarantine).steps(plan)


def _find(archive: Tree, name: str) -> Item | None:
    try:
        return item_of(0, name, os.stat(name, dir_fd=archive.fd, follow_symlinks=False))
    except FileNotFoundError:
        return None
