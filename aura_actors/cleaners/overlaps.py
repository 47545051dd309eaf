"""What belongs to one task and lies where another one sweeps.

Owns which files and folders those are: databases, and the folders that archives go to. Refuses to know how anything
is left alone: that is a pin's or a refusal's business.
"""

from collections.abc import Iterable, Mapping

from aura_actors.cleaners.base import Cleaner, FolderOptions
from aura_actors.cleaners.projects import ProjectOptions
from aura_actors.cleaners.roots import Ground
from aura_actors.cleaners.rows import RowOptions

BESIDE_A_DATABASE = ("", "-wal", "-shm", "-journal")
"""SQLite's own files: one that nobody has open may be old, and is the database all the same."""


def database_files(cleaners: Iterable[Cleaner], database: str | None) -> tuple[str, ...]:
    """Every database that any task works with, as paths to be held; `database` is that of tasks that name none."""
    named = {database, *(getattr(cleaner, "database", None) for cleaner in cleaners)}
    return tuple(sorted(f"{path}{end}" for path in named if path is not None for end in BESIDE_A_DATABASE))


def swept_archives(cleaners: Iterable[Cleaner], data_dir: str, grounds: Mapping[str, Ground]) -> dict[str, str]:
    """By task: the folder that it would sweep, and that another one keeps its archives in."""
    cleaners = list(cleaners)
    archives = {
        ground.identity
        for cleaner in cleaners
        if isinstance(cleaner, ProjectOptions | RowOptions)
        and (ground := grounds.get(cleaner.archive_under(data_dir))) is not None
    }
    return {
        cleaner.name: ground.path
        for cleaner in cleaners
        if isinstance(cleaner, FolderOptions)
        and (ground := grounds.get(cleaner.root_under(data_dir))) is not None
        and ground.identity in archives
    }
