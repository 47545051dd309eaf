"""Rows of one table that are old enough to go: counted, read in batches, and deleted as they were read.

Owns the SQL. Ages are judged by the table's own stamps against a `now` that is given; what has no stamp that can be
read, or one from the future, stays, and so does a row without an id. Refuses to know what becomes of the rows.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from aura_actors.cleaners.database import (
    Table,
    demand_no_cascade,
    demand_unique,
    find_table,
    quote,
    same_as_read,
)
from aura_actors.cleaners.values import Row, Value
from aura_actors.domain.retention import FUTURE_SLACK_SECONDS, Keep

Stamps = Literal["seconds", "milliseconds", "text"]
"""Unix seconds or milliseconds as numbers; or text that begins with YYYY-MM-DD, in UTC unless it names a zone."""

UNITS: dict[Stamps, float] = {"seconds": 1.0, "milliseconds": 1_000.0, "text": 1.0}

DAY_FIRST = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"
EARLIEST_MILLISECONDS = 10**11
"""Of 1973; as seconds it is three thousand years from now."""

BATCH_ROWS = 1_000
BATCH_BYTES = 1 << 20
"""A batch ends with the row that makes it larger than this."""


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns that matter are called."""

    id: str = "id"
    """Tells rows apart; a primary key, or unique."""
    stamp: str = "created_at"


class Counts(msgspec.Struct, frozen=True):
    """Every row of the table is in exactly one of these."""

    due: int
    kept: dict[Keep, int]


class Selection:
    """One table in one open database. Raises `Declined` where the table is not as it is said to be."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        table: str,
        columns: Columns,
        *,
        stamps: Stamps,
        where: str | None,
        now_ns: int,
        older_than_seconds: float,
    ) -> None:
        self._connection = connection
        self.table: Table = find_table(connection, table, (columns.id, columns.stamp))
        demand_unique(connection, self.table, columns.id)
        demand_no_cascade(connection, self.table)
        now, unit = now_ns / 1e9, UNITS[stamps]
        self._limits = {
            "now": now,
            "cutoff": (now - older_than_seconds) * unit,
            "future": (now + FUTURE_SLACK_SECONDS) * unit,
        }
        self._id = quote(columns.id)
        self._id_at = self.table.columns.index(columns.id)
        self._stamp = stamp_sql(columns.stamp, stamps)
        self._readable = f"({readable_sql(columns.stamp, stamps)} AND {self._id} IS NOT NULL)"
        self._where = "" if where is None else f" AND ({where})"
        indexed = stamps != "text" and _leads_an_index(connection, self.table, columns.stamp)
        self._order = f"{self._stamp}, {self._id}" if indexed else self._id
        self._after: tuple[Value, ...] = ()

    def count(self) -> Counts:
        """Look at the whole table once."""
        stamp, readable = self._stamp, self._readable
        old = f"{readable} AND {stamp} < :cutoff"
        query = (
            f"SELECT count(*), count(*) FILTER (WHERE {old}{self._where}), count(*) FILTER (WHERE {old}),"
            f" count(*) FILTER (WHERE {readable} AND {stamp} > :future), count(*) FILTER (WHERE {readable})"
            f" FROM {self.table.quoted}"
        )
        total, due, aged, future, dated = self._connection.execute(query, self._limits).fetchone()
        return Counts(
            due,
            {
                Keep.EXCLUDED: aged - due,
                Keep.FUTURE: future,
                Keep.UNREADABLE: total - dated,
                Keep.YOUNG: dated - aged - future,
            },
        )

    def next_batch(self) -> list[Row]:
        """The next rows that are due, the oldest first where an index gives that order; none after the last."""
        marks = [f":after{number}" for number in range(len(self._after))]
        after = f" AND ({self._order}) > ({', '.join(marks)})" if marks else ""
        query = (
            f"SELECT {self.table.columns_quoted}, {self._order} FROM {self.table.quoted}"
            f" WHERE {self._readable} AND {self._stamp} < :cutoff{self._where}{after}"
            f" ORDER BY {self._order} LIMIT {BATCH_ROWS}"
        )
        values = {f"after{number}": value for number, value in enumerate(self._after)}
        width = len(self.table.columns)
        batch: list[Row] = []
        for row in _up_to_bytes(self._connection.execute(query, {**self._limits, **values})):
            batch.append(row[:width])
            self._after = row[width:]
        return batch

    def id_of(self, row: Row) -> Value:
        """The value of the column that tells rows apart."""
        return row[self._id_at]

    def delete(self, rows: Sequence[Row]) -> int:
        """Delete those that are still as they were read, in the caller's transaction; how many were."""
        return delete_unchanged(self._connection, self.table, self._id, self._id_at, rows)


def delete_unchanged(
    connection: sqlite3.Connection, table: Table, id_quoted: str, id_at: int, rows: Sequence[Row]
) -> int:
    """Delete rows whose every column is what it was; how many were. `id_quoted` finds them by an index."""
    query = f"DELETE FROM {table.quoted} WHERE {id_quoted} = ? AND {same_as_read(table.columns)}"
    return connection.executemany(query, [(row[id_at], *row) for row in rows]).rowcount


def stamp_sql(column: str, stamps: Stamps) -> str:
    """A stamp as a number in its unit."""
    name = quote(column)
    return f"(julianday({name}) - 2440587.5) * 86400.0" if stamps == "text" else name


def readable_sql(column: str, stamps: Stamps) -> str:
    """Whether there is a stamp of the expected kind.

    SQLite's date functions take more for a date than anybody writes: '2024' is a day some thousand years before
    Christ, '12:30' one of 2000. And seconds, taken for milliseconds, are all of January 1970.
    """
    name = quote(column)
    if stamps == "text":
        return f"(typeof({name}) = 'text' AND {name} GLOB '{DAY_FIRST}' AND julianday({name}) IS NOT NULL)"
    number = f"typeof({name}) IN ('integer', 'real')"
    return f"({number} AND {name} >= {EARLIEST_MILLISECONDS})" if stamps == "milliseconds" else f"({number})"


def _up_to_bytes(cursor: sqlite3.Cursor) -> Iterator[Row]:
    size = 0
    for row in cursor:
        yield row
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > BATCH_BYTES:
            return


def _leads_an_index(connection: sqlite3.Connection, table: Table, column: str) -> bool:
    indexes = connection.execute(
        "SELECT name FROM pragma_index_list(?) WHERE NOT partial", (table.name,)
    ).fetchall()
    firsts = "SELECT name FROM pragma_index_info(?) WHERE seqno = 0"
    return any(connection.execute(firsts, index).fetchone() == (column,) for index in indexes)
