"""What lies in quarantine, and what was about to: the journal that cleanup writes before it moves anything.

Owns the tables; blocking, thread-safe, no Trio. What a state means after a kill is said in `cleaners.journal`, and
settled by `cleaners.recovery`.
"""

import errno
import os
import sqlite3
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from aura_actors.cleaners import snapshot
from aura_actors.cleaners.journal import Folder, Haul, Journal, Move, Recorded, State
from aura_actors.cleaners.roots import Declined
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.reserve import Reserve
from aura_actors.stores.sqlite import check_version, open_database, transaction

T = TypeVar("T")

SCHEMA = (
    """
    CREATE TABLE haul (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL,
        task TEXT NOT NULL,
        root BLOB NOT NULL              -- as the file system spells it; relative: from the folder of this file
    ) STRICT;
    CREATE TABLE folder (
        haul INTEGER NOT NULL REFERENCES haul ON DELETE CASCADE,
        number INTEGER NOT NULL,
        parent INTEGER NOT NULL,
        name BLOB NOT NULL,
        mode INTEGER NOT NULL,
        PRIMARY KEY (haul, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE move (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        haul INTEGER NOT NULL REFERENCES haul ON DELETE CASCADE,
        state TEXT NOT NULL,
        since_ns INTEGER NOT NULL DEFAULT 0,
        folder INTEGER NOT NULL,
        name BLOB NOT NULL,
        kind TEXT NOT NULL,
        inode TEXT NOT NULL,            -- unsigned 64 bits, more than SQLite's integers hold
        size_bytes INTEGER NOT NULL,
        allocated_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        mode INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX move_by_haul ON move (haul, seq);
    CREATE INDEX move_unsettled ON move (haul, seq) WHERE state <> 'quarantined';
    CREATE TABLE sighting (
        task TEXT NOT NULL,
        key BLOB NOT NULL,
        first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL,
        PRIMARY KEY (task, key)
    ) STRICT, WITHOUT ROWID;
    """,
)
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_COLUMNS = "folder, name, kind, inode, size_bytes, allocated_bytes, modified_ns, mode"


class Held(msgspec.Struct, frozen=True):
    """What lies in quarantine of one run."""

    items: int
    size_bytes: int


