"""Aged rows go into sealed segments; nothing that is not in one leaves its table."""

import gzip
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from aura_actors.cleaners import ActionLogs, ExportHistory
from aura_actors.cleaners.sealing import Draft
from aura_actors.cleaners.segments import Damaged, Packed, Segment, pack, unpack, write_segment
from aura_actors.cleaners.selection import Columns
from tests.cleaners.household import DAY, Household


def sealed(house: Household) -> list[tuple[object, ...]]:
    """Every row of every segment."""
    return [row for path in house.archives() for _, row in unpack(path.read_bytes()).rows]


def test_old_rows_move_into_segments_of_a_thousand_and_young_ones_stay(house: Household) -> None:
    house.actions(2_500)
    before = house.rows("action_logs")
    house.actions(3, at=time.time() + 90 * DAY)
    young = house.rows("action_logs")[-3:]
    swept = house.run(ActionLogs(), days=91)
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 2_500, {"young": 3})
    assert swept.scanned == 2_503
    assert house.rows("action_logs") == young
    assert sorted(sealed(house)) == before
    assert [len(unpack(path.read_bytes()).rows) for path in house.archives()] == [1_000, 1_000, 500]
    assert set(house.ledger().values()) == {"done"}


def test_a_second_run_on_the_same_day_loses_nothing(house: Household) -> None:
    house.actions(10)
    before = house.rows("action_logs")
    house.run(ActionLogs(), days=91)
    house.actions(10)
    before += house.rows("action_logs")
    house.run(ActionLogs(), days=91)
    assert sorted(sealed(house)) == sorted(before)
    assert len(house.archives()) == 2


def test_rows_that_must_stay_for_now_stay(house: Household) -> None:
    house.actions(2)
    house.db.execute("UPDATE action_logs SET expires_at = ? WHERE id = 1", (time.time() + 100 * DAY,))
    swept = house.run(ActionLogs(), days=91)
    assert (swept.removed, swept.kept) == (1, {"excluded": 1})


def test_exports_that_have_not_ended_stay(house: Household) -> None:
    for status in ("queued", "running", "completed", "failed"):
        house.db.execute("INSERT INTO export_history (status, created_at) VALUES (?, ?)", (status, time.time()))
    swept = house.run(ExportHistory(), days=31)
    assert swept.removed == 2
    assert [row[2] for row in house.rows("export_history")] == ["queued", "running"]


def test_stamps_from_the_future_are_kept_and_said(house: Household) -> None:
    house.actions(1, at=time.time() + 200 * DAY)
    swept = house.run(ActionLogs(), days=91)
    assert (swept.removed, swept.kept) == (0, {"future": 1})


def test_a_dry_run_counts_the_same_and_changes_nothing(house: Household) -> None:
    house.actions(1_200)
    before = house.database.read_bytes()
    house.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = house.database.read_bytes()
    swept = house.run(ActionLogs(), days=91, dry_run=True)
    assert (swept.outcome, swept.removed, swept.scanned) == ("done", 1_200, 1_200)
    assert house.database.read_bytes() == before
    assert house.archives() == []


def test_undo_puts_the_rows_back_and_removes_the_segments(house: Household) -> None:
    house.actions(1_500)
    before = house.rows("action_logs")
    house.run(ActionLogs(), days=91, run_id="it")
    swept = house.undo(ActionLogs(), "it")
    assert (swept.outcome, swept.restored) == ("done", 1_500)
    assert house.rows("action_logs") == before
    assert house.archives() == []
    assert house.undo(ActionLogs(), "it").outcome == "declined"


def test_undo_overwrites_no_row_that_has_the_place_of_another(house: Household) -> None:
    house.actions(1)
    house.run(ActionLogs(), days=91, run_id="it")
    house.db.execute("INSERT INTO action_logs (id, at, actor, action, outcome) VALUES (1, 0, 'x', 'y', 'z')")
    swept = house.undo(ActionLogs(), "it")
    assert (swept.restored, swept.kept) == (0, {"origin-taken": 1})
    assert house.rows("action_logs")[0][2] == "x"
    assert len(house.archives()) == 1


def test_segments_that_only_serve_to_undo_go_with_the_quarantine(house: Household) -> None:
    house.db.execute("INSERT INTO export_history (status, created_at) VALUES ('completed', ?)", (time.time(),))
    house.run(ExportHistory(), days=31)
    assert len(house.archives()) == 1
    house.run(ExportHistory(), days=31.5)
    assert len(house.archives()) == 1
    house.run(ExportHistory(), days=38)
    assert house.archives() == []
    assert set(house.ledger().values()) == {"expired"}


