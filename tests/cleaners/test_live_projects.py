"""Files of live projects are no candidates of any task, wherever they are, and neither are those of other roots."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import (
    ArchiveProjects,
    Cache,
    CompressLogs,
    FailedProjects,
    Ground,
    OrphanedUploads,
    Sweep,
    Swept,
    TempFiles,
    prepare_root,
)
from aura_actors.cleaners.application import Reference
from tests.cleaners.household import DAY, Household, tree

NOT_PROJECTS = (Reference("SELECT path FROM uploads", "/"),)
FOLDER_TASKS: dict[str, Any] = {
    "temp": TempFiles(),
    "cache": Cache(),
    "uploads": OrphanedUploads(second_look_after_seconds=0, references=NOT_PROJECTS),
    "logs": CompressLogs(),
}


def row(house: Household, ident: str, path: object, status: str = "running", *, age_days: float = 0) -> None:
    stamp = time.time() - age_days * DAY
    house.db.execute("INSERT INTO projects VALUES (?, ?, ?, NULL, ?, NULL)", (ident, status, stamp, str(path)))


def fill(folder: Path) -> set[str]:
    """Two logs, so that one is not the newest."""
    folder.mkdir(parents=True)
    for name in ("a-1.log", "a-2.log"):
        (folder / name).write_text(name)
    os.utime(folder / "a-1.log", (0, 0))
    return names(folder)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("folder", FOLDER_TASKS)
@pytest.mark.parametrize("written", ["absolute", "relative", "by a link"])
def test_a_live_projects_folder_in_a_folder_that_is_swept_stays(
    house: Household, tmp_path: Path, folder: str, written: str
) -> None:
    work = house.data_dir / folder / "deep" / "work"
    files = fill(work)
    others = house.data_dir / folder / "others"
    fill(others)
    (tmp_path / "link").symlink_to(work.parent)
    path = {"absolute": work, "relative": f"../{folder}/deep/work", "by a link": tmp_path / "link" / "work"}[
        written
    ]
    row(house, "p1", path)
    house.upload("p1", "used")
    house.db.execute("UPDATE uploads SET path = ?", (str(house.data_dir / "uploads" / "used"),))
    dry = house.run(FOLDER_TASKS[folder], days=100, dry_run=True)
    swept = house.run(FOLDER_TASKS[folder], days=100)
    assert swept.outcome == "done"
    assert swept.kept["pinned"] == dry.kept["pinned"] > 0
    if folder == "uploads":
        swept = house.run(FOLDER_TASKS[folder], days=101)
    assert names(work) == files
    assert names(others) != files
    house.db.execute("UPDATE projects SET status = 'archived'")
    house.run(FOLDER_TASKS[folder], days=102)
    house.run(FOLDER_TASKS[folder], days=103)
    assert names(work) != files


def test_a_project_that_comes_while_the_run_goes_on_keeps_its_files(house: Household) -> None:
    work = house.data_dir / "temp" / "work"
    files = fill(work)
    run = Sweep(TempFiles(), house.bench(days=2))
    run.step(0)  # the scan
    row(house, "p1", work)
    while not isinstance(swept := run.step(1), Swept):
        pass
    assert (swept.removed, swept.kept, names(work)) == (0, {"pinned": 3}, files)


def test_a_project_without_a_status_is_a_live_one(house: Household) -> None:
    """In a table of the application's own, which may allow that."""
    house.db.execute("DROP TABLE projects")
    house.db.execute("CREATE TABLE projects (id TEXT PRIMARY KEY, status TEXT, path TEXT)")
    house.db.execute("INSERT INTO projects VALUES ('p', NULL, ?)", (str(house.data_dir / "temp" / "p"),))
    fill(house.data_dir / "temp" / "p")
    assert house.run(TempFiles(), days=9).removed == 0


def test_an_empty_folder_of_a_live_project_stays(house: Household) -> None:
    (house.data_dir / "temp" / "work").mkdir()
    row(house, "p1", "../temp/work")
    assert house.run(TempFiles(), days=2).kept == {"pinned": 1}


@pytest.mark.parametrize("path", ["..", "../temp", "/", "odd\0name"])
def test_a_row_whose_folder_is_no_folder_below_the_root_stops_no_task(house: Household, path: str) -> None:
    fill(house.data_dir / "temp" / "others")
    row(house, "p1", path)
    assert house.run(TempFiles(), days=2).removed == 3


def test_a_database_that_cannot_be_asked_declines_the_run(house: Household) -> None:
    files = fill(house.data_dir / "temp" / "others")
    swept = house.run(TempFiles(), days=2, database=str(house.data_dir / "missing.db"))
    assert (swept.outcome, "is missing" in str(swept.detail)) == ("declined", True)
    assert names(house.data_dir / "temp" / "others") == files