class QuarantineStore(Journal):
    """The file of the quarantine. `StoreUnavailable` names its path.

    A write for which the disk has no room is tried again with a part of a reserve given up, which lies beside it.
    Opened for `reading` it makes no call that modifies anything; a file that is not there yet is an empty one.
    """

    def __init__(self, path: str | Path, *, reading: bool = False, spending: bool = True) -> None:
        self._path = path
        self._folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - a string
        self._lock = threading.Lock()
        self._reading_only = reading
        self._spending = spending and not reading
        self._reserve = Reserve(Path(f"{path}-reserve"))
        try:
            self._connection = _open_untouched(Path(path)) if reading else self._with_room(self._open)
        except (sqlite3.Error, OSError, Declined) as error:
            raise self._unavailable(error) from error

    @classmethod
    def look(cls, path: str | Path) -> "QuarantineStore":
        """Opened for a few questions, which are no reason to give anything up: where the disk has not even room for
        the files that belong to a log, they are asked of what is read into memory."""
        try:
            return cls(path, spending=False)
        except StoreUnavailable:
            return cls(path, reading=True)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
        if not self._reading_only:
            self._reserve.renew()

    def _open(self) -> sqlite3.Connection:
        return open_database(self._path, schema=SCHEMA, synchronous="FULL")

    def open_haul(self, run_id: str, task: str, root: str) -> int:
        """As the journal says."""

        def open_haul(db: sqlite3.Connection) -> int:
            made = db.execute(
                "INSERT INTO haul (run_id, task, root) VALUES (?, ?, ?)",
                # What lies beside this file moves with it, and of a copy it is the copy that is meant.
                (run_id, task, os.fsencode(root.removeprefix(f"{self._folder}/"))),
            )
            assert made.lastrowid is not None
            return made.lastrowid

        return self._write(open_haul)

    def intend(self, haul: int, folders: Sequence[Folder], moves: Sequence[Move]) -> Sequence[int]:
        """As the journal says."""

        def intend(db: sqlite3.Connection) -> Sequence[int]:
            db.executemany(
                "INSERT INTO folder (haul, number, parent, name, mode) VALUES (?, ?, ?, ?, ?)",
                [(haul, f.number, f.parent, os.fsencode(f.name), f.mode) for f in folders],
            )
            return [_insert(db, haul, move) for move in moves]

        return self._write(intend)

    def doom(self, seqs: Sequence[int]) -> None:
        """As the journal says."""
        self._set_state("doomed", seqs)

    def put_back(self, seqs: Sequence[int]) -> None:
        """As the journal says."""
        self._set_state("returning", seqs)

    def settle(
        self,
        *,
        quarantined: Sequence[int] = (),
        purged: Sequence[int] = (),
        restored: Sequence[int] = (),
        forgotten: Sequence[int] = (),
        now_ns: int,
    ) -> None:
        """As the journal says."""

        def settle(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE move SET state = 'quarantined', since_ns = ? WHERE seq = ?",
                [(now_ns, seq) for seq in quarantined],
            )
            gone = [(seq,) for seqs in (purged, restored, forgotten) for seq in seqs]
            db.executemany("DELETE FROM move WHERE seq = ?", gone)

        self._write(settle)

    def tidy(self, now_ns: int) -> None:
        """As the journal says."""

        def tidy(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM haul WHERE NOT EXISTS (SELECT 1 FROM move WHERE haul = haul.number)")
            db.execute("UPDATE move SET since_ns = ?1 WHERE since_ns > ?1", (now_ns,))

        self._write(tidy)

    def hauls(self, run_id: str | None = None) -> Sequence[Haul]:
        """As the journal says."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT number, run_id, task, root FROM haul WHERE (?1 IS NULL OR run_id = ?1)"
                " AND EXISTS (SELECT 1 FROM move WHERE haul = haul.number) ORDER BY number",
                (run_id,),
            ).fetchall()
        return [Haul(number=n, run_id=run, task=task, root=self._root(root)) for n, run, task, root in rows]

    def _root(self, written: bytes) -> str:
        return os.path.join(self._folder, os.fsdecode(written))  # noqa: PTH118 - a string

    def folders(self, haul: int) -> Sequence[Folder]:
        """As the journal says."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT number, parent, name, mode FROM folder WHERE haul = ? ORDER BY number", (haul,)
            ).fetchall()
        return [Folder(number, parent, os.fsdecode(name), mode) for number, parent, name, mode in rows]

    def moves(
        self, haul: int, *, after: int = 0, limit: int, until_ns: int | None = None, settled: bool = True
    ) -> Sequence[Recorded]:
        """As the journal says."""
        which = "state = 'quarantined'" if settled else "state <> 'quarantined'"
        with self._reading() as db:
            rows = db.execute(
                f"SELECT seq, state, since_ns, {_COLUMNS} FROM move WHERE haul = ?1 AND seq > ?2 AND {which}"  # noqa: S608 - two constants
                " AND (?3 IS NULL OR since_ns <= ?3) ORDER BY seq LIMIT ?4",
                (haul, after, until_ns, limit),
            ).fetchall()
        return [_recorded(*row) for row in rows]

    def held(self) -> dict[str, Held]:
        """What of each run is on record."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT run_id, count(*), sum(size_bytes) FROM move JOIN haul ON haul.number = move.haul"
                " GROUP BY run_id"
            ).fetchall()
        return {run_id: Held(items, size_bytes) for run_id, items, size_bytes in rows}

    def unsettled(self) -> bool:
        """Whether a kill left moves of which nobody knows what came of them."""
        with self._reading() as db:
            (found,) = db.execute("SELECT EXISTS (SELECT 1 FROM move WHERE state <> 'quarantined')").fetchone()
        return bool(found)

    def sighted(self, task: str, keys: Sequence[bytes], now_ns: int, *, record: bool) -> Sequence[int]:
        """As the journal says."""

        def look(db: sqlite3.Connection) -> Sequence[int]:
            found = [
                db.execute("SELECT first_ns FROM sighting WHERE task = ? AND key = ?", (task, key)).fetchone()
                for key in keys
            ]
            # A stamp from the future is of a clock that was wrong: counted from now.
            return [now_ns if row is None else min(row[0], now_ns) for row in found]

        def look_and_record(db: sqlite3.Connection) -> Sequence[int]:
            first = look(db)
            db.executemany(
                "INSERT OR REPLACE INTO sighting VALUES (?, ?, ?, ?)",
                [(task, key, seen, now_ns) for key, seen in zip(keys, first, strict=True)],
            )
            return first

        if record:
            return self._write(look_and_record)
        with self._reading() as db:
            return look(db)

    def forget_sightings(self, task: str, before_ns: int) -> None:
        """As the journal says."""
        self._write(lambda db: db.execute("DELETE FROM sighting WHERE task = ? AND last_ns < ?", (task, before_ns)))

    def _set_state(self, state: State, seqs: Sequence[int]) -> None:
        self._write(
            lambda db: db.executemany("UPDATE move SET state = ? WHERE seq = ?", [(state, seq) for seq in seqs])
        )

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def transact() -> T:
            with transaction(self._connection) as db:
                return work(db)

        with self._reading():
            return self._with_room(transact)

    def _with_room(self, action: Callable[[], T]) -> T:
        """Do it; while the disk has no room for it, once more with a part of the reserve given up."""
        while True:
            try:
                return action()
            except (sqlite3.Error, OSError) as error:
                if not (self._spending and _wants_room(error) and self._reserve.spend()):
                    raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the journal of the quarantine {self._path} cannot be used: {error}")


def _wants_room(error: Exception) -> bool:
    """Whether a write failed because the disk is full. Of any other error nothing may be tried again: what a disk
    refused once to make durable is lost, even where it says the next time that it did."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    return getattr(error, "sqlite_errorcode", None) in NO_ROOM


