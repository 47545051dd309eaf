"""What a dry run lists is what the next run takes: it meets whatever stands in that one's way."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aura_actors.cleaners import (
    ActionLogs,
    ArchivedProjects,
    ArchiveProjects,
    Books,
    Cache,
    Cleaner,
    CompressLogs,
    ExportHistory,
    FailedProjects,
    OrphanedUploads,
    Swept,
    TempFiles,
    Vacuum,
    snapshot,
)
from tests.cleaners.household import Household


@pytest.fixture
def hold() -> Iterator[Any]:
    """Opens files, and closes them when the test ends."""
    opened: list[int] = []

    def open_it(path: Path, flags: int = os.O_RDONLY) -> None:
        opened.append(os.open(path, flags))

    yield open_it
    for fd in opened:
        os.close(fd)


def rehearsed(house: Household, cleaner: Cleaner, *, days: float) -> Swept:
    """A dry run, then a real one: they say the same, and what was listed is what is gone. The dry run's report."""
    books = Books(list_at_most=100)
    dry = house.run(cleaner, days=days, dry_run=True, books=books)
    before = files(house)
    real = house.run(cleaner, days=days, run_id="real")
    assert said(dry) == said(real)
    listed = {line.path for line in dry.listing if line.keep is None}
    assert listed == before - files(house)
    return dry


def said(swept: Swept) -> dict[str, object]:
    fields = ("outcome", "scanned", "removed", "kept", "failures")
    return {name: getattr(swept, name) for name in fields} | {
        "declined": swept.detail if swept.outcome == "declined" else None
    }


def files(house: Household) -> set[str]:
    """Everything that is somebody's, by path."""
    return {str(p) for p in house.data_dir.rglob("*") if ".aura" not in str(p) and p.name.count(".db") == 0}


