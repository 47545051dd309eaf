"""What is wrong with one project keeps that one, whole, with a sentence; the others go."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import ArchivedProjects, ArchiveProjects, FailedProjects, Sweep
from aura_actors.cleaners import failed_projects as failed_projects_module
from tests.cleaners.household import Household, tree

REFUSED = "FOREIGN KEY constraint failed"
TASKS: dict[str, Any] = {"failed": FailedProjects(), "completed": ArchiveProjects()}


def two(house: Household, status: str) -> tuple[Path, Path]:
    """`bad` is the one that is dealt with first."""
    made = house.project("bad", status), house.project("good", status)
    house.db.execute("UPDATE projects SET updated_at = updated_at - 100 WHERE id = 'bad'")
    return made


def refer(house: Household, table: str, to: str, key: object, *, more: str = "") -> None:
    """A table of the application's that no task knows of, with a row that refers to another one."""
    house.db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, of REFERENCES {to} (id) {more})")
    house.db.execute(f"INSERT INTO {table} (of) VALUES (?)", (key,))


@pytest.mark.parametrize("status", TASKS)
@pytest.mark.parametrize("path", ["x" * 300, "odd\0name"])
def test_a_folder_that_cannot_be_looked_at_keeps_its_project_alone(
    house: Household, status: str, path: str
) -> None:
    two(house, status)
    house.db.execute("UPDATE projects SET path = ? WHERE id = 'bad'", (path,))
    swept = house.run(TASKS[status], days=30)
    assert (swept.outcome, swept.removed, house.status("bad")) == ("done", 5, status)
    assert house.status("good") in (None, "archived")
    assert swept.scanned == swept.removed + sum(swept.kept.values())
    if "x" in path:
        assert (swept.kept, swept.failures) == ({"failed": 1}, {"projects: bad": "File name too long"})


@pytest.mark.parametrize("status", TASKS)
def test_a_folder_that_fails_half_way_keeps_its_project_alone(
    house: Household, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    bad, _ = two(house, status)
    real, inode = os.scandir, bad.stat().st_ino

    def scandir(folder: Any) -> Any:
        if isinstance(folder, int) and os.fstat(folder).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    swept = house.run(TASKS[status], days=30)
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 5, {"failed": 2})
    assert swept.failures == {"projects: bad": "Input/output error"}


@pytest.mark.parametrize("more", ["", "ON DELETE RESTRICT"])
def test_a_failed_project_that_other_rows_refer_to_stays_whole(house: Household, more: str) -> None:
    folder, _ = two(house, "failed")
    rows, files = house.db.execute("SELECT * FROM projects WHERE id = 'bad'").fetchall(), tree(folder)
    refer(house, "notes", "projects", "bad", more=more)
    for days in (4, 5):
        swept = house.run(FailedProjects(), days=days)
        assert (swept.outcome, swept.kept, list(swept.failures)) == ("done", {"failed": 5}, ["projects: bad"])
        assert swept.failures["projects: bad"].endswith(REFUSED)
    assert (house.rows("projects"), tree(folder)) == (rows, files)


def test_a_failed_project_that_a_row_refers_to_when_its_files_are_gone_gets_its_status_back(
    house: Household,
) -> None:
    folder, _ = two(house, "failed")
    files = tree(folder)
    house.db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, of REFERENCES projects (id))")
    bench = house.bench(days=4, run_id="first")
    bench.task = "failed-projects"
    for _ in FailedProjects().work(bench):
        if house.status("bad") == "deleting" and bench.books.quarantined == 2:
            house.db.execute("INSERT INTO notes (of) SELECT 'bad' WHERE NOT EXISTS (SELECT * FROM notes)")
    assert (house.status("bad"), house.status("good"), set(house.ledger().values())) == ("failed", None, {"done"})
    assert bench.books.undecided == 0
    house.undo(FailedProjects(), "first", days=4)
    assert tree(folder) == files


def test_an_entry_that_cannot_be_taken_up_keeps_no_other(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    two(house, "failed")
    bench = house.bench(days=4)
    run = Sweep(FailedProjects(), bench)
    while house.status("bad") != "deleting":
        run.step(0)
    run.stop()

    def survey(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(failed_projects_module, "survey", survey)
    swept = house.run(FailedProjects(), days=4)
    assert (swept.outcome, swept.failures) == ("done", {"projects: bad": "Input/output error"})
    assert (house.status("bad"), house.status("good")) == ("deleting", None)


def test_a_completed_project_with_an_upload_that_other_rows_refer_to_stays_whole(house: Household) -> None:
    folder, _ = two(house, "completed")
    house.upload("bad", "u.bin")
    refer(house, "thumbs", "uploads", 1)
    files = tree(folder)
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.outcome, swept.kept, list(swept.failures)) == ("done", {"failed": 5}, ["projects: bad"])
    assert (house.status("bad"), house.status("good")) == ("completed", "archived")
    assert (tree(folder), len(house.rows("uploads")), len(house.archives())) == (files, 1, 1)


def test_what_the_database_refuses_only_at_the_end_keeps_the_project_too(house: Household) -> None:
    two(house, "completed")
    house.upload("bad", "u.bin")
    refer(house, "thumbs", "uploads", 1, more="DEFERRABLE INITIALLY DEFERRED")
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.outcome, swept.kept) == ("done", {"failed": 5})
    assert (house.status("bad"), house.status("good"), len(house.archives())) == ("completed", "archived", 1)


def test_an_archived_project_that_other_rows_refer_to_keeps_its_archive(house: Household) -> None:
    two(house, "completed")
    house.run(ArchiveProjects(), days=8)
    house.upload("bad", "late.bin")
    for days in (40, 47):
        swept = house.run(ArchivedProjects(), days=days)
        assert (swept.outcome, swept.kept, len(swept.failures)) == ("done", {"failed": 1}, 1)
        assert next(iter(swept.failures.values())).endswith(REFUSED)
    assert (house.status("bad"), house.status("good")) == ("archived", None)
    assert [path.name.split("-")[1] for path in house.archives()] == ["bad"]
    assert sorted(house.ledger().values()) == ["done", "expired"]
    house.db.execute("DELETE FROM uploads")
    assert house.run(ArchivedProjects(), days=48).removed == 1
    assert house.rows("projects") == []


def test_a_rule_of_the_applications_own_keeps_one_project(house: Household) -> None:
    """Such as a trigger that lets nobody touch what was pinned."""
    two(house, "failed")
    house.db.execute(
        "CREATE TRIGGER pinned BEFORE DELETE ON projects WHEN old.id = 'bad'"
        " BEGIN SELECT RAISE(ABORT, 'this project is pinned'); END"
    )
    swept = house.run(FailedProjects(), days=4)
    assert swept.failures["projects: bad"].endswith("this project is pinned")
    assert (house.status("bad"), house.status("good")) == ("failed", None)
