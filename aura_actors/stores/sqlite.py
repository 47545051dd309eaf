"""Opening a SQLite file the way every store here needs it, and transactions on it.

Owns file mode, journal mode, durability and schema versions; knows no table.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from aura_actors.errors import InvalidValue


def open_database(
    path: str | Path,
    *,
    schema: Sequence[str],
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    busy_timeout_seconds: float = 5.0,
) -> sqlite3.Connection:
    """Open or create `path`, mode 0600, WAL, in autocommit; usable from any thread, one at a time.

    `schema[n]` is the script that brings version n to n+1 (`PRAGMA user_version`). Raises `InvalidValue` for a
    file of a newer version, `sqlite3.Error` and `OSError` as they come.
    """
    path = Path(path)
    _private(path)
    connection = sqlite3.connect(path, timeout=busy_timeout_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path, schema)
    except BaseException:  # raised again: nothing stays open or half-done
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing: commits at the end of the block, rolls back when it, or the commit, raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:  # raised again: nothing stays open or half-done
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _private(path: Path) -> None:
    try:
        # An existing file is never opened and closed here: that would drop SQLite's locks of the whole process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def check_version(connection: sqlite3.Connection, path: str | Path, schema: Sequence[str]) -> int:
    """The version of a file. Raises `InvalidValue` for a newer one than `schema` brings it to."""
    with closing(connection.execute("PRAGMA user_version")) as cursor:
        (version,) = cursor.fetchone()
    if version > len(schema):
        raise InvalidValue(
            f"{path} is of version {version}, this program knows {len(schema)}: it was written by a newer one"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path, schema: Sequence[str]) -> None:
    version = check_version(connection, path, schema)
    for number, script in enumerate(schema[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version = {number};COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
