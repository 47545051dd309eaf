"""An application that uses the default layout, for tests of the tasks that deal with its records."""

import contextlib
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aura_actors.cleaners import Bench, Ground, Job, Swept, Undo, create_layout, prepare_root, sweep
from aura_actors.cleaners.layout import FOLDERS
from aura_actors.stores.quarantine import QuarantineStore

DAY = 86_400.0


class Household:
    """`db` is the application's own connection, in autocommit. Everything made here is as old as it says: `now_ns`
    of a run is what moves, since nobody can set a ctime."""

    def __init__(self, data_dir: Path) -> None:
        create_layout(str(data_dir))
        self.data_dir = data_dir
        self.database = data_dir / "aura.db"
        self.db = sqlite3.connect(self.database, isolation_level=None, timeout=5)
        self.journal = QuarantineStore(data_dir / "quarantine.db")
        self.grounds: dict[str, Ground] = {}
        for folder in FOLDERS:
            path = str(data_dir / folder)
            self.grounds[path] = Ground(path, prepare_root(path, None, keep_out=str(data_dir)))
        self.archive = data_dir / "archive"
        self._runs = itertools.count(1)

    def close(self) -> None:
        self.db.close()
        self.journal.close()

    def bench(self, *, days: float = 0, **fields: Any) -> Bench:
        given: dict[str, Any] = {
            "run_id": f"run-{next(self._runs)}",
            "data_dir": str(self.data_dir),
            "now_ns": time.time_ns() + int(days * DAY * 1e9),
            "journal": self.journal,
            "grounds": self.grounds,
            "database": str(self.database),
            **fields,
        }
        return Bench(**given)

    def run(self, job: Job, *, days: float = 0, **fields: Any) -> Swept:
        """One run, so many days from now."""
        bench = self.bench(days=days, **fields)
        bench.task = getattr(job, "name", "")
        return sweep(job, bench)

    def undo(self, cleaner: Any, run_id: str, *, days: float = 0) -> Swept:
        return sweep(Undo(run_id, cleaner), self.bench(days=days))

    # --- what an application records ---

    def project(self, ident: str, status: str = "completed", *, files: dict[str, str] | None = None) -> Path:
        """A project that was touched just now, with a folder."""
        folder = self.data_dir / "projects" / ident
        folder.mkdir()
        for name, text in (files if files is not None else {"a.txt": "alpha", "sub/b.txt": "beta"}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.db.execute(
            "INSERT INTO projects VALUES (?, ?, ?, NULL, ?, ?)",
            (ident, status, time.time(), ident, f'{{"id": "{ident}"}}'),
        )
        return folder

    def upload(self, project: str, name: str, text: str = "upload") -> Path:
        made = self.data_dir / "uploads" / name
        made.write_text(text)
        self.db.execute(
            "INSERT INTO uploads (project_id, path, created_at) VALUES (?, ?, ?)", (project, name, time.time())
        )
        return made

    def actions(self, count: int, *, at: float | None = None) -> None:
        stamp = time.time() if at is None else at
        self.db.executemany(
            "INSERT INTO action_logs (at, actor, action, target, outcome) VALUES (?, 'me', 'act', ?, 'done')",
            [(stamp + number / 1e3, f"t{number}") for number in range(count)],
        )

    # --- what is there now ---

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()

    def status(self, project: str) -> str | None:
        found = self.db.execute("SELECT status FROM projects WHERE id = ?", (project,)).fetchone()
        return None if found is None else found[0]

    def archives(self) -> list[Path]:
        return sorted(path for path in self.archive.iterdir() if not path.name.startswith(".aura-"))

    def ledger(self) -> dict[str, str]:
        return dict(self.db.execute("SELECT file, state FROM aura_ledger"))


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder and its content."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder where fsync costs nothing, if the machine has one: what it is worth is shown by the kill points."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def open_descriptors_but_databases() -> int:
    """SQLite keeps a descriptor open for as long as another connection of the process has a lock on the file."""
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            count += ".db" not in str(path.readlink())
    return count