def test_a_segment_that_the_ledger_does_not_know_is_taken_up(house: Household) -> None:
    house.actions(5)
    before = house.rows("action_logs")
    house.run(ActionLogs(), days=91)
    for row in before[:3]:  # as if the transaction had not come about
        house.db.execute(f"INSERT INTO action_logs VALUES ({', '.join('?' * len(row))})", row)
    house.db.execute("DELETE FROM aura_ledger")
    house.db.execute("UPDATE action_logs SET detail = 'changed' WHERE id = 3")
    swept = house.run(ActionLogs())
    assert swept.removed == 2
    assert [row[0] for row in house.rows("action_logs")] == [3], "what changed since is in no segment"


def test_a_damaged_segment_is_reported_and_nothing_is_deleted_on_its_word(house: Household) -> None:
    house.actions(5)
    before = house.rows("action_logs")
    house.run(ActionLogs(), days=91)
    (path,) = house.archives()
    for row in before:
        house.db.execute(f"INSERT INTO action_logs VALUES ({', '.join('?' * len(row))})", row)
    house.db.execute("DELETE FROM aura_ledger")
    path.write_bytes(path.read_bytes()[:-9])
    swept = house.run(ActionLogs())
    assert house.rows("action_logs") == before
    assert list(swept.failures) == [str(path)]


@pytest.mark.parametrize("text", ["", "{}", "{}\n", "x\n[0,[1]]\n"])
def test_what_is_no_segment_is_damaged(text: str) -> None:
    for damage in (text.encode(), gzip.compress(text.encode())):
        with pytest.raises(Damaged):
            unpack(damage)


def test_the_same_rows_sealed_twice_are_one_segment_and_others_of_its_name_are_refused(tmp_path: Path) -> None:
    def packed(run_id: str, value: str) -> Packed:
        segment = Segment(task="t", run_id=run_id, tables={"x": ["id"]}, rows=[("x", (value,))])
        return pack(segment, "x", first=1, last=1)

    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        first = write_segment(folder, packed("one", "a"))
        assert write_segment(folder, packed("two", "a")) == first
        other = packed("two", "b")
        (tmp_path / other.name).write_bytes(first.data)
        with pytest.raises(Damaged, match="with another content"):
            write_segment(folder, other)
    finally:
        os.close(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.name, other.name])


def test_a_disk_that_reads_back_something_else_fails_the_run_and_no_row_goes(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.actions(3)
    monkeypatch.setattr(Draft, "settle", lambda draft: os.ftruncate(draft.fd, 0))
    swept = house.run(ActionLogs(), days=100)
    assert (swept.outcome, swept.detail) == ("failed", "what was written is not what is read back")
    assert len(house.rows("action_logs")) == 3


def test_every_kind_of_value_comes_back_as_it_was(house: Household) -> None:
    house.db.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, stamp, v)")
    values = [None, 1, -(2**63), 0.1, float("inf"), "text\n\0", b"\x00\xff", "", b""]
    house.db.executemany("INSERT INTO odd (stamp, v) VALUES (1, ?)", [(value,) for value in values])
    before = house.rows("odd")
    cleaner = ActionLogs(table="odd", columns=Columns(stamp="stamp"), where=None)
    assert house.run(cleaner, run_id="it").removed == len(values)
    assert house.undo(cleaner, "it").restored == len(values)
    assert house.rows("odd") == before


def test_text_that_is_no_utf_8_is_not_archived_and_so_not_deleted(house: Household) -> None:
    house.db.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, stamp, v)")
    house.db.execute("INSERT INTO odd (stamp, v) VALUES (1, CAST(x'ff' AS TEXT)), (1, 'fine')")
    swept = house.run(ActionLogs(table="odd", columns=Columns(stamp="stamp"), where=None))
    assert (swept.removed, sum(swept.kept.values())) == (1, 1)
    assert house.db.execute("SELECT id FROM odd").fetchall() == [(1,)]


