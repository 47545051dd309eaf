"""Tables as an application may have made them: what they say of conflicts, triggers and keys loses no row."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from aura_actors.cleaners import ActionLogs, ArchiveProjects
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
