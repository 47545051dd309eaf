"""What is committed to a log lies over the file, and nothing else does."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aura_actors.cleaners import snapshot
from aura_actors.cleaners.database import open_application
from aura_actors.cleaners.roots import Declined


@pytest.fixture
def live(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database that somebody has open, with a log that was never copied into the file."""
    with closing(sqlite3.connect(tmp_path / "live.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)")
        yield db


def path_of(db: sqlite3.Connection) -> str:
    return str(db.execute("PRAGMA database_list").fetchone()[2])


def seen(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    with closing(snapshot.load(path_of(db))) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return found.execute("SELECT * FROM t ORDER BY id").fetchall()


def test_it_is_what_sqlite_itself_reads_whatever_was_done_to_the_file(live: sqlite3.Connection) -> None:
    chance = random.Random(1)
    for _ in range(60):
        match chance.randrange(5):
            case 0:
                live.execute("INSERT INTO t (text) VALUES (hex(randomblob(?)))", (chance.randrange(5_000),))
            case 1:
                live.execute("DELETE FROM t WHERE id % 3 = ?", (chance.randrange(3),))
            case 2:
                live.execute("UPDATE t SET text = text || 'x'")
            case 3:
                live.execute(f"PRAGMA wal_checkpoint({chance.choice(['PASSIVE', 'RESTART', 'TRUNCATE'])})")
            case _:
                live.execute("BEGIN")
                live.executemany("INSERT INTO t (text) VALUES (?)", [("y" * 900,)] * 40)
                live.execute(chance.choice(["COMMIT", "ROLLBACK"]))
        assert seen(live) == live.execute("SELECT * FROM t ORDER BY id").fetchall()


def test_what_is_not_committed_is_not_there(live: sqlite3.Connection) -> None:
    live.execute("INSERT INTO t VALUES (1, 'committed')")
    live.execute("PRAGMA cache_size = 5")  # so that a transaction spills into the log before its end
    live.execute("BEGIN")
    live.executemany("INSERT INTO t (text) VALUES (?)", [("z" * 2_000,)] * 200)
    assert seen(live) == [(1, "committed")]
    live.execute("ROLLBACK")


def test_a_log_that_was_half_written_counts_up_to_its_last_whole_commit(live: sqlite3.Connection) -> None:
    live.execute("INSERT INTO t VALUES (1, 'whole')")
    log = Path(f"{path_of(live)}-wal")
    whole = log.stat().st_size
    live.execute("INSERT INTO t VALUES (2, 'half')")
    text = log.read_bytes()
    for broken in (text[:-1], text[:whole], text[: whole + 30] + b"\xff" + text[whole + 31 :]):
        pages, size = snapshot.committed_pages(broken)
        assert size > 0
        assert not any(b"half" in page for page in pages.values())
        assert any(b"whole" in page for page in pages.values())
    for nothing in (b"", text[:10], b"\0" * 4_000, text[:5] + b"\xff" + text[6:]):
        assert snapshot.committed_pages(nothing) == ({}, 0)


def test_a_dry_run_reads_a_live_file_so_and_cannot_write(live: sqlite3.Connection) -> None:
    live.execute("INSERT INTO t VALUES (1, 'x')")
    with open_application(path_of(live), dry_run=True) as found:
        assert found.execute("SELECT text FROM t").fetchall() == [("x",)]
    with pytest.raises(Declined, match="readonly"), open_application(path_of(live), dry_run=True) as found:
        found.execute("DELETE FROM t")


def test_a_file_too_large_for_memory_is_read_as_sqlite_reads_it(
    live: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.execute("INSERT INTO t VALUES (1, 'x')")
    monkeypatch.setattr(snapshot, "LARGEST_BYTES", 0)
    with open_application(path_of(live), dry_run=True) as found:
        assert found.execute("SELECT text FROM t").fetchall() == [("x",)]
