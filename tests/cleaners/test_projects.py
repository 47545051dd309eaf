"""Projects go whole or stay whole: completed ones into an archive, failed ones into quarantine."""

import os
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aura_actors.cleaners import ArchivedProjects, ArchiveProjects, FailedProjects, Purge
from aura_actors.cleaners.projects import Child, ProjectColumns
from aura_actors.domain.pins import Pins
from tests.cleaners.household import DAY, Household, tree


def unpacked(archive: Path, folder: Path) -> dict[str, str]:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member)
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if file is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(file.read())
    return tree(folder)


def test_a_completed_project_goes_into_an_archive_of_its_own(house: Household, tmp_path: Path) -> None:
    folder = house.project("p1")
    upload = house.upload("p1", "u.bin", "uploaded")
    house.project("p2", "running")
    before = tree(folder)
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.outcome, swept.failures, swept.kept) == ("done", {}, {})
    assert swept.scanned == swept.removed == 5, "a row, two files, two folders"
    assert not folder.exists()
    assert (house.status("p1"), house.status("p2")) == ("archived", "running")
    assert house.rows("uploads") == []
    assert upload.exists(), "it is an orphan now, and that is another task's business"
    (archive,) = house.archives()
    found = unpacked(archive, tmp_path / "out")
    assert {
        name.removeprefix("project/"): text for name, text in found.items() if name.startswith("project/")
    } == before
    assert [text for name, text in found.items() if name.startswith("uploads/")] == ["uploaded"]
    assert '"p1"' in found["manifest.json"]
    assert set(house.ledger().values()) == {"done"}


def test_a_young_project_stays_and_so_does_one_with_a_stamp_from_the_future(house: Household) -> None:
    house.project("p1")
    house.project("p2")
    house.db.execute("UPDATE projects SET updated_at = ? WHERE id = 'p2'", (time.time() + 20 * DAY,))
    swept = house.run(ArchiveProjects(), days=6)
    assert (swept.removed, swept.kept) == (0, {"future": 1, "young": 1})


def test_the_later_of_update_and_completion_counts(house: Household) -> None:
    house.project("p1")
    house.db.execute("UPDATE projects SET completed_at = ?", (time.time() + 3 * DAY,))
    assert house.run(ArchiveProjects(), days=8).kept == {"young": 1}
    assert house.run(ArchiveProjects(), days=11).kept == {}


def test_one_young_file_keeps_the_whole_project(house: Household) -> None:
    folder = house.project("p1")
    house.db.execute("UPDATE projects SET updated_at = 0")
    swept = house.run(ArchiveProjects(), days=0)
    assert swept.removed == 0
    assert swept.kept["young"] >= 1
    assert tree(folder) == {"a.txt": "alpha", "sub/b.txt": "beta"}
    assert house.status("p1") == "completed"


def test_a_file_that_is_open_for_writing_keeps_the_project(house: Household) -> None:
    folder = house.project("p1")
    with (folder / "a.txt").open("a"):
        swept = house.run(ArchiveProjects(), days=8)
    assert swept.kept == {"in-use": 5}
    assert (house.status("p1"), house.archives()) == ("completed", [])
    assert len(tree(folder)) == 2


def test_a_file_that_is_only_read_may_be_archived_and_goes_when_nobody_reads_it(house: Household) -> None:
    folder = house.project("p1")
    with (folder / "a.txt").open():
        swept = house.run(ArchiveProjects(), days=8)
        assert swept.kept["in-use"] == 1
        assert set(house.ledger().values()) == {"sealed"}
        assert (folder / "a.txt").read_text() == "alpha"
    house.run(ArchiveProjects(), days=9)
    assert not folder.exists()
    assert set(house.ledger().values()) == {"done"}


