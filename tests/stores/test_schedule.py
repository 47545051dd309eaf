"""The schedule's file: what is written survives, and nobody else may read it."""

import datetime as dt
import sqlite3
from pathlib import Path

import msgspec
import pytest

from aura_actors.cleaners.roots import RootIdentity
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores.schedule import REMEMBERED_RUNS, ScheduleStore
from aura_actors.stores.sqlite import open_database, transaction
from aura_actors.wire.cleanup import CleanupProgress, CleanupReport


def report(run_id: str, outcome: str = "done", finished_at: float = 2_000.0) -> CleanupReport:
    return CleanupReport(
        run_id=run_id,
        task="temp-files",
        dry_run=False,
        started_at=dt.datetime.fromtimestamp(1_000, dt.UTC),
        finished_at=dt.datetime.fromtimestamp(finished_at, dt.UTC),
        outcome=outcome,
        detail=None,
        removed=3,
        kept={"young": 1},
        failures={"/x/\\xff": "Permission denied"},
        freed_bytes=10,
        freed_allocated_bytes=4096,
    )


def test_a_finished_run_is_known_to_the_next_life(tmp_path: Path) -> None:
    first = ScheduleStore(tmp_path / "state.db")
    first.begin("temp-files", "r1", 1_000.0)
    first.finish(report("r1"))
    first.close()
    second = ScheduleStore(tmp_path / "state.db")
    record = second.records()["temp-files"]
    second.close()
    assert (record.started_at, record.finished_at, record.outcome) == (1_000.0, 2_000.0, "done")
    assert record.last_report == report("r1")
    assert not record.unfinished


def test_a_begun_run_is_unfinished_and_leaves_the_last_finish_alone(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    store.begin("temp-files", "r1", 1_000.0)
    store.finish(report("r1"))
    store.begin("temp-files", "r2", 5_000.0)
    record = store.records()["temp-files"]
    assert record.unfinished
    assert record.finished_at == 2_000.0
    store.interrupt(report("r2", "interrupted", 9_000.0))
    record = store.records()["temp-files"]
    store.close()
    assert (record.outcome, record.finished_at, record.unfinished) == ("interrupted", 2_000.0, False)


def test_a_late_end_of_another_run_changes_nothing(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    store.begin("temp-files", "r2", 1_000.0)
    store.finish(report("r1"))
    record = store.records()["temp-files"]
    store.close()
    assert record.unfinished


def test_a_corrected_stamp_stays(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    store.begin("temp-files", "r1", 1_000.0)
    store.finish(report("r1"))
    store.correct_finish("temp-files", 500.0)
    record = store.records()["temp-files"]
    store.close()
    assert record.finished_at == 500.0


def test_roots_are_remembered_whatever_bytes_and_numbers_they_have(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    path = "/data/\udcff\n"
    identity = RootIdentity(2**64 - 1, 2**63, 7)
    assert store.root(path) is None
    store.record_root(path, identity)
    assert store.root(path) == identity
    store.close()


def test_a_report_of_another_version_is_forgotten_and_the_schedule_is_not(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    store.begin("temp-files", "r1", 1_000.0)
    store.finish(report("r1"))
    store.close()
    other = sqlite3.connect(tmp_path / "state.db")
    with other:
        other.execute("UPDATE cleanup_tasks SET last_report = ?", (b'{"other": 1}',))
    other.close()
    store = ScheduleStore(tmp_path / "state.db")
    record = store.records()["temp-files"]
    store.close()
    assert record.last_report is None
    assert record.finished_at == 2_000.0


def test_the_file_is_the_owners_alone_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = open_database(path, schema=("CREATE TABLE t (n)",))
    connection.execute("INSERT INTO t VALUES (1)")
    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
    assert set(modes.values()) == {0o600}
    path.chmod(0o644)
    open_database(path, schema=("CREATE TABLE t (n)",)).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_schema_steps_run_once_and_in_order(tmp_path: Path) -> None:
    one = "CREATE TABLE t (n)"
    two = "ALTER TABLE t ADD COLUMN m; INSERT INTO t VALUES (1, 2)"
    open_database(tmp_path / "x.db", schema=(one,)).close()
    for _ in range(2):
        connection = open_database(tmp_path / "x.db", schema=(one, two))
        rows = connection.execute("SELECT n, m FROM t").fetchall()
        connection.close()
        assert rows == [(1, 2)]


def test_a_failed_schema_step_leaves_the_old_version(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        open_database(tmp_path / "x.db", schema=("CREATE TABLE t (n); CREATE TABLE t (n)",))
    connection = open_database(tmp_path / "x.db", schema=("CREATE TABLE t (n)",))
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db", schema=("SELECT 1", "SELECT 2")).close()
    with pytest.raises(InvalidValue, match="newer"):
        open_database(tmp_path / "x.db", schema=("SELECT 1",))


def test_a_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "x.db", schema=("CREATE TABLE t (n)",))

    def fail() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT n FROM t").fetchall() == [(2,)]
    connection.close()


def test_the_last_fifty_runs_are_remembered_and_those_that_can_be_undone(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    for number in range(60):
        kept = msgspec.structs.replace(report(f"r{number}"), undoable=number in (0, 3))
        store.begin("temp-files", kept.run_id, 1_000.0)
        store.finish(kept)
    ids = [run.run_id for run in store.runs()]
    assert ids[0] == "r59"
    assert ids[-2:] == ["r3", "r0"]
    assert len(ids) == REMEMBERED_RUNS + 2
    store.amend([msgspec.structs.replace(report("r3"), restored=1)])
    assert next(run for run in store.runs() if run.run_id == "r3").restored == 1
    store.close()


def test_how_far_a_run_was_is_known_to_the_next_life_and_void_for_the_next_run(tmp_path: Path) -> None:
    store = ScheduleStore(tmp_path / "state.db")
    progress = CleanupProgress(
        run_id="r1", dry_run=False, phase="remove", scanned=9, removed=4, freed_bytes=40, total_bytes=None,
        files_per_second=1.0,
    )  # fmt: skip
    store.begin("temp-files", "r1", 1_000.0)
    store.note("temp-files", progress)
    assert store.records()["temp-files"].cursor == progress
    store.begin("temp-files", "r2", 2_000.0)
    store.note("temp-files", progress)  # late: of another run
    assert store.records()["temp-files"].cursor is None
    store.close()


def test_a_file_that_is_no_database_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"no database" * 1_000)
    store = ScheduleStore(path)
    with pytest.raises(StoreUnavailable, match=r"state\.db cannot be used"):
        store.records()
    path.unlink()
    assert store.records() == {}
    store.close()
