"""The journal of leases: every lease is written here before anybody is told of it.

It is the one way back, after a crash of the admission actor as after kill -9 of the program. Writes reach the
operating system, not the disk: a power cut or a reboot ends every job anyway, so a journal of another boot is void
(only its fence counts on). Blocking; use from one thread at a time.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from aura_actors.domain.leases import Lease, renewed
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.sqlite import open_database, transaction

SCHEMA = (
    """
    CREATE TABLE lease (fence INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
    # Provider slots are leases like any other now; those of an older program, which last seconds, are let go.
    """
    ALTER TABLE lease RENAME TO lease_before;
    CREATE TABLE lease (fence INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
    INSERT INTO lease SELECT fence, body FROM lease_before WHERE kind = 'job';
    DROP TABLE lease_before;
    """,
)
_ENCODER = msgspec.msgpack.Encoder()
TOGETHER = 64
"""So many rows are one statement: each statement hands the interpreter's lock over, and waits to have it back."""
T = TypeVar("T")
BUSY_SECONDS = 1.0
"""How long to wait for another process that has the file locked: admission answers nobody meanwhile."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal holds: live leases, the highest fence ever handed out, and whether the program is new."""

    fence: int
    leases: tuple[Lease, ...]
    restarted: bool


class Journal:
    """`boot` identifies this run of the machine, `session` this run of the program."""

    def __init__(self, path: Path, *, boot: str, session: str) -> None:
        self._path = path
        self._boot = boot
        self._session = session
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] = (0, 0)
        """Of the file that is open: a journal that was removed or replaced would swallow what is written to it."""

    def open(self) -> None:
        """Open the file and see that it is whole. Raises `StoreUnavailable` or `InvalidValue`, with the path."""
        if self._connection is not None:
            return
        try:
            if self._path.exists() and self._path.stat().st_size == 0:
                raise sqlite3.DatabaseError("it is empty; remove it to begin without leases")
            connection = open_database(
                self._path, schema=SCHEMA, synchronous="NORMAL", busy_timeout_seconds=BUSY_SECONDS
            )
            try:
                _check_whole(connection, self._path)
                found = self._path.stat()
            except BaseException:  # raised again: nothing stays open or half-done
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"the journal {self._path} cannot be used: {error}") from error
        self._connection, self._identity = connection, (found.st_dev, found.st_ino)

    def recover(self, now: float) -> Recovered:
        """Everything that was live, at `now` (monotonic seconds).

        After a restart of the program every lease gets its full time again: its holder could not renew meanwhile.
        """
        with self._writing() as db:
            facts = dict(db.execute("SELECT name, value FROM fact").fetchall())
            if facts.get("boot") != self._boot:
                db.execute("DELETE FROM lease")
            rows = db.execute("SELECT body FROM lease ORDER BY fence").fetchall()
            leases = [msgspec.msgpack.decode(body, type=Lease) for (body,) in rows]
            restarted = facts.get("session") != self._session
            if restarted:
                leases = [_full_time(lease, now) for lease in leases]
                _put(db, leases)
            _set(db, boot=self._boot, session=self._session)
            return Recovered(fence=int(facts.get("fence", 0)), leases=tuple(leases), restarted=restarted)

    def write(self, leases: Sequence[Lease], erased: Sequence[int]) -> None:
        """Write new and changed leases and forget those that ended, all or nothing."""
        with self._writing() as db:
            _put(db, leases)
            if leases:
                _count(db, max(lease.fence for lease in leases))
            _erase(db, erased)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self.open()
        assert self._connection is not None
        try:
            found = self._path.stat()
            if (found.st_dev, found.st_ino) != self._identity:
                raise sqlite3.OperationalError("another file has taken its place; restart the daemon")
            with transaction(self._connection):
                yield self._connection
        except (sqlite3.Error, OSError, msgspec.MsgspecError, ValueError) as error:
            raise StoreUnavailable(f"the journal {self._path} cannot be used: {error}") from error


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite looks at a page when it needs it; a journal that was cut short would look like an empty one."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if found != "ok" or path.stat().st_size < pages * page_bytes:
        raise sqlite3.DatabaseError(f"it is damaged ({found if found != 'ok' else 'cut short'})")


def _full_time(lease: Lease, now: float) -> Lease:
    return renewed(lease, max(now, lease.expires_at - lease.ttl_seconds), lease.ttl_seconds, lease.connection)


def _put(db: sqlite3.Connection, leases: Sequence[Lease]) -> None:
    for part in _parts(leases):
        rows = ", ".join(["(?, ?)"] * len(part))
        values = [value for lease in part for value in (lease.fence, _ENCODER.encode(lease))]
        db.execute(f"INSERT OR REPLACE INTO lease (fence, body) VALUES {rows}", values)  # noqa: S608  (places alone)


def _erase(db: sqlite3.Connection, fences: Sequence[int]) -> None:
    for part in _parts(fences):
        places = ", ".join("?" * len(part))
        db.execute(f"DELETE FROM lease WHERE fence IN ({places})", part)  # noqa: S608  (places alone)


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER))


def _count(db: sqlite3.Connection, fence: int) -> None:
    db.execute(
        "INSERT INTO fact (name, value) VALUES ('fence', ?1) "
        "ON CONFLICT (name) DO UPDATE SET value = ?1 WHERE CAST(value AS INTEGER) < ?2",
        (str(fence), fence),
    )


def _set(db: sqlite3.Connection, **facts: str) -> None:
    db.executemany("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", list(facts.items()))