@pytest.mark.parametrize("obstacle", ["fifo", "hard link"])
def test_what_cannot_go_keeps_the_whole_project(house: Household, obstacle: str) -> None:
    folder = house.project("p1")
    if obstacle == "fifo":
        os.mkfifo(folder / "pipe")
    else:
        os.link(folder / "a.txt", house.data_dir / "other name")
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.removed, swept.scanned) == (0, sum(swept.kept.values()))
    assert house.status("p1") == "completed"
    assert len(tree(folder)) == 2


def test_links_go_as_links_and_come_back_as_links(house: Household, tmp_path: Path) -> None:
    folder = house.project("p1")
    (tmp_path / "precious").write_text("keep me")
    (folder / "link").symlink_to(tmp_path / "precious")
    house.run(ArchiveProjects(), days=8, run_id="it")
    assert not folder.exists()
    assert (tmp_path / "precious").read_text() == "keep me"
    house.run(Purge(), days=20)
    house.undo(ArchiveProjects(), "it", days=20)
    assert (folder / "link").readlink() == tmp_path / "precious"


@pytest.mark.parametrize("path", ["../uploads", "/etc", ".", "p1/../../uploads"])
def test_a_folder_that_is_not_below_the_folder_of_projects_is_nobodys(house: Household, path: str) -> None:
    house.project("p1")
    house.db.execute("UPDATE projects SET path = ?", (path,))
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.removed, swept.kept) == (0, {"outside": 1})


def test_a_project_whose_folder_is_a_link_stays(house: Household, tmp_path: Path) -> None:
    folder = house.project("p1", files={})
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    assert house.run(ArchiveProjects(), days=8).kept == {"symlink": 1}


@pytest.mark.parametrize("pin", ["projects/p1", "projects/p1/sub/b.txt", "projects"])
def test_a_job_that_holds_any_part_of_a_project_keeps_it(house: Household, pin: str) -> None:
    folder = house.project("p1")
    pins = Pins([os.path.realpath(house.data_dir / pin)])
    for cleaner in (ArchiveProjects(), FailedProjects(statuses=("completed",))):
        swept = house.run(cleaner, days=8, pins=pins)
        assert (swept.removed, house.status("p1")) == (0, "completed")
        assert swept.kept["pinned"] >= 1
    assert len(tree(folder)) == 2


def test_a_project_without_files_is_archived_by_its_rows_alone(house: Household) -> None:
    house.project("p1", files={}).rmdir()
    house.project("p2", files={})
    house.db.execute("UPDATE projects SET path = NULL WHERE id = 'p2'")
    assert house.run(ArchiveProjects(), days=8).removed == 2
    assert (house.status("p1"), house.status("p2")) == ("archived", "archived")
    assert len(house.archives()) == 2


def test_undo_gives_files_rows_and_status_back_from_quarantine(house: Household) -> None:
    folder = house.project("p1")
    house.upload("p1", "u.bin")
    rows, files = house.rows("projects") + house.rows("uploads"), tree(folder)
    house.run(ArchiveProjects(), days=8, run_id="it")
    swept = house.undo(ArchiveProjects(), "it", days=8)
    assert (swept.outcome, swept.failures) == ("done", {})
    assert house.rows("projects") + house.rows("uploads") == rows
    assert tree(folder) == files
    assert house.archives() == []


def test_undo_gives_files_back_from_the_archive_when_the_quarantine_is_over(house: Household) -> None:
    folder = house.project("p1", files={"a": "alpha", "deep/er/b": "beta", "empty": ""})
    (folder / "a").chmod(0o751)
    upload = house.upload("p1", "u.bin", "uploaded")
    files, mode, written = tree(folder), (folder / "a").stat().st_mode, (folder / "a").stat().st_mtime_ns
    house.run(ArchiveProjects(), days=8, run_id="it")
    house.run(Purge(), days=10)
    upload.unlink()
    swept = house.undo(ArchiveProjects(), "it", days=10)
    assert (swept.outcome, swept.failures) == ("done", {})
    assert tree(folder) == files
    assert ((folder / "a").stat().st_mode, (folder / "a").stat().st_mtime_ns) == (mode, written)
    assert upload.read_text() == "uploaded"
    assert house.status("p1") == "completed"
    assert house.archives() == []