@pytest.mark.parametrize(("stamps", "stamp"), [("milliseconds", 10**11), ("text", "1970-01-02T03:04:05")])
def test_stamps_may_be_milliseconds_or_text(house: Household, stamps: str, stamp: object) -> None:
    house.db.execute("CREATE TABLE odd (id TEXT UNIQUE, stamp)")
    house.db.execute("INSERT INTO odd VALUES ('old', ?), ('none', NULL), ('bad', x'00')", (stamp,))
    cleaner = ActionLogs(table="odd", columns=Columns(stamp="stamp"), where=None, stamps=stamps)  # type: ignore[arg-type]
    swept = house.run(cleaner)
    assert (swept.removed, swept.kept) == (1, {"unreadable": 2})


def other_file(house: Household, *script: str) -> Path:
    path = house.data_dir / "other.db"
    db = sqlite3.connect(path, isolation_level=None)
    for statement in script:
        db.execute(statement)
    db.close()
    return path


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (["CREATE TABLE x (y)"], "has no table action_logs"),
        (["CREATE VIEW action_logs AS SELECT 1 AS id, 2 AS at"], "has no table action_logs"),
        (["CREATE TABLE action_logs (id INTEGER PRIMARY KEY)"], "has no column at"),
        (["CREATE TABLE action_logs (id, at)"], "is not unique"),
        (
            [
                "CREATE TABLE action_logs (id INTEGER PRIMARY KEY, at)",
                "CREATE TABLE undo (a REFERENCES action_logs (id) ON DELETE CASCADE)",
            ],
            "would change undo too",
        ),
        (["CREATE TABLE action_logs (id INTEGER PRIMARY KEY, at, expires_at_ TEXT)"], "no such column: expires_at"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_configured_declines_the_pass(
    house: Household, script: list[str], sentence: str
) -> None:
    path = other_file(house, *script)
    swept = house.run(ActionLogs(database=str(path)), days=91)
    assert swept.outcome == "declined"
    assert swept.detail is not None
    assert sentence in swept.detail


def test_a_missing_or_foreign_or_newer_or_locked_file_declines_the_pass(house: Household) -> None:
    missing = house.run(ActionLogs(database=str(house.data_dir / "nowhere.db")))
    assert (missing.outcome, missing.detail) == ("declined", f"the database {house.data_dir}/nowhere.db is missing")
    assert not (house.data_dir / "nowhere.db").exists()
    foreign = house.data_dir / "text"
    foreign.write_text("x" * 5_000)
    assert "not a database" in (house.run(ActionLogs(database=str(foreign))).detail or "")
    assert house.run(ActionLogs(), database=None).detail == "there is no database"
    house.actions(1)
    house.db.execute("BEGIN IMMEDIATE")
    assert "locked" in (house.run(ActionLogs(), days=91).detail or "")
    house.db.execute("ROLLBACK")
    house.db.execute("PRAGMA user_version = 2")
    assert "is of version 2, this program knows 1" in (house.run(ActionLogs()).detail or "")


def test_an_applications_own_file_gets_a_ledger_of_its_own(house: Household) -> None:
    path = other_file(
        house,
        'CREATE TABLE "odd ""name" (key TEXT PRIMARY KEY, "when" REAL) WITHOUT ROWID',
        "INSERT INTO \"odd \"\"name\" VALUES ('a', 1), ('b', 9e12)",
    )
    cleaner = ActionLogs(database=str(path), table='odd "name', columns=Columns(id="key", stamp="when"), where=None)
    swept = house.run(cleaner, run_id="it")
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 1, {"future": 1})
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT state FROM aura_ledger").fetchall() == [("done",)]
    db.close()
    assert house.undo(cleaner, "it").restored == 1


def test_a_cap_stops_a_run_and_the_next_goes_on(house: Household) -> None:
    house.actions(2_500)
    swept = house.run(ActionLogs(max_rows=1_000), days=91)
    assert (swept.removed, swept.kept) == (1_000, {"over-cap": 1_500})
    assert house.run(ActionLogs(), days=91).removed == 1_500


def test_a_table_without_an_index_on_its_stamps_is_gone_through_by_id(house: Household) -> None:
    house.db.execute("DROP INDEX action_logs_by_age")
    house.actions(2_200)
    assert house.run(ActionLogs(), days=91).removed == 2_200


def test_the_header_of_a_segment_is_for_people_too(house: Household) -> None:
    house.actions(3)
    house.run(ActionLogs(), days=91)
    (path,) = house.archives()
    head = json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])
    assert (head["task"], head["rows"], head["first"], head["last"]) == ("action-logs", 3, "1", "3")
    assert path.name.startswith("action_logs-1-3-")
