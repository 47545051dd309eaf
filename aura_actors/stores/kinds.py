"""What was learned of each kind of job, over restarts and reboots.

Owns one table; blocking, from one thread at a time. What a history means is `domain.learning`'s business.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aura_actors.domain.learning import KINDS, History
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.sqlite import open_database, transaction

SCHEMA = (
    """
    CREATE TABLE kinds (
        kind TEXT PRIMARY KEY,
        heard INTEGER NOT NULL,     -- grows with every write: the one that was not heard of for longest goes first
        history BLOB NOT NULL       -- History as MessagePack
    ) STRICT;
    """,
)
_ENCODER = msgspec.msgpack.Encoder()
_BUSY_SECONDS = 1.0


class KindStore:
    """The file of statistics. Raises `StoreUnavailable` with its path.

    `known`: every kind as it was when the file was opened, the one heard of last at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = open_database(
                path, schema=SCHEMA, synchronous="NORMAL", busy_timeout_seconds=_BUSY_SECONDS
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        try:
            rows = self._connection.execute("SELECT kind, history FROM kinds ORDER BY heard").fetchall()
            self.known = {kind: msgspec.msgpack.decode(history, type=History) for kind, history in rows}
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            self.close()
            raise self._unavailable(error) from error

    def save(self, histories: Mapping[str, History]) -> None:
        """Write these; beyond the number that is remembered, the oldest go."""
        try:
            with transaction(self._connection) as db:
                for kind, history in histories.items():
                    db.execute(
                        "INSERT OR REPLACE INTO kinds (kind, heard, history)"
                        " VALUES (?, (SELECT coalesce(max(heard), 0) + 1 FROM kinds), ?)",
                        (kind, _ENCODER.encode(history)),
                    )
                db.execute(
                    "DELETE FROM kinds WHERE kind NOT IN (SELECT kind FROM kinds ORDER BY heard DESC LIMIT ?)",
                    (KINDS,),
                )
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the statistics of kinds {self._path} cannot be used: {error}")