def test_undo_overwrites_nothing_and_keeps_the_archive_then(house: Household) -> None:
    folder = house.project("p1")
    house.run(ArchiveProjects(), days=8, run_id="it")
    house.run(Purge(), days=10)
    folder.mkdir()
    (folder / "a.txt").write_text("other")
    swept = house.undo(ArchiveProjects(), "it", days=10)
    assert len(swept.failures) == 1
    assert (folder / "a.txt").read_text() == "other"
    assert (house.status("p1"), len(house.archives())) == ("archived", 1)


def test_a_project_that_is_changed_meanwhile_is_not_archived(house: Household) -> None:
    folder = house.project("p1")
    house.upload("p1", "u.bin")
    for _ in ArchiveProjects().work(house.bench(days=8)):
        if house.status("p1") == "archiving":
            house.db.execute("UPDATE projects SET document = 'new' WHERE id = 'p1'")
    assert house.status("p1") == "completed"
    assert house.rows("projects")[0][-1] == "new"
    assert len(house.rows("uploads")) == 1
    assert len(tree(folder)) == 2
    assert house.archives() == []


@pytest.mark.parametrize("change", ["write", "new file", "same size", "gone"])
def test_a_file_that_is_changed_meanwhile_keeps_the_project(house: Household, change: str) -> None:
    folder = house.project("p1")
    changed = False
    for _ in ArchiveProjects().work(bench := house.bench(days=8)):
        if house.status("p1") == "archiving" and not changed:
            changed = True
            match change:
                case "write":
                    (folder / "sub/b.txt").write_text("longer than before")
                case "same size":
                    (folder / "sub/b.txt").write_text("BETA")
                case "gone":
                    (folder / "sub/b.txt").unlink()
                case _:
                    (folder / "sub/c.txt").write_text("new")
    assert changed
    assert house.status("p1") == "completed"
    assert house.archives() == []
    assert (folder / "a.txt").read_text() == "alpha"
    assert bench.books.scanned == sum(bench.books.kept.values())


def test_a_job_that_comes_meanwhile_keeps_the_project(house: Household) -> None:
    folder = house.project("p1")
    bench = house.bench(days=8)
    for _ in ArchiveProjects().work(bench):
        if house.status("p1") == "archiving":
            bench.pins = Pins([os.path.realpath(folder)])
    assert (house.status("p1"), house.archives(), len(tree(folder))) == ("completed", [], 2)


def test_a_disk_with_too_little_room_for_the_archive_keeps_the_project(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.project("p1")
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4_096))
    swept = house.run(ArchiveProjects(), days=8)
    assert swept.failures == {"projects: p1": "an archive of it needs 10 bytes; 0 are free"}
    assert (swept.kept, house.status("p1")) == ({"failed": 5}, "completed")


def test_a_run_that_is_stopped_half_way_leaves_the_project_as_it_was(house: Household) -> None:
    folder = house.project("p1")
    steps = ArchiveProjects().work(house.bench(days=8))
    for _ in steps:
        if house.status("p1") == "archiving":
            break
    steps.close()  # type: ignore[attr-defined]
    assert house.status("p1") == "completed"
    assert len(tree(folder)) == 2
    assert house.archives() == []


