"""Gives the free pages of an SQLite file back to the file system, where that is worth it and nobody waits long.

Owns when it is worth it, and which of the two ways: page by page in small transactions, or the whole file anew. A
file that somebody writes to, or reads at length, is left for another time. Refuses to know what the pages held.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from aura_actors.cleaners.base import Bench, Every, TaskOptions
from aura_actors.cleaners.database import BUSY_SECONDS, open_application
from aura_actors.cleaners.roots import Declined
from aura_actors.domain.retention import Keep

PAGES_AT_ONCE = 250
TRIES, PAUSE_SECONDS = 20, 0.05
"""How often, and how far apart, a file that is in use is tried."""
INCREMENTAL = 2
"""`PRAGMA auto_vacuum` of a file whose pages can be given back one by one."""


class Pages(msgspec.Struct, frozen=True):
    """How an SQLite file is filled."""

    total: int
    free: int
    size_bytes: int
    """Of one page."""

    @property
    def free_share(self) -> float:
        """0 to 1."""
        return self.free / self.total if self.total else 0.0


class Vacuum(TaskOptions, frozen=True, kw_only=True, tag_field="task", tag="vacuum"):
    """The last task of the weekly pass: what the others deleted is what it gives back."""

    every: Every | tuple[Every, ...] = "weekly"
    database: str | None = None
    """The application's own SQLite file; None is `aura.db` in the data directory."""
    min_free_share: Annotated[float, Meta(ge=0, le=1)] = 0.25
    """Below this share of free pages nothing is done."""
    min_free_bytes: Annotated[int, Meta(ge=0)] = 64 * 1024**2
    """Below this much free space a file is not written anew, which its other users would notice."""
    room: Annotated[float, Meta(ge=1)] = 2.2
    """Free space on the disk that writing anew needs, as a multiple of what will remain."""

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """None: no folder is swept."""
        return ()

    def work(self, bench: Bench) -> Iterator[None]:
        """Look, decide, give back. Raises `Declined` where the file is in use, or the disk has too little room."""
        path = self.database or bench.database
        with open_application(path, dry_run=bench.dry_run) as connection:
            assert path is not None
            pages = read_pages(connection)
            by_pages = _pragma(connection, "auto_vacuum") == INCREMENTAL
            bench.books.scanned = bench.books.total = pages.free
            if not self._is_worth_it(pages, by_pages=by_pages):
                bench.books.keep(Keep.NOT_WORTH_IT, pages.free)
                return
            if not by_pages:
                self._demand_room(path, pages)
            if bench.dry_run:
                bench.books.leave_open("whether somebody has the database in use shows when it is given back")
                _account(bench, pages, pages.total - pages.free)
                return
            yield from _checkpoint(connection, path)
            bench.books.phase = "giving pages back" if by_pages else "writing the file anew; this cannot be stopped"
            yield
            yield from _by_pages(bench, connection, pages) if by_pages else _anew(bench, connection, pages)
            yield from _checkpoint(connection, None)
            connection.execute("PRAGMA optimize")

    def _is_worth_it(self, pages: Pages, *, by_pages: bool) -> bool:
        enough = by_pages or pages.free * pages.size_bytes >= self.min_free_bytes
        return enough and pages.free > 0 and pages.free_share >= self.min_free_share

    def _demand_room(self, path: str, pages: Pages) -> None:
        needed = int((pages.total - pages.free) * pages.size_bytes * self.room)
        for folder in (os.path.dirname(path), _temporary_folder()):  # noqa: PTH120 - a string
            room = os.statvfs(folder)
            free = room.f_bavail * room.f_frsize
            if free < needed:
                raise Declined(
                    f"{path} cannot be written anew: {folder} has {free} bytes free, {needed} are needed"
                )


def read_pages(connection: sqlite3.Connection) -> Pages:
    """How the file is filled now."""
    return Pages(*(_pragma(connection, name) for name in ("page_count", "freelist_count", "page_size")))


def _temporary_folder() -> str:
    """Where SQLite will put the image of the file."""
    named = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108 - SQLite's
    return next((folder for folder in named if folder and os.access(folder, os.W_OK | os.X_OK)), ".")


def _by_pages(bench: Bench, connection: sqlite3.Connection, before: Pages) -> Iterator[None]:
    free = before.free
    while free:
        # Not `execute`: in some versions of Python it makes one step, and this statement frees a page at a step.
        connection.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
        left = _pragma(connection, "freelist_count")
        if left >= free:
            break  # others free pages as fast as we give them back
        free = left
        _account(bench, before, _pragma(connection, "page_count"))
        yield
    bench.books.keep(Keep.CHANGED, free)


def _anew(bench: Bench, connection: sqlite3.Connection, before: Pages) -> Iterator[None]:
    connection.execute("PRAGMA temp_store = FILE")  # the image of the whole file is not to be in memory
    connection.execute("VACUUM")
    _account(bench, before, _pragma(connection, "page_count"))
    yield
    bench.books.phase = "checking the file"
    yield
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Declined(f"the file is damaged: {verdict}")


def _checkpoint(connection: sqlite3.Connection, path: str | None) -> Iterator[None]:
    """Have the log in the file, without keeping writers waiting.

    Raises `Declined` where others read or write all the time; without a `path` that is only a pity.
    """
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # copies most of it; nobody waits for this one
    connection.execute("PRAGMA busy_timeout = 0")  # what waits for readers holds writers up
    for _ in range(TRIES):
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            break
        yield
        time.sleep(PAUSE_SECONDS)
    else:
        if path is not None:
            raise Declined(f"{path} is in use")
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1_000)}")


def _account(bench: Bench, before: Pages, total: int) -> None:
    """An item is a page. A file may shrink by more than was free: pages that kept track of others go too."""
    books = bench.books
    books.removed = before.total - total
    books.freed_bytes = books.freed_allocated_bytes = books.removed * before.size_bytes
    books.scanned = max(before.free, books.removed)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
