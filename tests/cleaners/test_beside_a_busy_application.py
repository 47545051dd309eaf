"""An application that writes all the time: it is not kept waiting, and keeps no run from its end."""

import itertools
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Cache, OrphanedUploads, application
from aura_actors.cleaners.application import Reference, referenced_paths
from aura_actors.cleaners.watched import Watched
from tests.cleaners.household import DAY, Household


@pytest.mark.parametrize(
    ("task", "reader", "read", "count", "days"),
    [
        (OrphanedUploads(), "orphaned_uploads.referenced_paths", referenced_paths, 300, 10),
        (Cache(), "cache.last_uses", application.last_uses, 300, 3),
    ],
    ids=["uploads", "cache"],
)
def test_what_the_database_says_is_not_read_again_for_every_file(
    house: Household,
    monkeypatch: pytest.MonkeyPatch,
    task: Any,
    reader: str,
    read: Callable[..., Any],
    count: int,
    days: float,
) -> None:
    house.db.execute("INSERT INTO projects VALUES ('p', 'active', 0, NULL, NULL, NULL)")
    for number in range(count):
        (house.data_dir / task.folder / f"{number}").touch()
        house.db.execute("INSERT INTO uploads (project_id, path, created_at) VALUES ('p', ?, 0)", (f"{number}",))
        house.db.execute("INSERT INTO cache_entries VALUES (?, ?)", (f"{number}", time.time() + 9 * DAY))
    versions, calls = itertools.count(), [0]

    def counted(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        return read(*args, **options)

    monkeypatch.setattr(Watched, "_data_version", lambda _: next(versions))  # as if somebody wrote all the time
    monkeypatch.setattr(f"aura_actors.cleaners.{reader}", counted)
    swept = house.run(task, days=days)
    assert (swept.removed, sum(swept.kept.values())) == (0, count)
    assert calls[0] < 10


def test_nobody_waits_while_references_become_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file without a write-ahead log, whoever reads keeps writers out."""
    path = str(tmp_path / "app.db")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
        writer.execute("CREATE TABLE works (file TEXT)")
        writer.executemany("INSERT INTO works VALUES (?)", [(f"{number}",) for number in range(5)])
        forms_of = application.forms_of

        def and_somebody_writes(name: str | bytes, base: str) -> set[str]:
            writer.execute("UPDATE works SET file = file WHERE rowid = 1")
            return forms_of(name, base)

        monkeypatch.setattr(application, "forms_of", and_somebody_writes)
        reference = Reference("SELECT file FROM works", str(tmp_path))
        assert sum(1 for _ in referenced_paths(path, [reference], dry_run=False)) == 5
