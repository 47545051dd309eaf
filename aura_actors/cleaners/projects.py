"""Projects as an application records them: which are old enough, and every row that is one project's.

Owns the options of the tasks that deal with projects, and the SQL. A project's status is changed only where it is
what it was when it was looked at. Refuses to know what becomes of a project.
"""

import sqlite3
from collections.abc import Collection, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from aura_actors.cleaners.application import GONE
from aura_actors.cleaners.base import Age, Every, TaskOptions
from aura_actors.cleaners.database import Table, demand_no_cascade, demand_unique, find_table, quote
from aura_actors.cleaners.selection import UNITS, Stamps, readable_sql, stamp_sql
from aura_actors.cleaners.values import Row, Value
from aura_actors.domain.retention import Keep, judge_stamp


class ProjectColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns of the table of projects are called; None where there is no such column."""

    id: str = "id"
    """Tells projects apart; a primary key, or unique."""
    status: str = "status"
    updated_at: str = "updated_at"
    completed_at: str | None = "completed_at"
    path: str | None = "path"


class Child(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table with rows that belong to a project, and go where it goes."""

    table: str
    project: str = "project_id"
    """The column with the project's id."""
    path: str | None = None
    """The column with a file below `uploads` that goes into the archive too."""


class ProjectOptions(TaskOptions, frozen=True, kw_only=True):
    """The configuration of a task that deals with projects."""

    every: Every | tuple[Every, ...] = "daily"
    older_than_seconds: Age
    root: str | None = None
    """The folder that all projects' folders are in; None is `projects` in the data directory."""
    archive: str | None = None
    """Where archives go; None is `archive` in the data directory."""
    uploads: str | None = None
    """Where uploaded files are; None is `uploads` in the data directory."""
    database: str | None = None
    """The application's own SQLite file; None is `aura.db` in the data directory."""
    table: str = "projects"
    columns: ProjectColumns = ProjectColumns()
    children: tuple[Child, ...] = (Child(table="uploads", path="path"),)
    stamps: Stamps = "seconds"
    statuses: tuple[str, ...]
    """What a project's status has to be."""
    max_projects: Annotated[int, Meta(ge=1)] = 10_000
    """The most that one run deals with."""

    def root_under(self, data_dir: str) -> str:
        """The folder of projects."""
        return self.root or f"{data_dir.rstrip('/')}/projects"

    def archive_under(self, data_dir: str) -> str:
        """The folder of archives."""
        return self.archive or f"{data_dir.rstrip('/')}/archive"

    def uploads_under(self, data_dir: str) -> str:
        """The folder of uploads, of which files are read."""
        return self.uploads or f"{data_dir.rstrip('/')}/uploads"

    @property
    def bygone(self) -> tuple[str, ...]:
        """Statuses of projects that lay no claim to a folder which another one names too."""
        return GONE

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """Projects and archives."""
        return (self.root_under(data_dir), self.archive_under(data_dir))


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One row, as far as its fate depends on it."""

    id: Value
    status: str
    path: str | None
    stamps: tuple[Value, ...] = ()
    """As they are in the row."""
    age: Keep | None = None
    """Why they speak against its going; None where they do not."""


class ProjectRows(msgspec.Struct, frozen=True, kw_only=True):
    """Every row of one project, in every table; the project's own comes first."""

    tables: dict[str, list[str]]
    rows: list[tuple[str, Row]]


