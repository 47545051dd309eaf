"""What a run left half done is gone on with only as long as the project is as it was left."""

import os
from pathlib import Path

import pytest

from aura_actors.cleaners import ArchivedProjects, ArchiveProjects, FailedProjects, Purge, Sweep, Swept
from aura_actors.domain.pins import Pins
from tests.cleaners.household import DAY, Household, tree


def stopped(house: Household, *, files: int, days: float = 4) -> Swept:
    """The run `first` of failed-projects, stopped when so many files lie in quarantine; 0: when all is sealed."""
    bench = house.bench(days=days, run_id="first")
    bench.task = "failed-projects"
    run = Sweep(FailedProjects(), bench)
    while house.status("p1") != "deleting" or bench.books.quarantined < files:
        assert not isinstance(run.step(0), Swept)
    return run.stop()


def edited(house: Household, *, files: int) -> Swept:
    """A run during which the application edits the project's row, once it is sealed and so many files have gone."""
    bench = house.bench(days=4, run_id="first")
    bench.task = "failed-projects"
    run, done = Sweep(FailedProjects(), bench), False
    while not isinstance(swept := run.step(0), Swept):
        if not done and house.status("p1") == "deleting" and bench.books.quarantined >= files:
            done = True
            house.db.execute("UPDATE projects SET document = 'new'")
    assert done
    return swept


def test_undo_of_a_run_that_was_stopped_gives_the_status_back_and_lasts(house: Household) -> None:
    folder = house.project("p1", "failed")
    rows, files = house.rows("projects"), tree(folder)
    stopped(house, files=2)
    assert (house.status("p1"), tree(folder)) == ("deleting", {})
    back = house.undo(FailedProjects(), "first", days=4)
    assert (back.outcome, back.failures, back.restored) == ("done", {}, 3)
    assert (house.rows("projects"), tree(folder), house.ledger(), house.archives()) == (rows, files, {}, [])
    assert house.run(FailedProjects(), days=2).removed == 0, "it is as young as the undo"
    assert tree(folder) == files


def test_what_was_stopped_is_gone_on_with(house: Household) -> None:
    folder = house.project("p1", "failed")
    stopped(house, files=2)
    assert house.run(FailedProjects(), days=4.1).outcome == "done"
    assert (house.status("p1"), folder.exists(), set(house.ledger().values())) == (None, False, {"done"})


def test_a_project_that_was_taken_up_again_after_the_stop_keeps_its_files(house: Household) -> None:
    folder = house.project("p1", "failed")
    stopped(house, files=2)
    house.db.execute("UPDATE projects SET status = 'running'")
    (folder / "a.txt").write_text("written just now")
    swept = house.run(FailedProjects(), days=4.1)
    assert (swept.outcome, swept.removed, list(swept.failures)) == ("done", 0, ["projects: p1"])
    assert "undo of run first" in swept.failures["projects: p1"]
    assert (house.status("p1"), house.ledger(), house.archives()) == ("running", {}, [])
    assert tree(folder) == {"a.txt": "written just now"}
    house.undo(FailedProjects(), "first", days=4.1)
    assert tree(folder) == {"a.txt": "written just now", "sub/b.txt": "beta"}


def test_a_file_that_is_written_after_the_stop_keeps_the_project(house: Household) -> None:
    folder = house.project("p1", "failed", files={"a": "alpha"})
    stopped(house, files=0)
    (folder / "new").write_text("new")
    soon = (folder / "a").stat().st_mtime + 4.05 * DAY
    os.utime(folder / "new", (soon, soon))
    swept = house.run(FailedProjects(), days=4.1)
    assert (swept.outcome, house.status("p1"), house.ledger()) == ("done", "failed", {})
    assert tree(folder) == {"a": "alpha", "new": "new"}


def test_a_row_that_is_edited_after_the_stop_gives_the_project_its_status_back(house: Household) -> None:
    folder = house.project("p1", "failed")
    files = tree(folder)
    stopped(house, files=0)
    house.db.execute("UPDATE projects SET document = 'edited', updated_at = updated_at + ?", (4 * DAY,))
    house.run(FailedProjects(), days=4.1)
    assert (house.status("p1"), tree(folder), house.ledger(), house.archives()) == ("failed", files, {}, [])


def test_a_row_that_is_edited_before_the_files_go_keeps_them(house: Household) -> None:
    folder = house.project("p1", "failed")
    files = tree(folder)
    swept = edited(house, files=0)
    assert (swept.outcome, swept.kept, swept.removed) == ("done", {"changed": 5}, 0)
    assert (house.status("p1"), tree(folder), house.ledger(), house.archives()) == ("failed", files, {}, [])


