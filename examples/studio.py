"""An application that lets aura_actors clear up after it: it records projects, uploads and exports in `aura.db`.

    python examples/studio.py ~/.local/state/aura_actors holiday clip.mp4

Makes a project with one upload, "renders" and exports it, and marks it as completed. A week later cleanup
archives it. The daemon has to have run once on that folder: it makes `aura.db`. What the columns mean is in
docs/cleanup-layout.md; any language that has SQLite can do the same.
"""

import argparse
import shutil
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Studio:
    """The records of one data directory. Every method is one transaction; other programs may write in between."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        path = data_dir / "aura.db"
        if not path.exists():
            raise SystemExit(f"{path} is missing: start `aura-actors serve --data-dir {data_dir}` once")
        self.db = sqlite3.connect(path, timeout=10, isolation_level=None)
        self.db.execute("PRAGMA foreign_keys = ON")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()

    def begin(self, name: str) -> Path:
        """A new project; its folder. The row is first: a folder that no row names is nobody's."""
        now = time.time()
        self.db.execute(
            "INSERT INTO projects (id, status, updated_at, path, document) VALUES (?, 'running', ?, ?, '{}')",
            (name, now, name),
        )
        folder = self.data_dir / "projects" / name
        folder.mkdir()
        return folder

    def upload(self, project: str, source: Path) -> Path:
        """Take a file in for a project. The row is first here too: without one, a file is an orphan."""
        name = f"{project}-{source.name}"
        self.db.execute(
            "INSERT INTO uploads (project_id, path, created_at) VALUES (?, ?, ?)", (project, name, time.time())
        )
        return Path(shutil.copy2(source, self.data_dir / "uploads" / name))

    def used(self, entry: str) -> None:
        """A cache entry was used. Without this the file's own times decide."""
        self.db.execute("INSERT OR REPLACE INTO cache_entries VALUES (?, ?)", (entry, time.time()))

    def export(self, project: str, folder: Path) -> Path:
        """Make the result; while it is under way, its row stays however long that takes."""
        made = self.db.execute(
            "INSERT INTO export_history (project_id, status, path, created_at) VALUES (?, 'running', ?, ?)",
            (project, f"projects/{project}/result.txt", time.time()),
        )
        result = folder / "result.txt"
        result.write_text(f"the film of {project}\n")
        self.db.execute("UPDATE export_history SET status = 'completed' WHERE id = ?", (made.lastrowid,))
        return result

    def complete(self, project: str) -> None:
        """It is done; only if nobody, cleanup neither, has come to do something else with it."""
        changed = self.db.execute(
            "UPDATE projects SET status = 'completed', updated_at = ?1, completed_at = ?1"
            " WHERE id = ?2 AND status = 'running'",
            (time.time(), project),
        )
        if changed.rowcount != 1:
            raise SystemExit(f"{project} is not running any more")

    def status(self, project: str) -> str | None:
        """What its row says: `archived`, and no folder any more, once cleanup has been there."""
        row = self.db.execute("SELECT status FROM projects WHERE id = ?", (project,)).fetchone()
        return None if row is None else str(row[0])


def main() -> None:
    """One project from beginning to end."""
    parser = argparse.ArgumentParser(description="Record a project, an upload and an export for cleanup.")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("project")
    parser.add_argument("upload", type=Path)
    options = parser.parse_args()
    with Studio(options.data_dir) as studio:
        folder = studio.begin(options.project)
        print("upload", studio.upload(options.project, options.upload))
        print("export", studio.export(options.project, folder))
        studio.complete(options.project)
        print(options.project, studio.status(options.project))


if __name__ == "__main__":
    main()
