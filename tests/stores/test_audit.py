"""Operator actions are rows of the application's own table."""

import sqlite3
import threading
from pathlib import Path

import pytest

from aura_actors.errors import StoreUnavailable
from aura_actors.stores.audit import AuditStore


def test_an_action_is_a_row_that_anybody_can_read(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    store.record(at=5.0, actor="operator", action="cleanup.run", target="temp-files", detail="dry")
    with sqlite3.connect(tmp_path / "aura.db") as db:
        rows = db.execute(
            "SELECT at, actor, action, target, outcome, detail, expires_at FROM action_logs"
        ).fetchall()
    db.close()
    store.close()
    assert rows == [(5.0, "operator", "cleanup.run", "temp-files", "done", "dry", None)]


def test_a_second_start_finds_what_the_first_wrote(tmp_path: Path) -> None:
    for _ in range(2):
        store = AuditStore(tmp_path)
        store.record(at=0.0, actor="a", action="b")
        store.close()
    with sqlite3.connect(tmp_path / "aura.db") as db:
        assert db.execute("SELECT count(*) FROM action_logs").fetchone() == (2,)
    db.close()


def test_any_thread_may_write(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    threads = [
        threading.Thread(target=store.record, kwargs={"at": 0.0, "actor": "a", "action": "b"}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    with sqlite3.connect(tmp_path / "aura.db") as db:
        assert db.execute("SELECT count(*) FROM action_logs").fetchone() == (8,)
    db.close()


def test_a_newer_or_foreign_or_locked_file_is_said_with_its_path(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    other = sqlite3.connect(tmp_path / "aura.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.record(at=0.0, actor="a", action="b")
    other.execute("ROLLBACK")
    other.execute("PRAGMA user_version = 9")
    other.close()
    store.close()
    with pytest.raises(StoreUnavailable, match=r"aura\.db.*version 9"):
        AuditStore(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "aura.db").write_text("text" * 2_000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        AuditStore(tmp_path / "x")
