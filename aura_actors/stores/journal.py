"""The journal of leases: every lease is written here before anybody is told of it.

It is the one way back, after a crash of the admission actor as after kill -9 of the program. Writes reach the
operating system, not the disk: a power cut or a reboot ends every job anyway, so a journal of another boot is void
(only its fence counts on). Blocking; use from one thread at a time.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from aura_actors.domain.leases import renewed
from aura_actors.domain.ledger import JobLease
from aura_actors.domain.providers import SlotLease
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.sqlite import open_database, transaction

SCHEMA = (
    """
    CREATE TABLE lease (fence INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)
JOB, SLOT = "job", "slot"
BUSY_SECONDS = 1.0
"""How long to wait for another process that has the file locked: admission answers nobody meanwhile."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal holds: live leases, and the highest fence ever handed out."""

    fence: int
    jobs: tuple[JobLease, ...]
    slots: tuple[SlotLease, ...]


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
            rows = db.execute("SELECT kind, body FROM lease ORDER BY fence").fetchall()
            jobs = [msgspec.msgpack.decode(body, type=JobLease) for kind, body in rows if kind == JOB]
            slots = [msgspec.msgpack.decode(body, type=SlotLease) for kind, body in rows if kind == SLOT]
            if facts.get("session") != self._session:
                jobs = [renewed(job, max(now, job.expires_at - job.ttl_seconds), job.ttl_seconds) for job in jobs]
                slots = [
                    renewed(slot, max(now, slot.expires_at - slot.ttl_seconds), slot.ttl_seconds) for slot in slots
                ]
                _put(db, JOB, jobs)
                _put(db, SLOT, slots)
            _set(db, boot=self._boot, session=self._session)
            return Recovered(fence=int(facts.get("fence", 0)), jobs=tuple(jobs), slots=tuple(slots))

    def record_job(self, lease: JobLease) -> None:
        """Write a new or renewed job lease."""
        with self._writing() as db:
            _put(db, JOB, [lease])
            _count(db, lease.fence)

    def record_slot(self, lease: SlotLease) -> None:
        """Write a new or renewed slot lease."""
        with self._writing() as db:
            _put(db, SLOT, [lease])
            _count(db, lease.fence)

    def erase(self, fences: Sequence[int]) -> None:
        """Forget leases that ended."""
        with self._writing() as db:
            db.executemany("DELETE FROM lease WHERE fence = ?", [(fence,) for fence in fences])

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


def _put(db: sqlite3.Connection, kind: str, leases: Sequence[JobLease] | Sequence[SlotLease]) -> None:
    rows = [(lease.fence, kind, msgspec.msgpack.encode(lease)) for lease in leases]
    db.executemany("INSERT OR REPLACE INTO lease (fence, kind, body) VALUES (?, ?, ?)", rows)


def _count(db: sqlite3.Connection, fence: int) -> None:
    db.execute(
        "INSERT INTO fact (name, value) VALUES ('fence', ?1) "
        "ON CONFLICT (name) DO UPDATE SET value = ?1 WHERE CAST(value AS INTEGER) < ?2",
        (str(fence), fence),
    )


def _set(db: sqlite3.Connection, **facts: str) -> None:
    db.executemany("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", list(facts.items()))
