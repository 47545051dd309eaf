"""`[cleanup]` and a table for each task: when old things are cleared away, which, and how old they must be.

Owns the keys and their defaults, which are those of the tasks' own options; `runtime.cleaning` makes the one into
the other. Each task can be pointed at the application's own folders, SQLite file, tables and columns.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from aura_actors.cleaners.application import Reference
from aura_actors.cleaners.projects import Child
from aura_actors.config.readers import (
    Choice,
    Duration,
    FilePath,
    Flag,
    ListOf,
    Number,
    Size,
    Text,
    Whole,
)
from aura_actors.config.section import Interval, Percent, Section
from aura_actors.config.tables import TablesOf

HOUR = 3_600.0
DAY = 24 * HOUR

Every = Annotated[tuple[str, ...], ListOf(Choice("hourly", "daily", "weekly"), single=True, minimum_items=1)]
Column = Annotated[str, Text(r"[^\0]+", "the name of a column")]
TableName = Annotated[str, Text(r"[^\0]+", "the name of a table")]
Condition = Annotated[str | None, Text()]
OptionalColumn = Annotated[str, Text(r"[^\0]*", "the name of a column, or nothing")]
Stamps = Annotated[str, Choice("seconds", "milliseconds", "text")]
Database = Annotated[Path | None, FilePath()]


class CleanupTask(Section, frozen=True, kw_only=True):
    """What every task has."""

    enabled: Annotated[bool, Flag()] = True
    """It runs by itself; a disabled one runs only when it is asked for."""
    every: Every = ("hourly",)
    """How often: "hourly", "daily", "weekly", or several of them."""


class FolderTask(CleanupTask, frozen=True, kw_only=True):
    """A task that removes aged files from one folder."""

    older_than: Annotated[float, Duration()] = DAY
    """Age since the last sign of life, from which on something goes."""
    root: Annotated[Path | None, FilePath()] = None
    """None is the task's own folder below `data_dir`."""
    exclude: Annotated[tuple[str, ...], ListOf(Text())] = ()
    """Glob patterns of paths below the root that are left alone."""
    max_files: Annotated[int, Whole(1)] = 100_000
    """The most that one run removes."""
    max_bytes: Annotated[int | None, Size(1)] = None
    """The most that one run removes, in bytes."""
    max_share: Annotated[float, Number(above=0, maximum=1)] = 1.0
    """The largest share of the entries that one run removes; counts above 1,000 entries."""


class TempFiles(FolderTask, frozen=True, kw_only=True):
    """`[cleanup.temp-files]`: what has lain in the folder for temporary files for long."""

    remove_symlinks: Annotated[bool, Flag()] = False
    """Symbolic links go too, as links; they are never followed."""


class OrphanedUploads(FolderTask, frozen=True, kw_only=True):
    """`[cleanup.orphaned-uploads]`: files that no record of the application refers to, seen so twice."""

    older_than: Annotated[float, Duration()] = 2 * DAY
    second_look_after: Annotated[float, Duration()] = 6 * HOUR
    """Time at least between the run that first sees an orphan and the one that removes it."""
    database: Database = None
    references: Annotated[tuple[Reference, ...] | None, TablesOf(Reference)] = None
    """Queries whose first column names files, relative ones from `base`; None asks the default layout."""


class Cache(FolderTask, frozen=True, kw_only=True):
    """`[cleanup.cache]`: entries that nobody has used for long; they are deleted without quarantine."""

    every: Every = ("hourly", "daily")
    database: Database = None


class CompressLogs(FolderTask, frozen=True, kw_only=True):
    """`[cleanup.compress-logs]`: logs that nobody writes to are compressed, but for the newest of each kind."""

    every: Every = ("daily",)
    older_than: Annotated[float, Duration()] = 7 * DAY
    names: Annotated[tuple[str, ...], ListOf(Text())] = ("*.log", "*.log.[0-9]*", "*.log-[0-9]*")
    """Glob patterns of the names that are logs."""


class ProjectColumns(Section, frozen=True, kw_only=True):
    """What the columns of the table of projects are called."""

    id: Column = "id"
    status: Column = "status"
    updated_at: Column = "updated_at"
    completed_at: OptionalColumn = "completed_at"
    """The later of the two counts; "" where there is no such column."""
    path: OptionalColumn = "path"
    """The project's folder; "" where projects have none."""