def test_an_applications_own_tables_and_children_are_archived(house: Household) -> None:
    house.db.execute("CREATE TABLE work (Uid INTEGER PRIMARY KEY, State, Touched TEXT, Dir)")
    house.db.execute("CREATE TABLE scene (n INTEGER PRIMARY KEY, work REFERENCES work (Uid) ON DELETE CASCADE)")
    house.db.execute("INSERT INTO work VALUES (7, 'Done', '2024-01-01 10:00:00', NULL)")
    house.db.execute("INSERT INTO scene VALUES (1, 7), (2, 7), (3, 8)")
    cleaner = ArchiveProjects(
        table="work",
        columns=ProjectColumns(id="Uid", status="State", updated_at="Touched", completed_at=None, path="Dir"),
        children=(Child(table="scene", project="work"),),
        stamps="text",
        statuses=("Done",),
        archived="Archived",
    )
    swept = house.run(cleaner, run_id="it")
    assert (swept.outcome, swept.removed) == ("done", 1)
    assert house.rows("work") == [(7, "Archived", "2024-01-01 10:00:00", None)]
    assert house.rows("scene") == [(3, 8)]
    house.undo(cleaner, "it")
    assert house.rows("work")[0][1] == "Done"
    assert len(house.rows("scene")) == 3
    bare = house.run(FailedProjects(table="work", columns=cleaner.columns, children=()))
    assert bare.outcome == "declined", "deleting a project would delete scenes that nobody archived"


def test_a_failed_project_goes_with_its_files_and_rows(house: Household) -> None:
    folder = house.project("p1", "failed")
    house.project("p2", "cancelled")
    house.upload("p1", "u.bin")
    rows = house.rows("projects") + house.rows("uploads")
    files = tree(folder)
    swept = house.run(FailedProjects(), days=4, run_id="it")
    assert (swept.outcome, swept.failures, swept.kept) == ("done", {}, {})
    assert house.rows("projects") == house.rows("uploads") == []
    assert not folder.exists()
    assert swept.quarantined == 8
    back = house.undo(FailedProjects(), "it", days=4)
    assert back.failures == {}
    assert house.rows("projects") + house.rows("uploads") == rows
    assert tree(folder) == files
    assert house.archives() == []


def test_a_failed_project_with_a_file_in_use_stays_as_it_is(house: Household) -> None:
    folder = house.project("p1", "failed")
    with (folder / "a.txt").open():
        swept = house.run(FailedProjects(), days=4)
    assert swept.kept == {"in-use": 5}
    assert house.status("p1") == "failed"
    assert len(tree(folder)) == 2


def test_an_archive_expires_by_the_ledger_and_not_by_its_file(house: Household) -> None:
    house.project("p1")
    house.run(ArchiveProjects(), days=8)
    (archive,) = house.archives()
    os.utime(archive, (0, 0))
    assert house.run(ArchivedProjects(), days=37).kept == {"young": 1}
    swept = house.run(ArchivedProjects(), days=39, run_id="it")
    assert (swept.outcome, swept.removed, swept.quarantined) == ("done", 1, 1)
    assert (house.archives(), house.rows("projects")) == ([], [])
    assert set(house.ledger().values()) == {"expired"}
    back = house.undo(ArchivedProjects(), "it", days=39)
    assert back.failures == {}
    assert (house.status("p1"), house.archives()) == ("archived", [archive])
    assert house.run(ArchivedProjects(), days=40).kept == {"young": 1}, "the thirty days begin anew"


@pytest.mark.parametrize("cleaner", [ArchiveProjects(), FailedProjects(), ArchivedProjects()])
def test_a_dry_run_says_the_same_and_changes_nothing(house: Household, cleaner: ArchiveProjects) -> None:
    house.project("p1")
    house.project("p2", "failed")
    if isinstance(cleaner, ArchivedProjects):
        house.run(ArchiveProjects(), days=8)
    rows, files = house.rows("projects"), tree(house.data_dir / "projects")
    dry = house.run(cleaner, days=50, dry_run=True)
    assert house.rows("projects") == rows
    assert tree(house.data_dir / "projects") == files
    real = house.run(cleaner, days=50)
    assert (dry.outcome, dry.removed, dry.scanned, dry.kept) == ("done", real.removed, real.scanned, real.kept)
    assert real.removed > 0


def test_a_cap_leaves_the_rest_for_the_next_run(house: Household) -> None:
    for name in ("p1", "p2", "p3"):
        house.project(name, files={})
    swept = house.run(ArchiveProjects(max_projects=2), days=8)
    assert swept.kept == {"over-cap": 1}
    assert len(house.archives()) == 2
