"""A file of every version that this program ever wrote is opened, and nothing that was in it is lost.

What is made here is literal, and of its time: it does not change with the program.
"""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aura_actors.cleaners.roots import RootIdentity
from aura_actors.stores.schedule import SCHEMA, ScheduleStore

FIRST = """
CREATE TABLE cleanup_tasks (
    task TEXT PRIMARY KEY, run_id TEXT, started_at REAL, finished_at REAL, outcome TEXT, last_report BLOB
);
CREATE TABLE cleanup_roots (
    path BLOB PRIMARY KEY, device TEXT NOT NULL, inode TEXT NOT NULL, sentinel_inode TEXT NOT NULL
);
INSERT INTO cleanup_tasks VALUES
    ('temp-files', 'ended', 1000.5, 2000.25, 'done', REPORT),
    ('cache', 'cut short', 3000.0, 1500.0, NULL, NULL),
    ('vacuum', 'strange', 1.0, 2.0, 'done', CAST('{"of": "another program"}' AS BLOB));
INSERT INTO cleanup_roots VALUES (x'2f706c6163652fff', '18446744073709551615', '7', '8');
PRAGMA user_version = 1;
"""
SECOND = (
    FIRST
    + """
ALTER TABLE cleanup_tasks ADD COLUMN cursor BLOB;
CREATE TABLE cleanup_runs (
    ended INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, quarantined INTEGER NOT NULL, report BLOB NOT NULL
);
UPDATE cleanup_tasks SET cursor = CAST('CURSOR' AS BLOB) WHERE task = 'cache';
INSERT INTO cleanup_runs VALUES (3, 'ended', 5, REPORT);
PRAGMA user_version = 2;
"""
)
THIRD = SECOND + "ALTER TABLE cleanup_runs RENAME COLUMN quarantined TO undoable; PRAGMA user_version = 3;"
VERSIONS = (FIRST, SECOND, THIRD)

OF_THE_FIRST = (
    '{"runId":"ended","task":"temp-files","dryRun":false,"startedAt":"1970-01-01T00:16:40.5Z",'
    '"finishedAt":"1970-01-01T00:33:20.25Z","outcome":"done","detail":null,"removed":3,"kept":{"young":1},'
    '"failures":{"/x":"Permission denied"},"freedBytes":10,"freedAllocatedBytes":4096'
)
LATER = ',"scanned":4,"quarantined":3,"quarantinedBytes":10,"undoable":true,"restored":0,"plan":[]'
CURSOR = (
    '{"runId":"cut short","dryRun":false,"phase":"scan","scanned":9,"removed":2,"freedBytes":20,"total":null,'
    '"totalBytes":null,"filesPerSecond":1.5}'
)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_nothing_is_lost_of_a_file_of_an_earlier_version(tmp_path: Path, version: int) -> None:
    store = ScheduleStore(written(tmp_path, version))
    records, runs = store.records(), store.runs()
    root = store.root("/place/\udcff")
    store.close()
    ended = records["temp-files"]
    assert (ended.run_id, ended.started_at, ended.finished_at, ended.outcome) == ("ended", 1000.5, 2000.25, "done")
    assert ended.last_report is not None
    assert (ended.last_report.removed, ended.last_report.kept) == (3, {"young": 1})
    assert ended.last_report.finished_at == dt.datetime.fromtimestamp(2000.25, dt.UTC)
    cut_short = records["cache"]
    assert cut_short.unfinished
    assert cut_short.finished_at == 1500.0
    assert (cut_short.cursor is None) == (version == 1)
    assert cut_short.cursor is None or cut_short.cursor.removed == 2
    assert records["vacuum"].finished_at == 2.0  # what is due does not hang on a report that cannot be read
    assert [report.run_id for report in runs] == ([] if version == 1 else ["ended"])
    assert all(report.undoable for report in runs)
    assert root == RootIdentity(2**64 - 1, 7, 8)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_that_was_brought_up_is_as_one_that_was_made_anew(tmp_path: Path, version: int) -> None:
    old = written(tmp_path, version)
    for path in (old, tmp_path / "new.db"):
        store = ScheduleStore(path)
        store.begin("temp-files", "next", 5_000.0)
        assert store.records()["temp-files"].unfinished
        store.close()
    assert columns(old) == columns(tmp_path / "new.db")


def test_every_version_has_its_file_here() -> None:
    """Whoever adds one adds what it looks like."""
    assert len(VERSIONS) == len(SCHEMA)


def test_how_far_a_run_was_in_words_that_nobody_knows_is_forgotten(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE cleanup_tasks SET cursor = '{}' WHERE task = 'cache'")
    store = ScheduleStore(path)
    assert store.records()["cache"].cursor is None
    store.close()


def written(folder: Path, version: int) -> Path:
    """A file as that version of the program left it."""
    report = f"CAST('{OF_THE_FIRST}{LATER if version > 1 else ''}}}' AS BLOB)"
    path = folder / "cleanup.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSIONS[version - 1].replace("REPORT", report).replace("CURSOR", CURSOR))
    return path


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
