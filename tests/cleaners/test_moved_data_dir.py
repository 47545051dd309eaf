"""A data directory that was moved or copied: what lies in quarantine is found where it is now, and nowhere else."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aura_actors.cleaners import Bench, Ground, Job, Purge, Swept, Undo, prepare_root, sweep
from aura_actors.stores.quarantine import QuarantineStore
from tests.cleaners.conftest import Yard


@contextmanager
def life_in(yard: Yard, data_dir: Path) -> Iterator[Bench]:
    """A daemon that is started there: it recognises its folders, also those that the journal speaks of."""
    journal = QuarantineStore(data_dir / "quarantine.db")
    paths = {str(data_dir / "temp"), *(haul.root for haul in journal.hauls())}
    grounds = {path: Ground(path, prepare_root(path, None, keep_out=str(data_dir))) for path in paths}
    try:
        yield yard.bench(data_dir=str(data_dir), journal=journal, grounds=grounds)
    finally:
        journal.close()


def run(yard: Yard, data_dir: Path, job: Job, *, seconds: float = 86_400.0) -> Swept:
    with life_in(yard, data_dir) as bench:
        bench.quarantine_seconds = seconds
        return sweep(job, bench)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Without a count of descriptors: one file is open twice here, and SQLite then closes late."""
    made = Yard(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def taken(yard: Yard) -> str:
    """A run of which two files lie in quarantine, one of a folder that is gone."""
    yard.file("a")
    yard.file("folder/b")
    assert yard.sweep().removed == 3
    return "run-1"


def content(data_dir: Path) -> set[str]:
    return {str(path.relative_to(data_dir)) for path in (data_dir / "temp").rglob("*") if ".aura-" not in str(path)}


def test_after_a_move_a_run_can_be_undone(yard: Yard, taken: str) -> None:
    moved = yard.data_dir.rename(yard.data_dir.parent / "moved")
    swept = run(yard, moved, Undo(taken))
    assert (swept.restored, swept.failures, content(moved)) == (3, {}, {"temp/a", "temp/folder", "temp/folder/b"})


def test_after_a_move_quarantine_is_emptied(yard: Yard, taken: str) -> None:
    moved = yard.data_dir.rename(yard.data_dir.parent / "moved")
    assert run(yard, moved, Purge(), seconds=0).removed == 3
    assert not (moved / "temp" / ".aura-trash").exists()


@pytest.mark.parametrize("job", [Undo("run-1"), Purge()])
def test_a_daemon_on_a_copy_touches_nothing_of_the_original(yard: Yard, taken: str, job: Job) -> None:
    copied = Path(shutil.copytree(yard.data_dir, yard.data_dir.parent / "copied"))
    run(yard, copied, job, seconds=0)
    assert content(copied) == {"temp/a", "temp/folder", "temp/folder/b"}
    assert (content(yard.data_dir), yard.quarantined()) == (set(), 2)
    assert run(yard, yard.data_dir, Undo(taken)).restored == 3
