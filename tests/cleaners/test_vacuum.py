"""Free pages go back to the file system where that is worth it and nobody is in the way."""

import os
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aura_actors.cleaners import Vacuum
from tests.cleaners.household import Household

ANEW = Vacuum(min_free_bytes=0)


def fill(db: sqlite3.Connection, rows: int = 4_000, keep: int = 400) -> None:
    """Some megabytes of which a tenth is used."""
    db.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, text)")
    db.execute(
        "INSERT INTO big (text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " SELECT hex(randomblob(500)) FROM n",
        (rows,),
    )
    db.execute("DELETE FROM big WHERE id > ?", (keep,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def full(house: Household) -> Household:
    """The default database, which gives pages back one by one."""
    fill(house.db)
    return house


@pytest.fixture
def plain(house: Household) -> Path:
    """An application's own file, which has to be written anew."""
    path = house.data_dir / "plain.db"
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA journal_mode = WAL")
        fill(db)
    db.close()
    return path


def test_free_pages_are_given_back_all_of_them(full: Household) -> None:
    before = full.database.stat().st_size
    swept = full.run(Vacuum())
    assert (swept.outcome, swept.kept) == ("done", {})
    assert full.database.stat().st_size == before - swept.freed_bytes < before / 2
    assert full.db.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert full.db.execute("SELECT count(*) FROM big").fetchone() == (400,)
    assert not full.database.with_name("aura.db-wal").stat().st_size


def test_pages_go_back_by_hundreds_and_not_one_by_one(full: Household) -> None:
    """In some versions of Python, `execute` gives one page back where hundreds were meant."""
    (free,) = full.db.execute("PRAGMA freelist_count").fetchone()
    assert sum(1 for _ in Vacuum().work(full.bench())) < 10 < free / 50


def test_a_file_that_cannot_give_pages_back_is_written_anew(house: Household, plain: Path) -> None:
    before = plain.stat().st_size
    swept = house.run(Vacuum(database=str(plain), min_free_bytes=0))
    assert swept.outcome == "done"
    assert plain.stat().st_size == before - swept.freed_bytes < before / 2


def test_it_is_not_done_where_it_is_not_worth_it(full: Household, plain: Path) -> None:
    for cleaner in (
        Vacuum(min_free_share=0.95),
        Vacuum(database=str(plain)),
        Vacuum(database=str(plain), min_free_share=0.95),
    ):
        swept = full.run(cleaner)
        assert (swept.outcome, swept.removed) == ("done", 0)
        assert list(swept.kept) == ["not-worth-it"]


def test_it_is_declined_while_somebody_writes_or_reads(full: Household, plain: Path) -> None:
    for cleaner, path in ((Vacuum(), full.database), (Vacuum(database=str(plain), min_free_bytes=0), plain)):
        before = path.stat().st_size
        for statement in ("BEGIN IMMEDIATE", "BEGIN; SELECT count(*) FROM big"):
            other = sqlite3.connect(path, isolation_level=None)
            if "SELECT" in statement:  # a reader of an older state keeps the log from being emptied
                other.execute("BEGIN")
                other.execute("SELECT count(*) FROM big").fetchall()
                with sqlite3.connect(path, isolation_level=None) as writer:
                    writer.execute("UPDATE big SET text = 'x' WHERE id = 1")
                writer.close()
            else:
                other.execute(statement)
            swept = full.run(cleaner)
            other.close()
            assert swept.outcome == "declined", statement
            assert "in use" in (swept.detail or "") or "locked" in (swept.detail or "")
            assert path.stat().st_size == before


def test_it_is_declined_where_the_disk_has_too_little_room(
    house: Household, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4_096))
    swept = house.run(Vacuum(database=str(plain), min_free_bytes=0))
    assert swept.outcome == "declined"
    assert "4096 bytes free" in (swept.detail or "")


def test_a_dry_run_says_what_would_be_freed(full: Household) -> None:
    before = full.database.stat()
    dry = full.run(Vacuum(), dry_run=True)
    assert full.database.stat().st_mtime_ns == before.st_mtime_ns
    real = full.run(Vacuum())
    assert 0 <= real.removed - dry.removed <= 1, "a page that kept track of the others may go with them"


def test_writers_go_on_while_pages_are_given_back(full: Household) -> None:
    stop, begun, written = threading.Event(), threading.Event(), list[float]()

    def writing() -> None:
        with sqlite3.connect(full.database, isolation_level=None, timeout=10) as db:
            while not stop.is_set():
                db.execute("UPDATE big SET text = 'new' WHERE id = 1")
                written.append(time.monotonic())
                begun.set()
                time.sleep(0.0005)
        db.close()

    thread = threading.Thread(target=writing)
    thread.start()
    try:
        assert begun.wait(10)
        steps = Vacuum().work(full.bench())
        next(steps)
        began = time.monotonic()
        for _ in steps:
            time.sleep(0.002)  # what whoever drives a run does between its steps
        ended = time.monotonic()
    finally:
        stop.set()
        thread.join()
    assert full.db.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert any(began < at < ended for at in written)


@pytest.mark.parametrize("anew", [False, True])
def test_the_database_is_intact_after_25_kills(full: Household, plain: Path, anew: bool) -> None:
    """Killed at moments that chance picks; every kill point of a small file is in tests/kill_points."""
    chance = random.Random(1)
    path = plain if anew else full.database
    cleaner = Vacuum(database=str(path), min_free_bytes=0, min_free_share=0)
    for _ in range(25):
        with sqlite3.connect(path, isolation_level=None) as db:
            db.execute("INSERT INTO big (text) SELECT hex(randomblob(500)) FROM big LIMIT 400")
            db.execute("DELETE FROM big WHERE id > 400")
        db.close()
        pid = os.fork()
        if pid == 0:
            try:
                steps = cleaner.work(full.bench())
                for _ in steps:
                    pass
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with sqlite3.connect(path, isolation_level=None) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("SELECT count(*) FROM big").fetchone() == (400,)
        db.close()
