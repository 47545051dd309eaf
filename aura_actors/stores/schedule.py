"""What the cleanup schedule must not forget: when each task began, how far it was, when it ended; reports, roots.

Owns the tables; blocking, thread-safe, no Trio. Decides nothing: what is due is `domain.schedule`'s business,
what a root's identity means is `cleaners.roots`'.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from aura_actors.cleaners.roots import RootIdentity
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores.sqlite import open_database, transaction
from aura_actors.wire.cleanup import CleanupProgress, CleanupReport

T = TypeVar("T")

REMEMBERED_RUNS = 50
"""Reports of real runs that are kept, and beyond them each that can be undone."""

SCHEMA = (
    """
    CREATE TABLE cleanup_tasks (
        task TEXT PRIMARY KEY,
        run_id TEXT,
        started_at REAL,            -- unix seconds; of the last real run
        finished_at REAL,           -- unix seconds; of the last real run that came to an end
        outcome TEXT,               -- NULL: begun, and not ended
        last_report BLOB            -- CleanupReport as JSON
    );
    CREATE TABLE cleanup_roots (
        path BLOB PRIMARY KEY,     -- as the file system spells it
        device TEXT NOT NULL,       -- unsigned 64 bits, more than SQLite's integers hold
        inode TEXT NOT NULL,
        sentinel_inode TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE cleanup_tasks ADD COLUMN cursor BLOB;  -- how far the run was: CleanupProgress as JSON
    CREATE TABLE cleanup_runs (
        ended INTEGER PRIMARY KEY,  -- grows with each
        run_id TEXT NOT NULL UNIQUE,
        quarantined INTEGER NOT NULL,
        report BLOB NOT NULL        -- CleanupReport as JSON
    );
    """,
    "ALTER TABLE cleanup_runs RENAME COLUMN quarantined TO undoable",
)


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One task's row. Stamps are unix seconds; `outcome` None with a `run_id` is a run that never ended."""

    task: str
    run_id: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    outcome: str | None = None
    last_report: CleanupReport | None = None
    cursor: CleanupProgress | None = None
    """How far the run was when that was last written down."""

    @property
    def unfinished(self) -> bool:
        """A run was begun and there is no word of its end."""
        return self.run_id is not None and self.outcome is None


class ScheduleStore:
    """The schedule's file. Every call is one durable transaction; raises `StoreUnavailable` with its path.

    The first call that can opens it. The space that is kept aside for a full disk is not for this file: its words
    can wait, a run that makes room cannot.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def records(self) -> dict[str, TaskRecord]:
        """Every task that ever ran, by id."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT task, run_id, started_at, finished_at, outcome, last_report, cursor FROM cleanup_tasks"
            ).fetchall()
        return {row[0]: _record(*row) for row in rows}

    def begin(self, task: str, run_id: str, started_at: float) -> None:
        """A real run begins: until `finish`, it counts as unfinished."""
        self._write(
            lambda db: db.execute(
                "INSERT INTO cleanup_tasks (task, run_id, started_at) VALUES (?, ?, ?) ON CONFLICT (task) DO"
                " UPDATE SET run_id = excluded.run_id, started_at = excluded.started_at, outcome = NULL,"
                " cursor = NULL",
                (task, run_id, started_at),
            )
        )

    def note(self, task: str, cursor: CleanupProgress) -> None:
        """How far the run under way is: all that is known of it should nobody hear its end."""
        self._write(
            lambda db: db.execute(
                "UPDATE cleanup_tasks SET cursor = ? WHERE task = ? AND run_id = ? AND outcome IS NULL",
                (msgspec.json.encode(cursor), task, cursor.run_id),
            )
        )

    def finish(self, report: CleanupReport) -> None:
        """A real run came to an end; the next one is counted from `report.finished_at`."""
        self._close_run(report, report.finished_at.timestamp())

    def interrupt(self, report: CleanupReport) -> None:
        """A run is known to have been cut short; what is due still counts from the run before it."""
        self._close_run(report, None)

    def correct_finish(self, task: str, finished_at: float) -> None:
        """Replace a stamp that turned out to be in the future."""
        self._write(
            lambda db: db.execute("UPDATE cleanup_tasks SET finished_at = ? WHERE task = ?", (finished_at, task))
        )

    def runs(self) -> list[CleanupReport]:
        """What is remembered of the last real runs, the newest first."""
        with self._reading() as db:
            rows = db.execute("SELECT report FROM cleanup_runs ORDER BY ended DESC").fetchall()
        return [report for (text,) in rows if (report := _read(text, CleanupReport)) is not None]

    def amend(self, reports: Iterable[CleanupReport]) -> None:
        """Something became of what these runs put into quarantine or into archives."""
        texts = [(report, msgspec.json.encode(report)) for report in reports]

        def amend(db: sqlite3.Connection) -> None:
            for report, text in texts:
                db.execute(
                    "UPDATE cleanup_runs SET report = ?, undoable = ? WHERE run_id = ?",
                    (text, report.undoable, report.run_id),
                )
                db.execute("UPDATE cleanup_tasks SET last_report = ? WHERE run_id = ?", (text, report.run_id))

        self._write(amend)

    def root(self, path: str) -> RootIdentity | None:
        """What was recorded about a root, by its path; None for a new one."""
        with self._reading() as db:
            row = db.execute(
                "SELECT device, inode, sentinel_inode FROM cleanup_roots WHERE path = ?", (os.fsencode(path),)
            ).fetchone()
        return None if row is None else RootIdentity(*map(int, row))

    def record_root(self, path: str, identity: RootIdentity) -> None:
        """Remember a root, in place of what was recorded before."""
        self._write(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO cleanup_roots VALUES (?, ?, ?, ?)",
                (os.fsencode(path), str(identity.device), str(identity.inode), str(identity.sentinel_inode)),
            )
        )

    def _close_run(self, report: CleanupReport, finished_at: float | None) -> None:
        text = msgspec.json.encode(report)

        def close(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE cleanup_tasks SET outcome = ?, last_report = ?, finished_at = coalesce(?, finished_at)"
                " WHERE task = ? AND run_id = ?",
                (report.outcome, text, finished_at, report.task, report.run_id),
            )
            db.execute(
                "INSERT OR REPLACE INTO cleanup_runs (run_id, undoable, report) VALUES (?, ?, ?)",
                (report.run_id, report.undoable, text),
            )
            db.execute(
                "DELETE FROM cleanup_runs WHERE undoable = 0 AND ended NOT IN"
                " (SELECT ended FROM cleanup_runs ORDER BY ended DESC LIMIT ?)",
                (REMEMBERED_RUNS,),
            )

        self._write(close)

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with self._reading() as db, transaction(db):
            work(db)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = open_database(self._path, schema=SCHEMA, synchronous="FULL")
                yield self._connection
            except sqlite3.ProgrammingError:
                raise  # closed: no trouble of a disk, but a mistake of ours
            except (sqlite3.Error, OSError, InvalidValue) as error:
                text = f"the state of the cleanup tasks {self._path} cannot be used: {error}"
                raise StoreUnavailable(text) from error


def _record(
    task: str,
    run_id: str | None,
    started_at: float | None,
    finished_at: float | None,
    outcome: str | None,
    last_report: bytes | None,
    cursor: bytes | None,
) -> TaskRecord:
    return TaskRecord(
        task=task,
        run_id=run_id,
        started_at=started_at,
        finished_at=finished_at,
        outcome=outcome,
        last_report=_read(last_report, CleanupReport),
        cursor=_read(cursor, CleanupProgress),
    )


def _read(text: bytes | None, kind: type[T]) -> T | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return None  # of a version with other fields; it is only shown, nothing is decided by it
