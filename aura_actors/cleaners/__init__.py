"""Kinds of cleanup, one per file; blocking and synchronous, driven step by step by a worker.

The union is the registry, the configuration's schema and the matrix of the family tests at once: a new kind is one
file beside `temp_files` and one name here. A cleaner's `work` finds, has the retention rule decide, and moves; a
`Sweep` drives it.
"""

from typing import TypeAlias

from aura_actors.cleaners.action_logs import ActionLogs
from aura_actors.cleaners.archive_projects import ArchiveProjects
from aura_actors.cleaners.archived_projects import ArchivedProjects
from aura_actors.cleaners.base import Bench, Books, Cleaner, FolderOptions, Job, Listed, TaskOptions
from aura_actors.cleaners.cache import Cache
from aura_actors.cleaners.compress_logs import CompressLogs
from aura_actors.cleaners.export_history import ExportHistory
from aura_actors.cleaners.failed_projects import FailedProjects
from aura_actors.cleaners.layout import create_layout
from aura_actors.cleaners.orphaned_uploads import OrphanedUploads
from aura_actors.cleaners.overlaps import database_files, swept_archives
from aura_actors.cleaners.purge import Purge, purge
from aura_actors.cleaners.recovery import Recovered, recover
from aura_actors.cleaners.roots import Declined, Ground, RootIdentity, filesystem_now_ns, prepare_root
from aura_actors.cleaners.sweep import Progress, Sweep, Swept, sweep
from aura_actors.cleaners.temp_files import TempFiles
from aura_actors.cleaners.undo import Undo, undo
from aura_actors.cleaners.vacuum import Vacuum

AnyCleaner: TypeAlias = (
    TempFiles
    | OrphanedUploads
    | Cache
    | ArchiveProjects
    | FailedProjects
    | CompressLogs
    | ExportHistory
    | ActionLogs
    | ArchivedProjects
    | Vacuum
)

__all__ = [
    "ActionLogs",
    "AnyCleaner",
    "ArchiveProjects",
    "ArchivedProjects",
    "Bench",
    "Books",
    "Cache",
    "Cleaner",
    "CompressLogs",
    "Declined",
    "ExportHistory",
    "FailedProjects",
    "FolderOptions",
    "Ground",
    "Job",
    "Listed",
    "OrphanedUploads",
    "Progress",
    "Purge",
    "Recovered",
    "RootIdentity",
    "Sweep",
    "Swept",
    "TaskOptions",
    "TempFiles",
    "Undo",
    "Vacuum",
    "create_layout",
    "database_files",
    "filesystem_now_ns",
    "prepare_root",
    "purge",
    "recover",
    "sweep",
    "swept_archives",
    "undo",
]