@pytest.mark.parametrize(
    ("cleaner", "folder"),
    [
        (TempFiles(remove_symlinks=True), "temp"),
        (Cache(), "cache"),
        (OrphanedUploads(second_look_after_seconds=0), "uploads"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_file_in_use_and_the_folders_around_it_stay(
    house: Household, hold: Any, cleaner: Cleaner, folder: str
) -> None:
    root = house.data_dir / folder
    for name in ("free", "x/used", "x/free", "y/free"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(name)
    if folder == "uploads":
        house.project("p", "running")
        house.upload("p", "known")
    hold(root / "x" / "used")
    dry = rehearsed(house, cleaner, days=5)
    assert dry.kept["in-use"] == 1
    assert dry.kept["not-empty"] == 1
    assert dry.removed == 4  # `free` three times, and the folder `y`


def test_a_folder_that_somebody_stands_in_stays(yard: Any) -> None:
    (yard.root / "x").mkdir()
    fd = os.open(yard.root / "x", os.O_RDONLY)
    try:
        dry = yard.sweep(dry_run=True)
        assert (dry.removed, dry.kept) == (0, {"in-use": 1})
        assert yard.sweep().kept == dry.kept
    finally:
        os.close(fd)


def test_a_project_is_archived_as_far_as_its_files_and_rows_allow(house: Household, hold: Any) -> None:
    house.project("fine")
    house.upload("fine", "fine.bin")
    hold(house.project("read") / "a.txt")
    hold(house.project("written") / "a.txt", os.O_WRONLY)
    house.project("upload")
    (house.data_dir / "uploads" / "folder").mkdir()
    house.db.execute("INSERT INTO uploads (project_id, path, created_at) VALUES ('upload', 'folder', 0)")
    house.project("refused")
    house.upload("refused", "refused.bin")
    refuse(house, "uploads", "OLD.project_id = 'refused'")
    dry = rehearsed(house, ArchiveProjects(), days=8)
    assert dry.kept["outside"] == 5  # the project `upload`
    assert set(dry.failures) == {"projects: refused"}
    assert house.status("read") == house.status("fine") == "archived"


def test_a_failed_project_goes_as_far_as_its_files_and_rows_allow(house: Household, hold: Any) -> None:
    house.project("old", "failed")
    house.run(FailedProjects(), days=4)
    house.project("fine", "failed")
    hold(house.project("read", "failed") / "a.txt")
    house.project("refused", "failed")
    refuse(house, "projects", "OLD.id = 'refused'")
    dry = rehearsed(house, FailedProjects(), days=6)
    assert set(dry.failures) == {"projects: refused"}
    assert any("archive/" in line.path for line in dry.listing)  # the segment that only served to undo


def test_an_archive_stays_whose_row_the_database_keeps(house: Household) -> None:
    for name in ("fine", "refused"):
        house.project(name)
    house.run(ArchiveProjects(), days=8)
    refuse(house, "projects", "OLD.id = 'refused'")
    dry = rehearsed(house, ArchivedProjects(), days=40)
    assert (dry.removed, dry.kept) == (1, {"failed": 1})


def test_a_log_that_somebody_reads_or_writes_stays(house: Household, hold: Any) -> None:
    logs = house.data_dir / "logs"
    for name in ("app-1.log", "app-2.log", "app-3.log", "app-4.log"):
        (logs / name).write_text("line\n" * 100)
    hold(logs / "app-1.log")
    hold(logs / "app-2.log", os.O_WRONLY)
    dry = house.run(CompressLogs(), days=8, dry_run=True)
    real = house.run(CompressLogs(), days=8)
    assert (dry.removed, dry.kept) == (real.removed, real.kept) == (1, {"in-use": 2, "newest": 1})
    assert "how much it frees" in (dry.detail or "")
    assert real.detail is None


def test_rows_that_cannot_go_stay_and_no_more_than_the_cap_go(house: Household) -> None:
    house.actions(2_500)
    house.db.execute(
        "INSERT INTO action_logs (at, actor, action, outcome) VALUES (0, CAST(x'ff' AS TEXT), 'a', 'b')"
    )
    dry = rehearsed(house, ActionLogs(max_rows=1_500), days=91)
    assert (dry.removed, dry.kept) == (1_999, {"over-cap": 502})


def test_segments_that_only_serve_to_undo_are_in_the_list(house: Household) -> None:
    house.db.execute("INSERT INTO export_history (status, created_at) VALUES ('completed', 0)")
    house.run(ExportHistory(), days=1)
    house.db.execute("INSERT INTO export_history (status, created_at) VALUES ('completed', 0)")
    dry = rehearsed(house, ExportHistory(), days=3)
    assert (dry.removed, len(dry.listing)) == (2, 1)


def test_rows_that_the_database_keeps_stay_in_both_and_keep_no_other(house: Household) -> None:
    house.actions(3)
    refuse(house, "action_logs", "OLD.target = 't1'")
    dry = rehearsed(house, ActionLogs(), days=91)
    assert (dry.removed, dry.kept) == (2, {"failed": 1})
    assert len(house.rows("action_logs")) == 1


@pytest.mark.parametrize("cleaner", [ActionLogs(max_rows=2), ArchivedProjects(), FailedProjects()])
def test_a_database_too_large_to_be_tried_is_said_to_be(
    house: Household, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.actions(3)
    house.project("p1")
    house.project("p2", "failed")
    house.run(ArchiveProjects(), days=8)
    monkeypatch.setattr(snapshot, "LARGEST_BYTES", 0)
    dry = house.run(cleaner, days=100, dry_run=True)
    assert "too large to be read into memory" in (dry.detail or "")
    assert dry.removed > 0
    assert house.run(cleaner, days=100).removed == dry.removed or isinstance(cleaner, ActionLogs)


def test_what_only_a_real_run_can_see_is_said(house: Household) -> None:
    house.db.execute("CREATE TABLE big (text)")
    house.db.executemany("INSERT INTO big VALUES (?)", [("x" * 4_000,)] * 100)
    house.db.execute("DELETE FROM big")
    assert "in use shows" in (house.run(Vacuum(), dry_run=True).detail or "")
    house.project("p1")
    house.run(ArchiveProjects(), days=8)
    house.db.execute("UPDATE aura_ledger SET state = 'sealed'")
    assert "first settles" in (house.run(ArchiveProjects(), days=8, dry_run=True).detail or "")


def test_room_for_one_archive_and_not_for_all_is_said(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("p1", "p2", "p3"):
        house.project(name, files={"a": "x" * 1_000})
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=3_000, f_frsize=1))
    dry = house.run(ArchiveProjects(), days=8, dry_run=True)
    assert (dry.removed, dry.kept) == (9, {})
    assert "room for all" in (dry.detail or "")
    monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=1_000, f_frsize=1))
    assert house.run(ArchiveProjects(), days=8, dry_run=True).kept == {"failed": 9}


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_rehearsal_writes_to_no_file(house: Household, mode: str) -> None:
    house.actions(3)
    house.project("p1")
    house.project("p2", "failed")
    assert house.db.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode.lower(),)
    before = {path.name: path.read_bytes() for path in house.data_dir.glob("aura.db*")}
    for cleaner in (ActionLogs(), ArchiveProjects(), FailedProjects()):
        assert house.run(cleaner, days=100, dry_run=True).removed > 0
    assert {path.name: path.read_bytes() for path in house.data_dir.glob("aura.db*")} == before


def refuse(house: Household, table: str, condition: str) -> None:
    """A trigger of the application that will not have a row deleted."""
    house.db.execute(
        f"CREATE TRIGGER keep BEFORE DELETE ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
