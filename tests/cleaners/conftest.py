"""A root to sweep, beside an outside that nothing may touch."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners import Ground, Swept, TempFiles, prepare_root, sweep


class Yard:
    """`root` is prepared; `outside` lies beside it, and is compared with what it was when the test ends."""

    def __init__(self, base: Path) -> None:
        self.outside = base / "outside"
        self.outside.mkdir()
        (self.outside / "precious").write_text("keep me")
        self.data_dir = base / "data"
        self.data_dir.mkdir()
        self.root = self.data_dir / "temp"
        identity = prepare_root(str(self.root), None, keep_out=str(self.data_dir))
        self.ground = Ground(str(self.root), identity)

    def file(self, path: str, content: str = "0123456789") -> Path:
        """A new file below the root."""
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(content)
        return made

    def later_ns(self, hours: float = 48) -> int:
        """A time at which everything made so far is so many hours old: ctime cannot be set, but `now` can."""
        return time.time_ns() + int(hours * 3_600e9)

    def sweep(self, *, hours: float = 48, dry_run: bool = False, **options: object) -> Swept:
        """One pass of the temp-file task, so many hours from now."""
        cleaner = TempFiles(**options)  # type: ignore[arg-type]  # options by name, from the test
        return sweep(cleaner, self.ground, now_ns=self.later_ns(hours), dry_run=dry_run)

    def names(self) -> set[str]:
        """What is below the root, sentinel left out."""
        return {str(p.relative_to(self.root)) for p in self.root.rglob("*")} - {".aura-root"}


def picture(folder: Path) -> dict[str, tuple[int, ...]]:
    return {
        str(p): (s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns)
        for p, s in ((p, p.lstat()) for p in [folder, *folder.rglob("*")])
    }


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """The root and the outside; fails the test when anything outside has changed."""
    made = Yard(tmp_path)
    before = picture(made.outside)
    descriptors = open_descriptors()
    yield made
    assert picture(made.outside) == before
    assert open_descriptors() == descriptors
