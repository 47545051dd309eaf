"""Tables as an application may have made them: what they say of conflicts, triggers and keys loses no row."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import ActionLogs, ArchiveProjects, create_layout
from aura_actors.cleaners.rows import _Run
from aura_actors.cleaners.segments import Packed, unpack, write_segment
from aura_actors.cleaners.selection import Columns
from tests.cleaners.household import Household


def notes(**fields: Any) -> ActionLogs:
    """A task for a table of the application's own."""
    return ActionLogs(table="notes", columns=Columns(stamp="at"), where=None, **fields)


def make(house: Household, columns: str, *rows: tuple[object, ...]) -> None:
    """The table, each of its rows as old as now."""
    house.db.execute(f"CREATE TABLE notes ({columns})")
    for row in rows:
        add(house, *row)


def add(house: Household, *row: object) -> None:
    marks = ", ".join("?" * len(row))
    house.db.execute(f"INSERT INTO notes VALUES ({marks})", row)


@pytest.mark.parametrize("word", ["REPLACE", "IGNORE", "ROLLBACK", "FAIL"])
def test_an_undo_overwrites_and_loses_no_row_whatever_the_table_says_of_conflicts(
    house: Household, word: str
) -> None:
    make(house, f"id INTEGER PRIMARY KEY ON CONFLICT {word}, at REAL, text TEXT", (1, time.time(), "old"))
    house.run(notes(), days=91, run_id="it")
    add(house, 1, time.time(), "new")
    swept = house.undo(notes(), "it", days=91)
    assert (swept.restored, swept.kept) == (0, {"origin-taken": 1})
    assert [row[2] for row in house.rows("notes")] == ["new"]
    assert len(house.archives()) == 1
    house.db.execute("DELETE FROM notes")
    assert house.undo(notes(), "it", days=91).restored == 1
    assert [row[2] for row in house.rows("notes")] == ["old"]


def test_a_row_that_a_trigger_keeps_out_stays_in_its_segment(house: Household) -> None:
    make(house, "id INTEGER PRIMARY KEY, at REAL", (1, time.time()))
    house.run(notes(), days=91, run_id="it")
    house.db.execute("CREATE TRIGGER no BEFORE INSERT ON notes BEGIN SELECT RAISE(IGNORE); END")
    swept = house.undo(notes(), "it", days=91)
    assert (swept.restored, swept.kept) == (0, {"origin-taken": 1})
    assert len(house.archives()) == 1


def test_a_row_that_differs_only_in_case_is_another_one(house: Household) -> None:
    stamp = time.time()
    make(house, "id INTEGER PRIMARY KEY, at REAL, text TEXT COLLATE NOCASE", (1, stamp, "Word"))
    house.run(notes(), days=91, run_id="it")
    add(house, 1, stamp, "WORD")
    swept = house.undo(notes(), "it", days=91)
    assert (swept.restored, swept.kept, len(house.archives())) == (0, {"origin-taken": 1}, 1)


