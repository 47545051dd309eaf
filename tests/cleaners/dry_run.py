"""`python -m tests.cleaners.dry_run PLACE`: dry runs of every task that removes files, between marks for strace."""

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from aura_actors.cleaners import (
    Bench,
    Books,
    Cache,
    Cleaner,
    Ground,
    OrphanedUploads,
    TempFiles,
    prepare_root,
    sweep,
)
from aura_actors.cleaners.layout import DATABASE, create_layout
from aura_actors.stores.quarantine import QuarantineStore
from tests.kill_points.points import BEGIN, END

CLEANERS: tuple[Cleaner, ...] = (
    TempFiles(remove_symlinks=True),
    OrphanedUploads(second_look_after_seconds=0),
    Cache(),
)


def main() -> None:
    """Make a tree for each task, pretend to sweep it, and print what would go."""
    data = sys.argv[1]
    create_layout(data)
    with closing(sqlite3.connect(f"{data}/{DATABASE}")) as connection, connection:
        connection.execute("INSERT INTO cache_entries VALUES ('known', 0)")
        connection.execute("INSERT INTO projects (id, status, updated_at) VALUES ('p', 'active', 0)")
        connection.execute("INSERT INTO uploads (project_id, path, created_at) VALUES ('p', 'known', 0)")
    Path(data, "uploads", "known").touch()
    journal = QuarantineStore(f"{data}/quarantine.db")
    answers = {}
    for cleaner in CLEANERS:
        (root,) = cleaner.grounds_under(data)
        ground = Ground(root, prepare_root(root, None, keep_out=data))
        for name in ("a", "x/b", "x/y/c"):
            path = Path(root, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(name)
        Path(root, "link").symlink_to("a")
        bench = Bench(
            run_id="dry",
            data_dir=data,
            now_ns=Path(root, "a").stat().st_mtime_ns + 10**15,
            journal=journal,
            grounds={root: ground},
            dry_run=True,
            database=f"{data}/{DATABASE}",
            books=Books(list_at_most=100),
        )
        os.access(BEGIN, os.F_OK)
        swept = sweep(cleaner, bench)
        os.access(END, os.F_OK)
        answers[cleaner.name] = msgspec.to_builtins(swept)
    journal.close()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