class ProjectTask(CleanupTask, frozen=True, kw_only=True):
    """A task that deals with projects."""

    every: Every = ("daily",)
    older_than: Annotated[float, Duration()] = 7 * DAY
    """Time since the project last changed, from which on it goes."""
    root: Annotated[Path | None, FilePath()] = None
    """The folder that all projects' folders are in; None is `projects` in `data_dir`."""
    archive: Annotated[Path | None, FilePath()] = None
    """Where archives go; None is `archive` in `data_dir`."""
    uploads: Annotated[Path | None, FilePath()] = None
    """Where uploaded files are; None is `uploads` in `data_dir`."""
    database: Database = None
    table: TableName = "projects"
    columns: ProjectColumns = ProjectColumns()
    children: Annotated[tuple[Child, ...], TablesOf(Child)] = (Child(table="uploads", path="path"),)
    """Tables with rows that go where their project goes: `table`, `project` (the column with its id), `path`."""
    stamps: Stamps = "seconds"
    """Unix seconds or milliseconds as numbers, or text that begins with YYYY-MM-DD, in UTC if it names no zone."""
    statuses: Annotated[tuple[str, ...], ListOf(Text(), minimum_items=1)] = ()
    """What a project's status has to be."""
    max_projects: Annotated[int, Whole(1)] = 10_000
    """The most that one run deals with."""


class ArchiveProjects(ProjectTask, frozen=True, kw_only=True):
    """`[cleanup.archive-projects]`: completed projects go into an archive, rows and files."""

    statuses: Annotated[tuple[str, ...], ListOf(Text(), minimum_items=1)] = ("completed",)
    archiving: Annotated[str, Text()] = "archiving"
    """The status of a project while it is archived."""
    archived: Annotated[str, Text()] = "archived"
    """And from then on."""


class FailedProjects(ProjectTask, frozen=True, kw_only=True):
    """`[cleanup.failed-projects]`: failed and cancelled projects are removed, rows and files."""

    older_than: Annotated[float, Duration()] = 3 * DAY
    statuses: Annotated[tuple[str, ...], ListOf(Text(), minimum_items=1)] = ("failed", "cancelled")
    deleting: Annotated[str, Text()] = "deleting"
    """The status of a project while it is removed."""


class ArchivedProjects(ProjectTask, frozen=True, kw_only=True):
    """`[cleanup.archived-projects]`: archives of projects are removed after a while in the archive."""

    every: Every = ("weekly",)
    older_than: Annotated[float, Duration()] = 30 * DAY
    statuses: Annotated[tuple[str, ...], ListOf(Text(), minimum_items=1)] = ("archived",)


class RowColumns(Section, frozen=True, kw_only=True):
    """What the columns of a table are called that matter for cleanup."""

    id: Column = "id"
    """Tells rows apart: a primary key, or unique."""
    stamp: Column = "created_at"
    """When the row was made."""


class RowTask(CleanupTask, frozen=True, kw_only=True):
    """A task that takes aged rows out of one table."""

    every: Every = ("weekly",)
    older_than: Annotated[float, Duration()] = 30 * DAY
    """Age by the row's own stamp, from which on it goes."""
    database: Database = None
    """The application's own SQLite file; None is `aura.db` in `data_dir`."""
    table: TableName = ""
    columns: RowColumns = RowColumns()
    stamps: Stamps = "seconds"
    """Unix seconds or milliseconds as numbers, or text that begins with YYYY-MM-DD, in UTC if it names no zone."""
    where: Condition = None
    """What else must be true of a row that goes, as SQL; `:now` is Unix seconds."""
    archive: Annotated[Path | None, FilePath()] = None
    """Folder for the segments that rows are written to before they go; None is `archive` in `data_dir`."""
    max_rows: Annotated[int, Whole(1)] = 1_000_000
    """The most that one run takes out, to the next full batch."""


class ActionLogColumns(RowColumns, frozen=True, kw_only=True):
    """The columns of action logs."""

    stamp: Column = "at"


