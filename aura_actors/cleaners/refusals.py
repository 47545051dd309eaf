"""Rows that a database does not let go, told from those beside them that it does.

Owns the ways in which it may refuse: at once (a trigger, a foreign key), or only at the end of a transaction (a
deferred foreign key, which is looked up). Refuses to know why rows are to go.
"""

import sqlite3
from collections.abc import Sequence

from aura_actors.cleaners.database import Table, quote, rehearsal
from aura_actors.cleaners.selection import Selection
from aura_actors.cleaners.values import Row

REFUSES = "the database refuses to delete them"


def willing(connection: sqlite3.Connection, selection: Selection, rows: Sequence[Row]) -> list[Row]:
    """Those of the rows that would go, asked one by one from the youngest; nothing of it stays."""
    queries = _deferred(connection, selection.table)
    going: list[Row] = []
    with rehearsal(connection):
        for row in reversed(rows):
            if any(connection.execute(query, [row[n] for n in keys]).fetchone() for query, keys in queries):
                continue
            try:
                selection.delete([row])
                going.append(row)
            except sqlite3.IntegrityError:
                if not connection.in_transaction:
                    return []  # a trigger has rolled everything back
    return going[::-1]


def _deferred(connection: sqlite3.Connection, table: Table) -> list[tuple[str, list[int]]]:
    """For each foreign key of another table: a query for rows that refer to one, and its columns for that."""
    listed = (
        'SELECT m.name, f.id, f."from", f."to", f.seq FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f'
        " WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1) AND lower(m.name) <> lower(?1)"
        " ORDER BY m.name, f.id, f.seq"
    )
    keys = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (table.name,)
    ).fetchall()
    numbers = {name.lower(): number for number, name in enumerate(table.columns)}
    pairs: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for other, key, own, to, at in connection.execute(listed, (table.name,)).fetchall():
        referred = to if to is not None else keys[at][0]
        pairs.setdefault((other, key), []).append((own, numbers[referred.lower()]))
    return [
        (
            f"SELECT 1 FROM {quote(other)} WHERE {' AND '.join(f'{quote(own)} = ?' for own, _ in columns)} LIMIT 1",
            [number for _, number in columns],
        )
        for (other, _), columns in pairs.items()
    ]