def test_a_row_that_is_edited_while_the_files_go_gives_the_project_its_status_back(house: Household) -> None:
    folder = house.project("p1", "failed")
    files = tree(folder)
    swept = edited(house, files=2)
    assert list(swept.failures) == ["projects: p1"]
    assert (house.status("p1"), house.ledger(), house.archives()) == ("failed", {}, [])
    assert house.undo(FailedProjects(), "first", days=4).failures == {}
    assert (house.rows("projects")[0][-1], tree(folder)) == ("new", files)


@pytest.mark.parametrize("change", ["status", "job"])
def test_files_stay_from_the_moment_that_somebody_goes_on_with_the_project(house: Household, change: str) -> None:
    folder = house.project("p1", "failed", files={f"{number:03}": "text" for number in range(100)})
    bench = house.bench(days=4)
    for _ in FailedProjects().work(bench):
        if bench.books.quarantined == 64 and change == "status":
            house.db.execute("UPDATE projects SET status = 'running'")
        elif bench.books.quarantined == 64:
            bench.pins = Pins([os.path.realpath(folder)])
    assert len(tree(folder)) == 36
    assert bench.books.scanned == bench.books.removed + bench.books.kept.total()


def test_rows_of_a_project_can_be_put_back_for_a_day_from_when_they_went(house: Household) -> None:
    house.project("p1", "failed")
    rows = house.rows("projects")
    stopped(house, files=2)
    house.run(FailedProjects(), days=5.1)
    assert (house.rows("projects"), set(house.ledger().values()), len(house.archives())) == ([], {"done"}, 1)
    house.run(FailedProjects(), days=6)
    assert house.undo(FailedProjects(), "first", days=6).restored == 5
    assert house.rows("projects") == rows


def test_their_segment_goes_after_that_day(house: Household) -> None:
    house.project("p1", "failed")
    stopped(house, files=2)
    house.run(FailedProjects(), days=5.1)
    house.run(FailedProjects(), days=6.2)
    assert (set(house.ledger().values()), house.archives()) == ({"expired"}, [])


def sealed(house: Household) -> Path:
    """A project that is archived, and one of whose files was open."""
    folder = house.project("p1", files={"a": "alpha", "b": "beta"})
    with (folder / "b").open():
        house.run(ArchiveProjects(), days=8, run_id="first")
    assert set(house.ledger().values()) == {"sealed"}
    return folder


def test_an_archived_project_that_is_somebodys_again_keeps_what_is_in_its_folder(house: Household) -> None:
    folder = sealed(house)
    house.db.execute("UPDATE projects SET status = 'running'")
    (folder / "a").write_text("alpha")  # unpacked from the archive
    swept = house.run(ArchiveProjects(), days=9)
    assert (swept.outcome, swept.removed) == ("done", 0)
    assert (tree(folder), house.status("p1")) == ({"a": "alpha", "b": "beta"}, "running")
    assert (set(house.ledger().values()), len(house.archives())) == ({"done"}, 1)
    house.run(Purge(), days=20)
    assert tree(folder) == {"a": "alpha", "b": "beta"}


def test_files_of_an_archived_project_stay_from_the_moment_that_it_is_somebodys_again(house: Household) -> None:
    folder = house.project("p1", files={f"{number:03}": "text" for number in range(100)})
    bench = house.bench(days=8)
    for _ in ArchiveProjects().work(bench):
        if bench.books.quarantined == 64:
            house.db.execute("UPDATE projects SET status = 'running'")
    assert len(tree(folder)) == 36
    assert len(house.archives()) == 1


def test_a_project_that_was_archived_again_stays_archived_until_the_last_archive_goes(house: Household) -> None:
    folder = sealed(house)
    house.db.execute("UPDATE projects SET status = 'running'")
    house.run(ArchiveProjects(), days=9)
    house.db.execute("UPDATE projects SET status = 'completed'")
    house.run(ArchiveProjects(), days=20, run_id="second")
    assert (folder.exists(), len(house.archives())) == (False, 2)
    house.run(ArchivedProjects(), days=39)
    assert (house.status("p1"), len(house.archives())) == ("archived", 1)
    assert house.undo(ArchiveProjects(), "second", days=39).failures == {}
    assert (house.status("p1"), tree(folder)) == ("completed", {"b": "beta"})


def test_both_archives_of_a_project_come_back_with_its_row(house: Household) -> None:
    sealed(house)
    house.db.execute("UPDATE projects SET status = 'completed'")
    house.run(ArchiveProjects(), days=9)
    assert set(house.ledger().values()) == {"done"}
    house.run(ArchivedProjects(), days=60, run_id="it")
    assert (house.rows("projects"), house.archives()) == ([], [])
    assert house.undo(ArchivedProjects(), "it", days=60).failures == {}
    assert (house.status("p1"), len(house.archives())) == ("archived", 2)
    assert set(house.ledger().values()) == {"done"}
