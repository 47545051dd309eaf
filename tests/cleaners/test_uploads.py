"""An upload goes when nothing refers to it, for the second time, and the database can be believed."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import ArchiveProjects, OrphanedUploads, Sweep, Swept
from aura_actors.cleaners.application import Reference
from aura_actors.cleaners.layout import DATABASE, create_layout
from tests.cleaners.household import Household


@pytest.fixture
def folder() -> str:
    return "uploads"


class Uploads:
    """The default layout, and two uploads, of which the project `p` refers to `used`."""

    def __init__(self, yard: Any) -> None:
        self.yard = yard
        create_layout(str(yard.data_dir))
        self.database = yard.data_dir / DATABASE
        self.sql("INSERT INTO projects (id, status, updated_at) VALUES ('p', 'active', 0)")
        self.refer("used")
        for name in ("used", "orphan"):
            yard.file(name)

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def refer(self, path: object) -> None:
        self.sql("INSERT INTO uploads (project_id, path, created_at) VALUES ('p', ?, 0)", str(path))

    def run(self, *, hours: float, dry_run: bool = False, **options: Any) -> Swept:
        return self.yard.run(  # type: ignore[no-any-return]
            OrphanedUploads(**options), hours=hours, dry_run=dry_run, database=str(self.database)
        )


@pytest.fixture
def uploads(yard: Any) -> Uploads:
    return Uploads(yard)


def test_an_orphan_goes_when_it_is_seen_again_hours_later(uploads: Uploads) -> None:
    assert uploads.run(hours=49).kept == {"referenced": 1, "seen-once": 1}
    assert uploads.run(hours=52).kept == {"referenced": 1, "seen-once": 1}
    swept = uploads.run(hours=56)
    assert (swept.removed, swept.quarantined, swept.kept) == (1, 1, {"referenced": 1})
    assert uploads.yard.names() == {"used"}


def test_an_upload_younger_than_two_days_is_no_orphan_yet(uploads: Uploads) -> None:
    assert uploads.run(hours=47).kept == {"young": 2}


def test_a_dry_run_is_no_sighting(uploads: Uploads) -> None:
    assert uploads.run(hours=49, dry_run=True).kept == {"referenced": 1, "seen-once": 1}
    assert uploads.run(hours=60).kept == {"referenced": 1, "seen-once": 1}
    assert uploads.run(hours=70, dry_run=True).removed == 1
    assert uploads.yard.names() == {"used", "orphan"}


def test_an_orphan_that_was_referred_to_in_between_begins_anew(uploads: Uploads) -> None:
    uploads.run(hours=49)
    uploads.refer("orphan")
    assert uploads.run(hours=56).kept == {"referenced": 2}
    uploads.sql("DELETE FROM uploads WHERE path = 'orphan'")
    assert uploads.run(hours=63).kept == {"referenced": 1, "seen-once": 1}


def test_an_orphan_that_was_written_in_between_begins_anew(uploads: Uploads) -> None:
    uploads.run(hours=49)
    (uploads.yard.root / "orphan").write_text("again")
    assert uploads.run(hours=56).kept == {"referenced": 1, "seen-once": 1}


def test_a_sighting_from_the_future_counts_from_now(uploads: Uploads) -> None:
    """The clock was wrong when it was seen, and has been set back."""
    uploads.run(hours=10_000)
    assert uploads.run(hours=49).kept == {"referenced": 1, "seen-once": 1}
    assert uploads.run(hours=56).removed == 1


def test_a_reference_that_comes_while_the_run_goes_on_keeps_its_file(uploads: Uploads) -> None:
    uploads.run(hours=49)
    run = Sweep(OrphanedUploads(), uploads.yard.bench(hours=56, database=str(uploads.database)))
    run.step(0)  # the scan
    uploads.refer("orphan")
    while not isinstance(swept := run.step(1), Swept):
        pass
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 0, {"referenced": 2})
    assert uploads.yard.names() == {"used", "orphan"}


def test_references_by_absolute_path_through_a_link_and_to_a_folder_count(uploads: Uploads, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(uploads.yard.root)
    for name in ("absolute", "linked", "folder/inside"):
        uploads.yard.file(name)
    uploads.refer(uploads.yard.root / "absolute")
    uploads.refer(alias / "linked")
    uploads.refer("folder")
    assert uploads.run(hours=49).kept == {"referenced": 4, "seen-once": 1, "not-empty": 1}


def test_without_a_database_nothing_is_an_orphan(uploads: Uploads) -> None:
    swept = uploads.yard.run(OrphanedUploads(), hours=100)
    assert (swept.outcome, swept.detail) == ("declined", "there is no database")
    uploads.database.unlink()
    assert uploads.run(hours=100).outcome == "declined"
    assert uploads.yard.names() == {"used", "orphan"}


def test_a_table_that_is_missing_declines_the_run(uploads: Uploads) -> None:
    uploads.sql("DROP TABLE export_history")
    swept = uploads.run(hours=100)
    assert swept.outcome == "declined"
    assert "export_history" in str(swept.detail)


def test_a_database_none_of_whose_uploads_is_there_is_not_believed(uploads: Uploads) -> None:
    """Such as that of another machine, or when the disk with the uploads is not mounted."""
    (uploads.yard.root / "used").unlink()
    swept = uploads.run(hours=100)
    assert swept.outcome == "declined"
    assert "is there" in str(swept.detail)
    assert uploads.yard.names() == {"orphan"}


def test_an_empty_database_beside_uploads_is_not_believed(uploads: Uploads) -> None:
    """Such as the one that is made anew when the disk with the old one is not mounted."""
    uploads.sql("DELETE FROM uploads")
    for hours, dry_run in ((49, True), (49, False), (56, False), (100, False)):
        swept = uploads.run(hours=hours, dry_run=dry_run)
        assert swept.outcome == "declined"
        assert "knows of nothing" in str(swept.detail)
    uploads.refer("used")
    assert uploads.run(hours=101).kept == {"referenced": 1, "seen-once": 1}, (
        "what it said before counts for nothing"
    )
    assert uploads.yard.names() == {"used", "orphan"}


def test_an_empty_database_without_uploads_is_no_reason_to_decline(uploads: Uploads) -> None:
    uploads.sql("DELETE FROM uploads")
    assert uploads.run(hours=47).kept == {"young": 2}
    for path in uploads.yard.root.glob("[ou]*"):
        path.unlink()
    assert uploads.run(hours=100).outcome == "done"


def test_a_database_that_is_another_file_begins_anew(uploads: Uploads) -> None:
    uploads.run(hours=49)
    old = uploads.database.with_suffix(".old")
    shutil.copy(uploads.database, old)
    old.replace(uploads.database)
    assert uploads.run(hours=56).kept == {"referenced": 1, "seen-once": 1}
    assert uploads.run(hours=63).removed == 1


def test_uploads_of_the_only_project_go_when_it_was_archived(house: Household) -> None:
    """That the database knows of none any more is what the ledger accounts for."""
    house.project("p1")
    upload = house.upload("p1", "u.bin")
    house.run(ArchiveProjects(), days=8)
    house.run(OrphanedUploads(), days=8)
    assert house.run(OrphanedUploads(), days=8.5).removed == 1
    assert not upload.exists()


def test_a_database_whose_paths_are_those_of_a_container_is_not_believed(house: Household) -> None:
    """Also when something was archived out of it, so that it may well know of no upload any more."""
    house.project("p1")
    house.run(ArchiveProjects(), days=8)
    house.project("p2", "running")
    upload = house.upload("p2", "u.bin")
    house.db.execute("UPDATE uploads SET path = '/app/uploads/u.bin'")
    for days in (12, 13):
        swept = house.run(OrphanedUploads(), days=days)
        assert swept.outcome == "declined"
        assert "SELECT path FROM uploads" in str(swept.detail)
    assert upload.exists()


def test_an_application_may_have_its_own_table(uploads: Uploads, tmp_path: Path) -> None:
    own = tmp_path / "own.db"
    with closing(sqlite3.connect(own)) as connection, connection:
        connection.execute("CREATE TABLE media (file TEXT)")
        connection.execute("INSERT INTO media VALUES ('orphan')")
    asked = (Reference("SELECT file FROM media", str(uploads.yard.root)),)
    swept = uploads.run(hours=100, database=str(own), references=asked)
    assert swept.kept == {"referenced": 1, "seen-once": 1}


def test_a_folder_of_orphans_goes_with_them(uploads: Uploads) -> None:
    uploads.yard.file("batch/one")
    uploads.yard.file("batch/two")
    first = uploads.run(hours=49)
    assert first.kept == {"referenced": 1, "seen-once": 3, "not-empty": 1}
    assert uploads.run(hours=56).removed == 4
    shutil.rmtree(uploads.yard.root / ".aura-trash")