def test_a_trigger_that_rolls_an_undo_back_leaves_all_rows_in_their_segment(house: Household) -> None:
    make(house, "id INTEGER PRIMARY KEY, at REAL", *((number, time.time()) for number in (1, 2, 3)))
    house.run(notes(), days=91, run_id="it")
    house.db.execute(
        "CREATE TRIGGER no BEFORE INSERT ON notes WHEN NEW.id = 2 BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    swept = house.undo(notes(), "it", days=91)
    assert (swept.restored, house.rows("notes"), len(house.archives())) == (0, [], 1)
    house.db.execute("DROP TRIGGER no")
    assert house.undo(notes(), "it", days=91).restored == 3


def test_rows_without_an_id_stay_and_keep_no_other(house: Household) -> None:
    stamp = time.time()
    make(house, "id TEXT UNIQUE, at REAL", *((None, stamp) for _ in range(1_200)), ("a", stamp))
    swept = house.run(notes(), days=91, run_id="it")
    assert (swept.removed, swept.kept) == (1, {"unreadable": 1_200})
    assert house.undo(notes(), "it", days=91).restored == 1
    assert house.db.execute("SELECT count(*), count(id) FROM notes").fetchone() == (1_201, 1)


OLD_DATES = ["2024-01-31", "2024-01-31 10:00:00", "2024-01-31T10:00:00.123Z", "2024-01-31T10:00:00+02:00"]
NO_DATES = [
    "2024",
    "12:30",
    "now",
    "2459000.5",
    "1700000000",
    "20240131",
    "31.01.2024",
    "",
    "2024-01-31T10:00:00+0200",
]


def test_what_is_no_date_as_anybody_writes_it_makes_no_row_old(house: Household) -> None:
    yesterday = datetime.fromtimestamp(time.time() - 86_400, UTC).isoformat()
    make(house, "id INTEGER PRIMARY KEY, at TEXT", *enumerate([*OLD_DATES, *NO_DATES, yesterday]))
    swept = house.run(notes(stamps="text"))
    assert (swept.removed, swept.kept) == (len(OLD_DATES), {"unreadable": len(NO_DATES), "young": 1})
    assert [row[1] for row in house.rows("notes")] == [*NO_DATES, yesterday]


def test_seconds_taken_for_milliseconds_make_no_row_old(house: Household) -> None:
    make(house, "id INTEGER PRIMARY KEY, at REAL", (1, time.time()))
    assert house.run(notes(stamps="milliseconds"), days=91).kept == {"unreadable": 1}


def test_a_project_with_one_stamp_that_cannot_be_read_stays(house: Household) -> None:
    house.db.execute(
        "CREATE TABLE works (id TEXT PRIMARY KEY, status TEXT, updated_at REAL, completed_at, path TEXT)"
    )
    for ident, completed_at in (("a", None), ("b", time.time()), ("c", "2026-11-29T00:00:00Z")):
        house.db.execute(
            "INSERT INTO works VALUES (?, 'completed', ?, ?, NULL)", (ident, time.time(), completed_at)
        )
    swept = house.run(ArchiveProjects(table="works", children=()), days=8)
    assert (swept.removed, swept.kept) == (2, {"unreadable": 1})


def referred(house: Household, *refused: int, clause: str = "") -> None:
    """2,500 rows, and a table that nobody listed which refers to some of them."""
    house.actions(2_500)
    house.db.execute(f"CREATE TABLE marks (action INTEGER REFERENCES action_logs (id) {clause})")
    house.db.executemany("INSERT INTO marks VALUES (?)", [(ident,) for ident in refused])


@pytest.mark.parametrize("clause", ["", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_rows_that_others_refer_to_stay_and_keep_no_other(house: Household, clause: str, dry_run: bool) -> None:
    referred(house, 5, 6, 2_400, clause=clause)
    before = house.rows("action_logs")
    swept = house.run(ActionLogs(), days=91, run_id="it", dry_run=dry_run)
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 2_497, {"failed": 3})
    text = "3 of its rows stay, since the database refuses to delete them: FOREIGN KEY constraint failed"
    assert swept.failures == {"action_logs": text}
    if dry_run:
        assert house.rows("action_logs") == before
        return
    assert [row[0] for row in house.rows("action_logs")] == [5, 6, 2_400]
    assert sum(len(unpack(path.read_bytes()).rows) for path in house.archives()) == 2_497
    assert house.undo(ActionLogs(), "it", days=91).restored == 2_497
    assert house.rows("action_logs") == before


def test_a_trigger_that_refuses_a_row_keeps_no_other(house: Household) -> None:
    house.actions(20)
    house.db.execute(
        "CREATE TRIGGER no BEFORE DELETE ON action_logs WHEN OLD.id = 3 BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    swept = house.run(ActionLogs(), days=91)
    assert (swept.removed, swept.kept) == (19, {"failed": 1})


def test_rows_that_refuse_at_the_head_of_the_line_do_not_use_up_what_a_run_may_take(house: Household) -> None:
    referred(house, *range(1, 1_001))
    assert house.run(ActionLogs(max_rows=500), days=91).removed == 1_000


def test_rows_that_refer_to_older_ones_of_their_own_table_go_and_come_back(house: Household) -> None:
    make(house, "id INTEGER PRIMARY KEY, at REAL, answer_to INTEGER REFERENCES notes (id)")
    for ident, to in ((1, None), (2, 1), (3, 2)):
        add(house, ident, time.time(), to)
    before = house.rows("notes")
    assert house.run(notes(), days=91, run_id="it").removed == 3
    assert house.undo(notes(), "it", days=91).restored == 3
    assert house.rows("notes") == before


def test_a_segment_whose_rows_are_refused_after_a_kill_keeps_no_other(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.actions(3)
    monkeypatch.setattr(_Run, "_delete", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    assert house.run(ActionLogs(), days=91).outcome == "failed"
    monkeypatch.undo()
    house.db.execute("CREATE TABLE marks (action INTEGER REFERENCES action_logs (id))")
    house.db.execute("INSERT INTO marks VALUES (2)")
    swept = house.run(ActionLogs(), days=91)
    assert (swept.outcome, swept.removed, [row[0] for row in house.rows("action_logs")]) == ("done", 2, [2])


@pytest.mark.parametrize("task", [notes(), ArchiveProjects(table="notes", children=())])
def test_a_trigger_that_would_delete_what_nobody_archives_declines_the_run(house: Household, task: Any) -> None:
    make(
        house,
        "id INTEGER PRIMARY KEY, at REAL, status TEXT, updated_at REAL, completed_at REAL, path TEXT",
        (1, time.time(), "completed", time.time(), None, None),
    )
    house.db.execute("CREATE TABLE pages (note INTEGER)")
    house.db.execute(
        "CREATE TRIGGER all_of_it AFTER DELETE ON notes BEGIN DELETE FROM pages WHERE note = OLD.id; END"
    )
    swept = house.run(task, days=91)
    assert swept.outcome == "declined"
    assert "would change pages too (trigger all_of_it)" in (swept.detail or "")
    assert len(house.rows("notes")) == 1


def test_triggers_that_count_or_keep_an_index_are_no_reason_to_decline(house: Household) -> None:
    make(house, "id INTEGER PRIMARY KEY, at REAL, text TEXT", (1, time.time(), "word"))
    house.db.execute("CREATE TABLE sums (notes INTEGER)")
    house.db.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    house.db.execute(
        "CREATE TRIGGER gone AFTER DELETE ON notes"
        " BEGIN UPDATE sums SET notes = notes - 1; DELETE FROM words WHERE rowid = OLD.id; END"
    )
    assert house.run(notes(), days=91).removed == 1


def test_an_undo_puts_rows_of_one_database_into_no_other(house: Household, tmp_path: Path) -> None:
    house.actions(3)
    house.run(ActionLogs(), days=91, run_id="it")
    create_layout(str(tmp_path))
    other = str(tmp_path / "aura.db")
    for _ in range(2):
        assert house.run(ActionLogs(database=other), days=91).removed == 0
        swept = house.undo(ActionLogs(database=other), "it", days=91)
        assert (swept.outcome, len(house.archives())) == ("declined", 1)
    assert house.undo(ActionLogs(), "it", days=91).restored == 3


def test_rows_that_somebody_changes_as_they_are_sealed_leave_no_segment(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.actions(3)

    def seal_and_change(folder_fd: int, packed: Packed) -> Packed:
        house.db.execute("UPDATE action_logs SET detail = 'changed'")
        return write_segment(folder_fd, packed)

    monkeypatch.setattr("aura_actors.cleaners.rows.write_segment", seal_and_change)
    assert house.run(ActionLogs(), days=91).kept == {"changed": 3}
    assert (house.archives(), len(house.rows("action_logs"))) == ([], 3)
