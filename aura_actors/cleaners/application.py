"""What an application's database says about files: which are referred to, and when cache entries were last used.

Owns the questions and how an answer becomes an absolute path. Refuses to know what follows for a file.
"""

import math
import os
import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from aura_actors.cleaners.database import find_table, open_application
from aura_actors.cleaners.roots import Declined

GONE = ("archived",)
"""Statuses of projects that have no files any more."""
LATEST_SECONDS = 1e11
"""Stamps say no later time than this one, three thousand years from now."""


class Reference(msgspec.Struct, frozen=True):
    """A query whose first column names files or folders; relative names are meant from `base`."""

    query: str
    base: str


def default_references(data_dir: str) -> tuple[Reference, ...]:
    """What the default layout refers to: every upload, every project's folder, every exported file."""
    return (
        Reference("SELECT path FROM uploads", f"{data_dir}/uploads"),
        Reference("SELECT path FROM projects WHERE path IS NOT NULL", f"{data_dir}/projects"),
        Reference("SELECT path FROM export_history WHERE path IS NOT NULL", data_dir),
    )


def referenced_paths(database: str | None, references: Sequence[Reference], *, dry_run: bool) -> Iterator[str]:
    """Absolute paths of everything that any row refers to, each as it is written and, where that differs, as it is
    with links resolved.

    Nothing that a row refers to, nor what is below it, is an orphan. Blocks; raises `Declined` before the first
    path where any query cannot be answered: without all references, everything would look like an orphan.
    """
    found: set[str] = set()
    with open_application(database, dry_run=dry_run, reading=True) as connection:
        for reference in references:
            rows = connection.execute(reference.query)
            if len(rows.description or ()) < 1:
                raise Declined(f"the query {reference.query!r} answers with no column")
            # All of them at once: while an answer is read, nobody can write a file without a write-ahead log.
            for name, *_ in rows.fetchall():
                if name is None or name == "":
                    continue
                found.update(_paths(name, reference))
    yield from found


def live_projects(connection: sqlite3.Connection) -> Iterator[object]:
    """Folders of the default layout's projects that are not archived, as they are written; none where the file has
    other tables. Only the tasks of projects may touch them."""
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo('projects')")}
    if {"status", "path"} <= columns:
        marks = ", ".join("?" * len(GONE))
        query = f"SELECT path FROM projects WHERE path <> '' AND (status IS NULL OR status NOT IN ({marks}))"
        yield from (name for (name,) in connection.execute(query, GONE))


def last_uses(database: str | None, base: str, *, dry_run: bool) -> dict[str, float]:
    """Unix seconds of the last use of cache entries, by absolute path; of the default layout."""
    query = "SELECT path, used_at FROM cache_entries"
    with open_application(database, dry_run=dry_run, reading=True) as connection:
        find_table(connection, "cache_entries", ("path", "used_at"))
        stamps = connection.execute(query).fetchall()
    reference = Reference(query, base)
    return {path: _seconds(stamp) for name, stamp in stamps for path in _paths(name, reference)}


def _seconds(stamp: object) -> float:
    """A stamp that is none of Unix seconds counts as one from the future, so that its entry stays, and is reported.

    None says nothing of a use.
    """
    try:
        seconds = 0.0 if stamp is None else float(stamp)  # type: ignore[arg-type]  # what it cannot take, it refuses
    except (TypeError, ValueError):
        return LATEST_SECONDS
    return LATEST_SECONDS if math.isnan(seconds) else min(max(seconds, 0.0), LATEST_SECONDS)


def forms_of(name: str | bytes, base: str) -> set[str]:
    """The absolute path as it is written, and as it is with links resolved; none of what cannot be a path."""
    text = os.fsdecode(name)
    if "\0" in text:
        return set()
    written = os.path.normpath(os.path.join(base, text))  # noqa: PTH118 - strings
    return {written, os.path.realpath(written)}


def _paths(name: object, reference: Reference) -> set[str]:
    if not isinstance(name, str | bytes):
        raise Declined(f"the query {reference.query!r} answers with {name!r}, which is no path")
    return forms_of(name, reference.base)
