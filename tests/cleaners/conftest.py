"""A root to sweep, beside an outside that nothing may touch."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Bench, Ground, Job, Swept, TempFiles, prepare_root, sweep
from aura_actors.stores.quarantine import QuarantineStore
from tests.cleaners.household import Household, in_memory, open_descriptors_but_databases


class Yard:
    """`root` is prepared; `outside` lies beside it, and is compared with what it was when the test ends."""

    def __init__(self, base: Path, folder: str = "temp") -> None:
        self.outside = base / "outside"
        self.outside.mkdir()
        (self.outside / "precious").write_text("keep me")
        self.data_dir = base / "data"
        self.data_dir.mkdir()
        self.root = self.data_dir / folder
        identity = prepare_root(str(self.root), None, keep_out=str(self.data_dir))
        self.ground = Ground(str(self.root), identity)
        self.journal = QuarantineStore(self.data_dir / "quarantine.db")
        self._runs = itertools.count(1)

    def file(self, path: str, content: str = "0123456789") -> Path:
        """A new file below the root."""
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(content)
        return made

    def later_ns(self, hours: float = 48) -> int:
        """A time at which everything made so far is so many hours old: ctime cannot be set, but `now` can."""
        return time.time_ns() + int(hours * 3_600e9)

    def bench(self, *, hours: float = 48, **fields: Any) -> Bench:
        """What a run works with, so many hours from now."""
        given: dict[str, Any] = {
            "run_id": f"run-{next(self._runs)}",
            "data_dir": str(self.data_dir),
            "now_ns": self.later_ns(hours),
            "journal": self.journal,
            "grounds": {self.ground.path: self.ground},
            **fields,
        }
        return Bench(**given)

    def sweep(self, *, hours: float = 48, dry_run: bool = False, **options: object) -> Swept:
        """One pass of the temp-file task, so many hours from now."""
        cleaner = TempFiles(**options)  # type: ignore[arg-type]  # options by name, from the test
        return self.run(cleaner, hours=hours, dry_run=dry_run)

    def run(self, job: Job, **fields: Any) -> Swept:
        """One run of a job to its end."""
        return sweep(job, self.bench(**fields))

    def names(self) -> set[str]:
        """What is below the root, this program's own left out."""
        found = (p.relative_to(self.root) for p in self.root.rglob("*"))
        return {str(p) for p in found if p.parts[0] not in (".aura-root", ".aura-trash")}

    def quarantined(self) -> int:
        """How many files lie in quarantine."""
        return sum(1 for p in self.root.glob(".aura-trash/*/*"))


def picture(folder: Path) -> dict[str, tuple[int, ...]]:
    return {
        str(p): (s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns)
        for p, s in ((p, p.lstat()) for p in [folder, *folder.rglob("*")])
    }


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def folder() -> str:
    """Which of the data directory's folders is swept."""
    return "temp"


@pytest.fixture
def yard(tmp_path: Path, folder: str) -> Iterator[Yard]:
    """The root and the outside; fails the test when anything outside has changed."""
    yield from watched(Yard(tmp_path, folder))


@pytest.fixture
def yard_in_memory(tmp_path: Path, folder: str) -> Iterator[Yard]:
    """The same where a thousand directories cost nothing; on disk where there is no such place."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as base:
        yield from watched(Yard(Path(base), folder))


def watched(made: Yard) -> Iterator[Yard]:
    before = picture(made.outside)
    descriptors = open_descriptors()
    yield made
    assert picture(made.outside) == before
    assert open_descriptors() == descriptors
    made.journal.close()


@pytest.fixture
def house() -> Iterator[Household]:
    """An application with the default layout; no descriptor is left open by what was run."""
    with in_memory() as folder:
        made = Household(folder / "data")
        descriptors = open_descriptors_but_databases()
        yield made
        assert open_descriptors_but_databases() == descriptors
        made.close()
