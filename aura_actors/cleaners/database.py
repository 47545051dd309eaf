"""An application's SQLite file, opened for one pass: for reading only, or to delete rows from.

Owns how it is opened, what is demanded of its tables, and that whatever SQLite objects to declines the pass with a
sentence. Names of tables and columns come from the configuration: they are looked up in the schema and quoted,
never pasted. Knows no task.
"""

import os
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext

import msgspec

from aura_actors.cleaners import snapshot
from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.layout import DATABASE, VERSION
from aura_actors.cleaners.roots import Declined
from aura_actors.cleaners.values import Row

BUSY_SECONDS = 2.0
"""How long a locked file is waited for before the pass is declined."""


class Table(msgspec.Struct, frozen=True):
    """A table as it is in the file. `columns` are those that hold something: generated ones are left out."""

    name: str
    columns: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """For SQL."""
        return quote(self.name)

    @property
    def columns_quoted(self) -> str:
        """All of them, for SQL."""
        return ", ".join(map(quote, self.columns))


class Inserted(msgspec.Struct, frozen=True):
    """How many rows went `back`, how many were `there` already as they had been, and how many are `out`."""

    back: int = 0
    there: int = 0
    out: int = 0

    def __add__(self, other: "Inserted") -> "Inserted":
        return Inserted(self.back + other.back, self.there + other.there, self.out + other.out)


@contextmanager
def open_application(path: str | None, *, dry_run: bool, reading: bool = False) -> Iterator[sqlite3.Connection]:
    """The file in autocommit, text as it is (bytes that are no UTF-8 become surrogates).

    Every `sqlite3.Error` in the block leaves it as `Declined`. `reading` refuses writes; a `dry_run` moreover makes
    no call that modifies anything, neither the file nor those beside it, at the price that a file which somebody
    begins to write meanwhile may be read half old, half new.
    """
    if path is None:
        raise Declined("there is no database")
    try:
        connection = _connect(path, dry_run=dry_run, reading=reading)
        try:
            if not dry_run and not reading:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
            _check_version(connection, path)
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Declined(f"the database {path} cannot be used: {error}") from error


def find_table(connection: sqlite3.Connection, name: str, needed: Iterable[str]) -> Table:
    """A table that has at least these columns. Raises `Declined`."""
    found = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    if found is None or found[0] != "table":
        raise Declined(f"the database {_path(connection)} has no table {name}")
    info = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,))
    table = Table(name, tuple(row[0] for row in info))
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise Declined(f"the table {name} in the database {_path(connection)} has no column {', '.join(missing)}")
    return table


def demand_unique(connection: sqlite3.Connection, table: Table, column: str) -> None:
    """Rows are deleted by this column, so it must tell them apart. Raises `Declined`."""
    keys = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0", (table.name,)).fetchall()
    if keys == [(column,)]:
        return
    indexes = 'SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial'
    for (index,) in connection.execute(indexes, (table.name,)).fetchall():
        if connection.execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchall() == [(column,)]:
            return
    raise Declined(
        f"the column {column} of the table {table.name} in the database {_path(connection)} is not unique"
    )


def demand_no_cascade(connection: sqlite3.Connection, table: Table, children: Iterable[str] = ()) -> None:
    """Deleting a row must not delete or change rows that nobody has archived. Raises `Declined`."""
    others = (
        "SELECT m.name, f.on_delete FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f"
        " WHERE m.type = 'table' AND lower(f.\"table\") = lower(?) AND f.on_delete NOT IN ('NO ACTION', 'RESTRICT')"
    )
    known = {name.lower() for name in children}
    found = [(name, f"ON DELETE {action}") for name, action in connection.execute(others, (table.name,)).fetchall()]
    for name, why in (*found, *_deleted_by_triggers(connection, table)):
        if name.lower() not in known:
            raise Declined(
                f"deleting from {table.name} in the database {_path(connection)} would change {name} too ({why})"
            )


def _deleted_by_triggers(connection: sqlite3.Connection, table: Table) -> list[tuple[str, str]]:
    """The tables that rows would go from, and by which trigger: SQLite says so while it compiles the statement.

    An index of text (a virtual table) follows its table, and is made again by whatever is inserted.
    """
    virtual = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    indexes = {name for (name,) in connection.execute(virtual).fetchall()}
    found: list[tuple[str, str]] = []

    def note(action: int, name: str | None, _: str | None, __: str | None, trigger: str | None) -> int:
        if action == sqlite3.SQLITE_DELETE and trigger is not None and name is not None and name not in indexes:
            found.append((name, f"trigger {trigger}"))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        connection.execute(f"EXPLAIN DELETE FROM {table.quoted} WHERE 0")
    finally:
        connection.set_authorizer(None)
    return found