def _open_untouched(path: Path) -> sqlite3.Connection:
    if not path.exists() or not path.stat().st_size:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.executescript("".join(SCHEMA))
        return connection
    if path.stat().st_size <= snapshot.LARGEST_BYTES:
        connection = snapshot.load(str(path))
    else:
        # Without what a killed process left in the log; only so does SQLite not make the files that belong to it.
        uri = f"file:{urllib.parse.quote(os.fsencode(path))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        check_version(connection, path, SCHEMA)
    except BaseException:  # raised again: nothing stays open
        connection.close()
        raise
    return connection


def _insert(db: sqlite3.Connection, haul: int, move: Move) -> int:
    made = db.execute(
        f"INSERT INTO move (haul, state, {_COLUMNS}) VALUES (?, 'intended', ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (
            haul,
            move.folder,
            os.fsencode(move.name),
            move.kind,
            str(move.inode),
            move.size_bytes,
            move.allocated_bytes,
            move.modified_ns,
            move.mode,
        ),
    )
    assert made.lastrowid is not None
    return made.lastrowid


def _recorded(seq: int, state: State, since_ns: int, *fields: Any) -> Recorded:
    """A row: of the types that the table has."""
    folder, name, kind, inode, size_bytes, allocated_bytes, modified_ns, mode = fields
    move = Move(
        folder=folder,
        name=os.fsdecode(name),
        kind=kind,
        inode=int(inode),
        size_bytes=size_bytes,
        allocated_bytes=allocated_bytes,
        modified_ns=modified_ns,
        mode=mode,
    )
    return Recorded(seq=seq, move=move, state=state, since_ns=since_ns)
