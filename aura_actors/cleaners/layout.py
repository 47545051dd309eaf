"""The default layout: the folders and the SQLite file that an application may use as they are.

Owns the names of the folders and the schema of `aura.db`, described for applications in `docs/cleanup-layout.md`.
Refuses to know what any task does with them.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

FOLDERS = ("temp", "uploads", "cache", "projects", "logs", "archive")
"""Below the data directory."""

DATABASE = "aura.db"

VERSION = 1
"""`PRAGMA user_version` of the default database. A file of another version is left alone."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS projects (
    id TEXT PRIMARY KEY NOT NULL,
    status TEXT NOT NULL,           -- the application's words; cleanup looks for 'completed', 'failed', 'cancelled'
    updated_at REAL NOT NULL,       -- unix seconds
    completed_at REAL,              -- unix seconds; counts where it is later than updated_at
    path TEXT,                      -- the project's folder, absolute or from projects/
    document TEXT                   -- whatever the application keeps of it
) STRICT;
CREATE TABLE IF NOT EXISTS uploads (
    id INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    path TEXT NOT NULL,             -- the file, absolute or from uploads/
    created_at REAL NOT NULL        -- unix seconds
) STRICT;
CREATE INDEX IF NOT EXISTS uploads_by_project ON uploads (project_id);
CREATE TABLE IF NOT EXISTS cache_entries (
    path TEXT PRIMARY KEY NOT NULL, -- the file, absolute or from cache/
    used_at REAL NOT NULL           -- unix seconds of the last use; an hour's exactness is enough
) STRICT;
CREATE TABLE IF NOT EXISTS export_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT,
    status TEXT NOT NULL,           -- 'queued' and 'running' stay however old they are
    path TEXT,                      -- what was exported
    created_at REAL NOT NULL        -- unix seconds
) STRICT;
CREATE INDEX IF NOT EXISTS export_history_by_age ON export_history (created_at, id);
CREATE TABLE IF NOT EXISTS action_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,               -- unix seconds
    actor TEXT NOT NULL,            -- who
    action TEXT NOT NULL,           -- did what, such as 'cleanup.run'
    target TEXT,                    -- to what
    outcome TEXT NOT NULL,          -- and what came of it
    detail TEXT,                    -- JSON, or a sentence
    expires_at REAL                 -- unix seconds until which the row must stay; NULL for no such time
) STRICT;
CREATE INDEX IF NOT EXISTS action_logs_by_age ON action_logs (at, id);
"""


def create_layout(data_dir: str) -> str | None:
    """Make what is missing of the folders and the database; what is there already stays as it is. Blocks.

    A database that an application made from the same schema is taken as it is. None, or a sentence that says why
    the database cannot be used: then it is left alone, and each task that needs it declines by itself. Raises
    `OSError` where a folder cannot be made.
    """
    for folder in FOLDERS:
        Path(data_dir, folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    path = Path(data_dir, DATABASE)
    try:
        _private(path)
        with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as connection:
            return _create_tables(connection, path)
    except (sqlite3.Error, OSError) as error:
        return f"the database {path} cannot be used: {error}"


def _create_tables(connection: sqlite3.Connection, path: Path) -> str | None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return None
    if version:
        return f"the database {path} is of version {version}, this program knows {VERSION}"
    # In this order: once the first page is written, only a VACUUM can change how the file gives space back.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
    return None


def _private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return  # an application's own file keeps its mode
