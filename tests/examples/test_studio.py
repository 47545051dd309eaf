"""The example of an application that uses the default layout: what cleanup makes of its records."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners import ArchiveProjects, OrphanedUploads
from tests.cleaners.household import Household, in_memory

STUDIO = Path(__file__).resolve().parents[2] / "examples" / "studio.py"


@pytest.fixture
def house() -> Iterator[Household]:
    """What the daemon makes on its first start."""
    with in_memory() as folder:
        made = Household(folder / "data")
        yield made
        made.close()


def studio(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(STUDIO), *arguments], capture_output=True, text=True, timeout=50, check=False
    )


@pytest.fixture
def film(house: Household, tmp_path: Path) -> Path:
    """The upload of a project that the example has completed."""
    (tmp_path / "clip.mp4").write_text("a clip")
    done = studio(str(house.data_dir), "holiday", str(tmp_path / "clip.mp4"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("holiday completed\n")
    return house.data_dir / "uploads" / "holiday-clip.mp4"


def test_a_file_that_an_upload_row_names_stays_and_an_orphan_goes_when_it_is_seen_twice(
    house: Household, film: Path
) -> None:
    orphan = house.data_dir / "uploads" / "half"
    orphan.write_text("a request that died")
    first = house.run(OrphanedUploads(), days=3)
    assert (first.removed, first.kept) == (0, {"referenced": 1, "seen-once": 1})
    second = house.run(OrphanedUploads(), days=3.5)
    assert (second.removed, second.kept) == (1, {"referenced": 1})
    assert (film.exists(), orphan.exists()) == (True, False)


def test_the_completed_project_is_archived_with_its_upload_a_week_later(house: Household, film: Path) -> None:
    assert house.run(ArchiveProjects(), days=6).removed == 0
    assert house.run(ArchiveProjects(), days=8).outcome == "done"
    assert house.status("holiday") == "archived"
    assert not (house.data_dir / "projects" / "holiday").exists()
    (archive,) = house.archives()
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert any(name.startswith("uploads/") for name in names)
    assert "project/result.txt" in names
    assert film.exists(), "nothing refers to it now: it is an orphan, and has its own two days"
    for days in (8.1, 8.5):
        house.run(OrphanedUploads(), days=days)
    assert not film.exists()


def test_without_the_daemons_database_it_says_what_to_do(tmp_path: Path) -> None:
    done = studio(str(tmp_path), "p", "x")
    assert done.returncode == 1
    assert "serve --data-dir" in done.stderr
