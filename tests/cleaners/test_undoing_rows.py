"""Undoing what a run did to a database: what is in the way keeps one row out, and it can be tried again."""

import pytest

from aura_actors.cleaners import FailedProjects, database
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
