"""The end of archives and segments: by the stamp in the ledger, never by what the file system says of a file's age.

Owns which entries are due and that a file goes by the protocol of every other file. Refuses to know what else must
happen when an archive is gone.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.database import write
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.walk import item_of
from aura_actors.domain.retention import Item, Plan, Rule, judge, judge_stamp

Expired = Callable[[Entry], None]
"""Told in one transaction with the change in the ledger."""


def expire(
    bench: Bench,
    archive: Tree,
    connection: sqlite3.Connection,
    entries: Sequence[Entry],
    *,
    older_than_seconds: float,
    expired: Expired,
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
        yield from _remove(bench, archive, [entry.file for entry in batch], quarantine=quarantine)
        if bench.dry_run:
            continue
        gone = [entry for entry in batch if _find(archive, entry.file) is None]
        ledger = Ledger(connection, make=True)
        with write(connection):
            for entry in gone:
                expired(entry)
                ledger.put(msgspec.structs.replace(entry, state="expired", expired_by=bench.run_id))
        yield


def discard_segments(bench: Bench, archive: Tree, connection: sqlite3.Connection, task: str) -> Iterator[None]:
    """Delete a task's segments that are older than the quarantine keeps things; they only served to undo.

    What stays of them is no item of the run.
    """
    before = bench.now_ns / 1e9 - bench.quarantine_seconds
    entries = Ledger(connection, make=False).of_task(task, "done")
    old = [entry for entry in entries if entry.archived_at <= before]
    yield from expire(
        bench, archive, connection, old, older_than_seconds=0.0, expired=lambda _: None, quarantine=False
    )


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
    if bench.dry_run:
        for item in going:
            books.free(item.size_bytes, item.allocated_bytes, quarantined=quarantine)
            books.list(archive.shown(0, item.name), item.size_bytes)
        return
    plan = Plan(remove=tuple(going), directories=(), kept={}, keep=())
    yield from Removal(bench, archive, quarantine=quarantine).steps(plan)


def _find(archive: Tree, name: str) -> Item | None:
    try:
        return item_of(0, name, os.stat(name, dir_fd=archive.fd, follow_symlinks=False))
    except FileNotFoundError:
        return None