class ProjectTables:
    """The tables in one open database. Raises `Declined` where they are not as they are said to be."""

    def __init__(self, connection: sqlite3.Connection, options: ProjectOptions, now_ns: int) -> None:
        self._connection = connection
        self._options = options
        self._now_ns = now_ns
        columns = options.columns
        named = (columns.id, columns.status, columns.updated_at, columns.completed_at, columns.path)
        self._table = find_table(connection, options.table, [name for name in named if name is not None])
        demand_unique(connection, self._table, columns.id)
        demand_no_cascade(connection, self._table, [child.table for child in options.children])
        self._children = [(child, self._child_table(child)) for child in options.children]
        self._id, self._status = quote(columns.id), quote(columns.status)
        self._stamp_columns = [name for name in (columns.updated_at, columns.completed_at) if name is not None]

    def _child_table(self, child: Child) -> Table:
        table = find_table(self._connection, child.table, [child.project, *([child.path] if child.path else [])])
        demand_no_cascade(self._connection, table)
        return table

    # --- reading ---

    def candidates(self) -> list[Project]:
        """Every project of the right status, the one that was touched least recently first."""
        path = "NULL" if self._options.columns.path is None else quote(self._options.columns.path)
        ages = [self._age_sql(column) for column in self._stamp_columns]
        stamps = [quote(column) for column in self._stamp_columns]
        marks = ", ".join("?" * len(self._options.statuses))
        query = (
            f"SELECT {self._id}, {self._status}, {path}, {', '.join((*ages, *stamps))}"
            f" FROM {self._table.quoted} WHERE {self._status} IN ({marks}) ORDER BY {ages[0]}"
        )
        return [self._project(*row) for row in self._connection.execute(query, self._options.statuses)]

    def folders_of_others(self, due: Collection[Value]) -> Iterator[str]:
        """The folders of all projects but bygone ones, and those that are `due` and still have the right status."""
        if self._options.columns.path is None:
            return
        bygone, statuses = {*self._options.bygone}, {*self._options.statuses}
        query = f"SELECT {self._id}, {self._status}, {quote(self._options.columns.path)} FROM {self._table.quoted}"
        for ident, status, path in self._connection.execute(query):
            mine = status in statuses and ident in due
            if isinstance(path, str) and path and status not in bygone and not mine:
                yield path

    def read(self, project: Value, *, status: str) -> ProjectRows | None:
        """Every row of a project, as the caller's transaction sees them; None where it is gone.

        `status` stands in place of the one that the row has, so that what is archived is the project as it was.
        """
        query = f"SELECT {self._table.columns_quoted} FROM {self._table.quoted} WHERE {self._id} = ?"
        own = self._connection.execute(query, (project,)).fetchone()
        if own is None:
            return None
        rows: list[tuple[str, Row]] = [(self._table.name, self.with_status(own, status))]
        for child, table in self._children:
            mine = f"SELECT {table.columns_quoted} FROM {table.quoted} WHERE {quote(child.project)} = ?"
            order = ", ".join(map(str, range(1, len(table.columns) + 1)))  # so that two readings can be compared
            found = self._connection.execute(f"{mine} ORDER BY {order}", (project,))
            rows.extend((table.name, row) for row in found)
        tables = [self._table, *(table for _, table in self._children)]
        return ProjectRows(tables={table.name: list(table.columns) for table in tables}, rows=rows)

    def has_status(self, project: Value, status: str) -> bool:
        """Whether a project is there, with this status."""
        look = f"SELECT 1 FROM {self._table.quoted} WHERE {self._id} = ? AND {self._status} = ?"
        return self._connection.execute(look, (project, status)).fetchone() is not None

    def with_status(self, row: Row, status: str) -> Row:
        """A project's own row with another status."""
        at = self._table.columns.index(self._options.columns.status)
        return (*row[:at], status, *row[at + 1 :])

    def uploads(self, rows: ProjectRows) -> list[str]:
        """The files that the rows of children name, as they name them."""
        found: dict[str, None] = {}
        for child, table in self._children:
            if child.path is None:
                continue
            at = table.columns.index(child.path)
            names = (row[at] for name, row in rows.rows if name == table.name)
            found.update((name, None) for name in names if isinstance(name, str) and name)
        return list(found)

    def path_in(self, rows: ProjectRows) -> str | None:
        """The folder that a project's own row names."""
        column = self._options.columns.path
        for name, row in rows.rows:
            if name == self._table.name and column is not None:
                path = row[rows.tables[name].index(column)]
                return path if isinstance(path, str) and path else None
        return None

    # --- writing, in the caller's transaction ---

    def claim(self, project: Project, status: str) -> bool:
        """Give a project a status that shows others that it is being dealt with.

        False, and nothing changed, where its status or one of its stamps is not what was seen.
        """
        seen = " AND ".join(f"{quote(column)} IS ?" for column in self._stamp_columns)
        where = f"{self._id} = ? AND {self._status} = ? AND {seen}"
        query = f"UPDATE {self._table.quoted} SET {self._status} = ? WHERE {where}"
        values = (status, project.id, project.status, *project.stamps)
        return self._connection.execute(query, values).rowcount == 1

    def set_status(self, project: Value, status: str, *, was: str) -> bool:
        """Change a status; False, and nothing changed, where it is not what it was."""
        query = f"UPDATE {self._table.quoted} SET {self._status} = ? WHERE {self._id} = ? AND {self._status} = ?"
        return self._connection.execute(query, (status, project, was)).rowcount == 1

    def delete_all(self, project: Value, *, was: str) -> bool:
        """Delete every row of a project; False, and nothing deleted, where its status is not what it was."""
        if not self.has_status(project, was):
            return False
        self.delete_children(project)
        return self.delete(project, was=was)

    def delete_children(self, project: Value) -> None:
        """Delete the rows that belong to a project."""
        for child, table in reversed(self._children):
            self._connection.execute(f"DELETE FROM {table.quoted} WHERE {quote(child.project)} = ?", (project,))

    def delete(self, project: Value, *, was: str) -> bool:
        """Delete a project's own row; False where its status is not what it was."""
        query = f"DELETE FROM {self._table.quoted} WHERE {self._id} = ? AND {self._status} = ?"
        return self._connection.execute(query, (project, was)).rowcount == 1

    def _age_sql(self, column: str) -> str:
        stamps = self._options.stamps
        return f"CASE WHEN {readable_sql(column, stamps)} THEN {stamp_sql(column, stamps)} END"

    def _project(self, ident: Value, status: str, path: Value, *stamps: Value) -> Project:
        half = len(self._stamp_columns)
        unit = UNITS[self._options.stamps]
        read, written = stamps[:half], stamps[half:]
        ages = [stamp / unit for stamp in read if isinstance(stamp, int | float)]
        # One that is there and says nothing may be the later one.
        readable = read[0] is not None and len(ages) == sum(stamp is not None for stamp in written)
        return Project(
            id=ident,
            status=status,
            path=path if isinstance(path, str) and path else None,
            stamps=written,
            age=judge_stamp(
                max(ages) if readable else None,
                self._now_ns / 1e9,
                older_than_seconds=self._options.older_than_seconds,
            ),
        )