# --- projects that name the same folder ---

PROJECT_TASKS: dict[str, Any] = {"failed": FailedProjects(), "completed": ArchiveProjects()}


@pytest.mark.parametrize("status", PROJECT_TASKS)
@pytest.mark.parametrize("other", ["p1", "p1/sub", "./p1/", ".", "link", "absolute"])
def test_a_folder_that_a_running_project_shares_stays(house: Household, status: str, other: str) -> None:
    folder = house.project("p1", status)
    files = tree(folder)
    (house.data_dir / "projects" / "link").symlink_to(folder)
    row(house, "p2", folder if other == "absolute" else other)
    dry = house.run(PROJECT_TASKS[status], days=30, dry_run=True)
    swept = house.run(PROJECT_TASKS[status], days=30)
    if other == ".":
        assert swept.kept == {}, "a folder that holds all projects is nobody's own"
        return
    assert (swept.outcome, swept.removed, swept.kept, dry.kept) == ("done", 0, {"pinned": 1}, {"pinned": 1})
    assert (tree(folder), house.status("p1"), house.archives()) == (files, status, [])
    house.db.execute("DELETE FROM projects WHERE id = 'p2'")
    assert house.run(PROJECT_TASKS[status], days=30).removed == 5


def test_a_folder_in_that_of_a_running_project_stays(house: Household) -> None:
    house.project("p1", "running", files={"inner/a": "alpha"})
    row(house, "p2", "p1/inner", "failed")
    assert house.run(FailedProjects(), days=30).kept == {"pinned": 1}
    assert (house.data_dir / "projects/p1/inner/a").exists()


def test_a_failed_try_goes_with_the_other_tries_but_not_before_the_youngest(house: Household) -> None:
    folder = house.project("p1", "failed")
    row(house, "p2", "p1", "failed", age_days=-2)
    assert house.run(FailedProjects(), days=4).kept == {"pinned": 1, "young": 1}
    swept = house.run(FailedProjects(), days=6)
    assert (swept.kept, swept.removed, folder.exists(), house.rows("projects")) == ({}, 6, False, [])


def test_a_failed_try_waits_for_the_completed_one_that_has_the_same_folder(house: Household) -> None:
    house.project("p1", "completed")
    row(house, "p2", "p1", "failed")
    assert house.run(FailedProjects(), days=8).kept == {"pinned": 1}
    assert house.run(ArchiveProjects(), days=8).removed == 5
    assert house.run(FailedProjects(), days=8.1).kept == {}
    assert (house.status("p1"), house.status("p2")) == ("archived", None)


@pytest.mark.parametrize("status", PROJECT_TASKS)
def test_a_try_that_begins_while_the_files_go_keeps_the_rest(house: Household, status: str) -> None:
    folder = house.project("p1", status, files={f"{number:03}": "text" for number in range(100)})
    bench = house.bench(days=30, run_id="first")
    for _ in PROJECT_TASKS[status].work(bench):
        if bench.books.quarantined == 64 and house.status("p2") is None:
            row(house, "p2", "p1")
    assert len(tree(folder)) == 36
    house.run(PROJECT_TASKS[status], days=31)
    assert len(tree(folder)) == 36
    assert house.status("p1") == ("archived" if status == "completed" else "failed")


# --- roots in roots ---


def root(house: Household, path: Path) -> None:
    house.grounds[str(path)] = Ground(str(path), prepare_root(str(path), None, keep_out=str(house.data_dir)))


def test_a_root_inside_of_another_is_left_to_its_own_task(house: Household, tmp_path: Path) -> None:
    fill(tmp_path / "big" / "projects" / "p1")
    fill(tmp_path / "big" / "other")
    root(house, tmp_path / "big")
    root(house, tmp_path / "big" / "projects")
    swept = house.run(TempFiles(root=str(tmp_path / "big")), days=2)
    assert (swept.removed, swept.kept) == (3, {"other-root": 1})
    assert len(names(tmp_path / "big" / "projects" / "p1")) == 2


@pytest.mark.parametrize("inner", ["", "sub"])
def test_a_project_with_a_root_in_it_stays(house: Household, inner: str) -> None:
    folder = house.project("p1", "failed")
    root(house, folder / inner)
    swept = house.run(FailedProjects(), days=4)
    assert (swept.removed, "other-root" in swept.kept, house.status("p1")) == (0, True, "failed")
    assert len(tree(folder)) == 3
