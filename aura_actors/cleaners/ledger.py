"""The ledger: what was sealed into archives, in the very database that the rows were in.

Owns the table `aura_ledger`. It lies beside the rows so that one transaction deletes them and says where they are;
so also in an application's own file, where a real run makes it. Refuses to know files and protocols.

A project's entry is `pending` from the moment its status was changed, `sealed` once its rows say that it is
archived, `done` when its files are gone. A segment's is `done` at once. Either becomes `expired` when the archive
was deleted, or `restored` when its rows were put back; both only remember. It is `partly` restored while something
is in the way of a row: then it is the only place of that row, and nothing ends it but another undo.
"""

import sqlite3
from typing import Literal

import msgspec

from aura_actors.cleaners.database import write

TABLE = "aura_ledger"

State = Literal["pending", "sealed", "done", "expired", "partly", "restored"]

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    file TEXT PRIMARY KEY NOT NULL,     -- name in the archive folder
    task TEXT NOT NULL,
    run_id TEXT NOT NULL,
    state TEXT NOT NULL,                -- pending, sealed, done; expired, partly, restored
    subject BLOB,                       -- the project's id as JSON; NULL for a segment of rows
    status TEXT,                        -- the project's before the run
    rows INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT '',    -- of the file
    archived_at REAL NOT NULL,          -- unix seconds
    expired_by TEXT                     -- the run that deleted the archive
)
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One archive or segment."""

    file: str
    task: str
    run_id: str
    state: State
    subject: bytes | None = None
    status: str | None = None
    rows: int = 0
    size_bytes: int = 0
    sha256: str = ""
    archived_at: float
    expired_by: str | None = None


_FIELDS = Entry.__struct_fields__
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM {TABLE}"
_PUT = f"INSERT OR REPLACE INTO {TABLE} ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})"


class Ledger:
    """The table in one database. Without `make`, one that is not there is an empty one."""

    def __init__(self, connection: sqlite3.Connection, *, make: bool) -> None:
        self._connection = connection
        self._there = _exists(connection)
        if make and not self._there:
            with write(connection):
                connection.execute(SCHEMA)
            self._there = True

    def put(self, entry: Entry) -> None:
        """Write one, in the transaction that the caller has begun."""
        self._connection.execute(_PUT, msgspec.structs.astuple(entry))

    def drop(self, file: str) -> None:
        """Forget one that never came to be, in the caller's transaction."""
        self._connection.execute(f"DELETE FROM {TABLE} WHERE file = ?", (file,))

    def find(self, file: str) -> Entry | None:
        """By the archive's name."""
        return next(iter(self._select("WHERE file = ?", file)), None)

    def is_empty(self) -> bool:
        """Whether nothing was ever archived out of this database."""
        return not self._select("LIMIT 1")

    def has_another(self, entry: Entry) -> bool:
        """Whether another archive is there of the same subject: a project can be archived again."""
        there = "WHERE task = ? AND subject = ? AND file <> ? AND state NOT IN ('pending', 'expired', 'restored')"
        return bool(self._select(f"{there} LIMIT 1", entry.task, entry.subject, entry.file))

    def of_task(self, task: str, *states: State) -> list[Entry]:
        """Those of one task in these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        return self._select(f"WHERE task = ? AND state IN ({marks}) ORDER BY archived_at, file", task, *states)

    def of_run(self, run_id: str) -> list[Entry]:
        """What one run sealed, or let expire; the oldest first."""
        return self._select("WHERE run_id = ? OR expired_by = ? ORDER BY archived_at, file", run_id, run_id)

    def runs(self, task: str) -> list[str]:
        """The runs of a task of which an archive holds rows."""
        return [*{entry.run_id: None for entry in self.of_task(task, "sealed", "done", "partly")}]

    def _select(self, clause: str, *values: str | bytes | None) -> list[Entry]:
        if not self._there:
            return []
        rows = self._connection.execute(f"{_SELECT} {clause}", values).fetchall()
        return [msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Entry) for row in rows]


def _exists(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (TABLE,))
    return found.fetchone() is not None