def insert_rows(
    connection: sqlite3.Connection, rows: Sequence[tuple[str, Row]], tables: Mapping[str, Sequence[str]]
) -> Inserted:
    """Put archived rows back into their tables, which must have the columns that they were archived with.

    One that is in the way keeps out the row whose place it has, and no other. It stays as it is whatever the table
    itself says of conflicts, and a row that a trigger keeps out is out.
    """
    done = Inserted()
    for name, columns in tables.items():
        table = find_table(connection, name, columns)
        marks, names = ", ".join("?" * len(columns)), ", ".join(map(quote, columns))
        # A table may be declared to replace, or to ignore, what conflicts: `OR ABORT` has the last word.
        insert = f"INSERT OR ABORT INTO {table.quoted} ({names}) VALUES ({marks})"
        there = f"SELECT 1 FROM {table.quoted} WHERE {same_as_read(columns)}"
        for row in (row for of, row in rows if of == name):
            try:
                if connection.execute(insert, row).rowcount == 1:
                    done += Inserted(back=1)
                    continue
            except sqlite3.IntegrityError:
                if not connection.in_transaction:
                    raise  # a trigger has rolled everything back
            done += Inserted(there=1) if connection.execute(there, row).fetchone() else Inserted(out=1)
    return done


def same_as_read(columns: Iterable[str]) -> str:
    """That every column is what it was, for SQL with a mark for each.

    Compared byte by byte: in a column that takes 'a' for 'A', a change of case would be none.
    """
    return " AND ".join(f"{quote(column)} COLLATE BINARY IS ?" for column in columns)


def quote(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def write(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; others that write wait meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # raised again: nothing stays half done
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def rehearsal(connection: sqlite3.Connection) -> Iterator[None]:
    """As `write`, but nothing of it stays: to see whether the database would refuse it, before anything depends on
    that. What it checks only at the end of a transaction is not seen."""
    with on_image(connection) if is_image(connection) else nullcontext():
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def is_image(connection: sqlite3.Connection) -> bool:
    """Whether this is an image in memory, on which a dry run can try what the database would say to a write."""
    return not _file(connection).startswith("/")


def can_be_tried(bench: Bench, connection: sqlite3.Connection) -> bool:
    """Whether the database can be asked what it says to a write. A dry run cannot ask a large one, and says so."""
    if not bench.dry_run or is_image(connection):
        return True
    bench.books.leave_open(
        "whether the database lets the rows go is not tried: it is too large to be read into memory"
    )
    return False


@contextmanager
def on_image(connection: sqlite3.Connection) -> Iterator[None]:
    """In the block, the image can be written to."""
    (before,) = connection.execute("PRAGMA query_only").fetchone()
    connection.execute("PRAGMA query_only = OFF")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA query_only = {before}")


@contextmanager
def read(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything in the block sees one state of the file."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _connect(path: str, *, dry_run: bool, reading: bool) -> sqlite3.Connection:
    if dry_run:
        return _connect_untouching(path)
    return _open(path, "mode=ro" if reading else "mode=rw")


def _connect_untouching(path: str) -> sqlite3.Connection:
    _demand_file(path)
    logged = snapshot.keeps_a_log(path)
    if os.stat(path).st_size <= snapshot.LARGEST_BYTES:  # noqa: PTH116 - a string
        connection = snapshot.load(path) if logged else _copied(path)
        connection.text_factory = os.fsdecode
        connection.execute("PRAGMA foreign_keys = ON")  # as a real run has them
        return connection
    if not logged:
        return _open(path, "mode=ro")
    log, shared = (os.path.exists(f"{path}-{part}") for part in ("wal", "shm"))  # noqa: PTH110 - a string
    if log and not shared:
        raise Declined(f"the database {path} was not closed; only a real run, or its application, can mend it")
    # Without a log that is there, nobody has it open; and only so does SQLite not make one.
    return _open(path, "mode=ro&readonly_shm=1" if log else "mode=ro&immutable=1")


def _copied(path: str) -> sqlite3.Connection:
    image = sqlite3.connect(":memory:", isolation_level=None)
    with closing(_open(path, "mode=ro")) as source:
        source.backup(image)
    image.execute("PRAGMA query_only = ON")
    return image


def _open(path: str, options: str) -> sqlite3.Connection:
    _demand_file(path)
    uri = f"file:{urllib.parse.quote(path)}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.text_factory = os.fsdecode
    return connection


def _demand_file(path: str) -> None:
    if not os.path.isfile(path):  # noqa: PTH113 - a string
        raise Declined(f"the database {path} is missing")


def _check_version(connection: sqlite3.Connection, path: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if os.path.basename(path) == DATABASE and version != VERSION:  # noqa: PTH119 - a string
        raise Declined(f"the database {path} is of version {version}, this program knows {VERSION}")


def _path(connection: sqlite3.Connection) -> str:
    return "at hand" if is_image(connection) else os.path.basename(_file(connection))  # noqa: PTH119 - a string


def _file(connection: sqlite3.Connection) -> str:
    """SQLite's name of it: a whole path; of an image none, or one of its own."""
    return str(connection.execute("PRAGMA database_list").fetchone()[2])
