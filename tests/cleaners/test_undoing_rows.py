"""Undoing what a run did to a database: what is in the way keeps one row out, and it can be tried again."""

import pytest

from aura_actors.cleaners import (
    ActionLogs,
    ArchivedProjects,
    ArchiveProjects,
    ExportHistory,
    FailedProjects,
    database,
)
from tests.cleaners.household import Household, tree


def test_an_undo_while_the_database_is_locked_says_so_and_the_next_one_brings_the_rows(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    folder = house.project("p1", "failed")
    files, rows = tree(folder), house.rows("projects")
    house.run(FailedProjects(), days=4, run_id="it")
    house.db.execute("BEGIN IMMEDIATE")
    swept = house.undo(FailedProjects(), "it", days=4)
    assert (swept.outcome, swept.restored) == ("done", 4)
    assert "locked" in swept.failures["failed-projects"]
    assert tree(folder) == files
    house.db.execute("ROLLBACK")
    swept = house.undo(FailedProjects(), "it", days=4)
    assert (swept.outcome, swept.restored, swept.failures) == ("done", 1, {})
    assert house.rows("projects") == rows


def test_a_row_whose_key_is_taken_keeps_no_other_out_and_its_segment_is_kept(house: Household) -> None:
    house.actions(5)
    rows = house.rows("action_logs")
    house.run(ActionLogs(), days=100, run_id="it")
    house.db.execute("INSERT INTO action_logs (id, at, actor, action, outcome) VALUES (3, 9e9, 'x', 'y', 'z')")
    swept = house.undo(ActionLogs(), "it", days=100)
    assert (swept.outcome, swept.restored, swept.kept) == ("done", 4, {"origin-taken": 1})
    assert [row for row in house.rows("action_logs") if row[0] != 3] == [row for row in rows if row[0] != 3]
    assert (len(house.archives()), len(swept.failures)) == (1, 1)
    house.db.execute("DELETE FROM action_logs WHERE id = 3")
    swept = house.undo(ActionLogs(), "it", days=100)
    assert (swept.restored, swept.kept, swept.failures) == (1, {}, {})
    assert (house.rows("action_logs"), house.archives()) == (rows, [])


def test_a_segment_that_a_row_is_still_in_outlives_the_time_of_grace(house: Household) -> None:
    for ident in (1, 2):
        house.db.execute("INSERT INTO export_history VALUES (?, 'p', 'done', NULL, 5)", (ident,))
    house.run(ExportHistory(), days=1, run_id="it")
    house.db.execute("INSERT INTO export_history VALUES (2, 'q', 'done', NULL, 9e9)")
    assert house.undo(ExportHistory(), "it", days=1).restored == 1
    house.db.execute("DELETE FROM export_history WHERE id = 2")
    house.run(ExportHistory(enabled=True, older_than_seconds=1e12), days=9)
    assert house.undo(ExportHistory(), "it", days=9).restored == 1
    assert [row[:2] for row in house.rows("export_history")] == [(1, "p"), (2, "p")]


def test_an_id_that_was_used_again_keeps_a_project_from_nothing_but_that_row(
    house: Household,
) -> None:
    folder = house.project("p1")
    house.upload("p1", "u1")
    house.upload("p1", "u2")
    files, rows = tree(folder), house.rows("uploads")
    house.run(ArchiveProjects(), days=8, run_id="it")
    house.project("p2", "running")
    house.upload("p2", "u3")
    swept = house.undo(ArchiveProjects(), "it", days=8)
    assert swept.kept == {"origin-taken": 1}
    assert (house.status("p1"), tree(folder), len(house.archives())) == ("completed", files, 1)
    house.db.execute("DELETE FROM uploads WHERE project_id = 'p2'")
    swept = house.undo(ArchiveProjects(), "it", days=8)
    assert (swept.restored, swept.failures, house.archives()) == (1, {}, [])
    assert house.rows("uploads") == rows


def test_rows_of_a_project_do_not_go_to_another_one_that_has_its_id(house: Household) -> None:
    house.project("p1", "failed", files={})
    house.upload("p1", "u1")
    house.run(FailedProjects(), days=4, run_id="it")
    house.db.execute("INSERT INTO projects VALUES ('p1', 'running', 9e9, NULL, NULL, 'another')")
    swept = house.undo(FailedProjects(), "it", days=4)
    assert len(swept.failures) == 1
    assert (house.rows("uploads"), house.status("p1"), len(house.archives())) == ([], "running", 1)


def test_a_task_knows_which_runs_its_archives_hold_rows_of(house: Household) -> None:
    house.actions(2)
    house.project("p1")
    house.run(ActionLogs(), days=100, run_id="logs")
    house.run(ArchiveProjects(), days=8, run_id="project")
    assert ActionLogs().holds(house.bench()) == {"action-logs": ["logs"]}
    assert ArchiveProjects().holds(house.bench()) == {"archive-projects": ["project"]}
    house.undo(ActionLogs(), "logs")
    assert ActionLogs().holds(house.bench()) == {"action-logs": []}
    house.run(ArchivedProjects(), days=40, run_id="end")
    assert ArchivedProjects().holds(house.bench()) == {"archived-projects": [], "archive-projects": []}


def test_an_archive_that_came_back_without_its_row_is_held_for_the_run_that_ended_it(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    house.project("p1")
    house.run(ArchiveProjects(), days=8, run_id="project")
    house.run(ArchivedProjects(), days=40, run_id="end")
    house.db.execute("BEGIN IMMEDIATE")
    assert house.undo(ArchivedProjects(), "end", days=40).failures
    house.db.execute("ROLLBACK")
    assert ArchivedProjects().holds(house.bench())["archived-projects"] == ["end"]
    assert house.undo(ArchivedProjects(), "end", days=40).failures == {}
    assert house.status("p1") == "archived"
    assert ArchivedProjects().holds(house.bench()) == {"archived-projects": [], "archive-projects": ["project"]}
