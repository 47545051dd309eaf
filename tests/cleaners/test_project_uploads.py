"""The uploads of a project go into its archive, or keep it: none loses its row while its file is in no archive."""

import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners import ArchiveProjects, OrphanedUploads, Purge
from tests.cleaners.household import Household, in_memory


@pytest.fixture
def linked_house() -> Iterator[Household]:
    """The application's data directory is reached by a link; `data` is where it is."""
    with in_memory() as folder:
        (folder / "data").mkdir()
        (folder / "link").symlink_to(folder / "data")
        made = Household(folder / "link")
        yield made
        made.close()


def refer(house: Household, project: str, path: object) -> None:
    house.db.execute(
        "INSERT INTO uploads (project_id, path, created_at) VALUES (?, ?, ?)", (project, str(path), time.time())
    )


def uploads_in(archive: Path) -> list[bytes]:
    with tarfile.open(archive) as tar:
        files = [tar.extractfile(member) for member in tar if member.name.startswith("uploads/")]
        return [file.read() for file in files if file is not None]


def test_an_upload_that_is_recorded_by_its_real_path_is_archived_and_comes_back(linked_house: Household) -> None:
    house = linked_house
    house.project("p1")
    real = house.data_dir.resolve() / "uploads" / "film.mov"
    real.write_text("precious")
    refer(house, "p1", real)
    rows = house.rows("uploads")
    swept = house.run(ArchiveProjects(), days=8, run_id="it")
    assert (swept.outcome, swept.failures, house.status("p1")) == ("done", {}, "archived")
    assert uploads_in(house.archives()[0]) == [b"precious"]
    house.run(Purge(), days=10)
    real.unlink()
    back = house.undo(ArchiveProjects(), "it", days=10)
    assert (back.failures, real.read_text(), house.rows("uploads")) == ({}, "precious", rows)


def test_a_project_that_is_recorded_by_its_real_path_is_a_project(linked_house: Household) -> None:
    house = linked_house
    folder = house.project("p1")
    house.db.execute("UPDATE projects SET path = ?", (str(folder.resolve()),))
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.kept, house.status("p1"), folder.exists()) == ({}, "archived", False)


@pytest.mark.parametrize("what", ["a folder", "a link", "outside", "up", "below a link", "a FIFO"])
def test_an_upload_that_cannot_be_archived_keeps_the_project_and_its_row(
    house: Household, tmp_path: Path, what: str
) -> None:
    uploads = house.data_dir / "uploads"
    (tmp_path / "secret").write_text("secret")
    (uploads / "link").symlink_to(tmp_path / "secret")
    (uploads / "elsewhere").symlink_to(tmp_path)
    (uploads / "set").mkdir()
    (uploads / "set" / "a").write_text("precious")
    os.mkfifo(uploads / "pipe")
    path = {
        "a folder": "set",
        "a link": "link",
        "outside": str(tmp_path / "secret"),
        "up": "../projects",
        "below a link": "elsewhere/secret",
        "a FIFO": "pipe",
    }[what]
    house.project("p1")
    refer(house, "p1", path)
    house.project("p2", "running")
    house.upload("p2", "other")
    swept = house.run(ArchiveProjects(), days=8)
    assert (swept.outcome, swept.kept, house.archives()) == ("done", {"outside": 5}, [])
    assert (house.status("p1"), len(house.rows("uploads"))) == ("completed", 2)
    for days in (8.1, 8.5):
        house.run(OrphanedUploads(), days=days)
    assert (uploads / "set" / "a").exists() == (what == "a folder"), "nothing refers to it but in that case"


def test_an_upload_that_is_gone_keeps_nobody(house: Household) -> None:
    house.project("p1", files={})
    refer(house, "p1", "missing")
    refer(house, "p1", "no/folder/either")
    assert house.run(ArchiveProjects(), days=8).kept == {}
    assert uploads_in(house.archives()[0]) == []
    assert (house.status("p1"), house.rows("uploads")) == ("archived", [])