class ActionLogs(RowTask, frozen=True, kw_only=True):
    """`[cleanup.action-logs]`: old rows of the log of actions are archived."""

    older_than: Annotated[float, Duration()] = 90 * DAY
    table: TableName = "action_logs"
    columns: ActionLogColumns = ActionLogColumns()
    where: Condition = "expires_at IS NULL OR expires_at < :now"
    discard: Annotated[bool, Flag()] = False
    """Segments go when quarantine would let them go; false keeps them for ever."""


class ExportHistory(RowTask, frozen=True, kw_only=True):
    """`[cleanup.export-history]`: old rows of the history of exports go."""

    table: TableName = "export_history"
    where: Condition = "status NOT IN ('queued', 'running')"
    discard: Annotated[bool, Flag()] = True
    """Segments go when quarantine would let them go; false keeps them for ever."""


class Vacuum(CleanupTask, frozen=True, kw_only=True):
    """`[cleanup.vacuum]`: free pages of an SQLite file are given back; the last task of the weekly pass."""

    every: Every = ("weekly",)
    database: Database = None
    """The application's own SQLite file; None is `aura.db` in `data_dir`."""
    min_free_share: Annotated[float, Number(above=0, maximum=1)] = 0.25
    """Below this share of free pages nothing is done."""
    min_free_bytes: Annotated[int, Size()] = 64 * 1024**2
    """Below this much free space a file is not written anew, which its other users would notice."""
    room: Annotated[float, Number(above=1, maximum=100)] = 2.2
    """Free space on the disk that writing anew needs, as a multiple of what will remain."""


class Yielding(Section, frozen=True, kw_only=True):
    """`[cleanup.yielding]`: from what load on cleanup gives way to others; 100 percent never."""

    cpu_percent: Percent = 80.0
    """Use of the processor."""
    io_percent: Percent = 20.0
    """Share of the time in which some task waited for a disk, where the kernel tells (PSI)."""
    running_jobs: Annotated[int, Whole(1)] = 1
    """Jobs that hold a lease."""
    patience_periods: Annotated[float, Number(above=0, maximum=1000)] = 3.0
    """A scheduled run waits for a calm moment for so many of its periods, and goes then."""


class Cleanup(Section, frozen=True, kw_only=True):
    """`[cleanup]`: when old things are cleared away, and which."""

    enabled: Annotated[bool, Flag()] = True
    """False: nothing runs by itself."""
    start_delay: Annotated[float, Duration()] = 300.0
    """Time from the start to the first run."""
    hourly: Interval = HOUR
    """How long "hourly" is."""
    daily: Interval = DAY
    weekly: Interval = 7 * DAY
    quarantine: Annotated[float, Duration()] = DAY
    """How long what was removed can still be put back."""
    disk_high_percent: Percent = 85.0
    """Use of a disk from which on tasks are brought forward, and quarantine is emptied early."""
    disk_low_percent: Percent = 80.0
    """Use of the disk at which that ends."""
    nice: Annotated[int, Whole(0, 19)] = 19
    """Niceness of the processes that clean up: 19 takes only what nobody else wants of the processor."""
    database: Database = None
    """The application's SQLite file for all tasks that do not name their own; None is `aura.db` in `data_dir`."""
    yielding: Yielding = Yielding()
    temp_files: TempFiles = msgspec.field(default_factory=TempFiles, name="temp-files")
    orphaned_uploads: OrphanedUploads = msgspec.field(default_factory=OrphanedUploads, name="orphaned-uploads")
    cache: Cache = msgspec.field(default_factory=Cache)
    archive_projects: ArchiveProjects = msgspec.field(default_factory=ArchiveProjects, name="archive-projects")
    failed_projects: FailedProjects = msgspec.field(default_factory=FailedProjects, name="failed-projects")
    compress_logs: CompressLogs = msgspec.field(default_factory=CompressLogs, name="compress-logs")
    export_history: ExportHistory = msgspec.field(default_factory=ExportHistory, name="export-history")
    action_logs: ActionLogs = msgspec.field(default_factory=ActionLogs, name="action-logs")
    archived_projects: ArchivedProjects = msgspec.field(default_factory=ArchivedProjects, name="archived-projects")
    vacuum: Vacuum = msgspec.field(default_factory=Vacuum)
