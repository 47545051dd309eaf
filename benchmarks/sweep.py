"""Cleanup of many small files: how fast they are looked at and taken away, and what that costs everybody else.

Beside ours: `find`, which looks at every file's stamps and finds none old; systemd-tmpfiles, looking and removing.
It deletes, ours moves into quarantine with a journal and a lease on each file, so the second ratio is the price of
that.
What runs beside a sweep (`sweep_beside`) is a reader of files, and the loop of a whole runtime.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from aura_actors.cleaners import Bench, Ground, Swept, TempFiles, prepare_root, sweep
from aura_actors.stores.quarantine import QuarantineStore
from benchmarks import sweep_beside
from benchmarks.report import Report, median

PER_FOLDER = 1_000
NEVER_SECONDS = 1e9
DAY_NS = 86_400 * 10**9


class Place:
    """A data directory whose root `temp` is filled with small files."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder
        self.root = folder / "temp"
        self._runs = 0

    def fill(self, files: int) -> None:
        """`files` of 10 bytes, a thousand in a folder."""
        for number in range(0, files, PER_FOLDER):
            folder = self.root / f"{number // PER_FOLDER:04}"
            folder.mkdir(parents=True)
            for name in range(min(PER_FOLDER, files - number)):
                (folder / f"{name:04}").write_bytes(b"0123456789")

    def sweep(self, *, older_than_seconds: float, dry_run: bool) -> Swept:
        """One pass in this process; all files are a day old for it."""
        self._runs += 1
        journal = QuarantineStore(self.data_dir / "quarantine.db", reading=dry_run)
        try:
            return sweep(
                TempFiles(older_than_seconds=older_than_seconds, max_files=10_000_000),
                Bench(
                    run_id=f"run-{self._runs}",
                    data_dir=str(self.data_dir),
                    now_ns=time.time_ns() + DAY_NS,
                    journal=journal,
                    grounds={str(self.root): self.ground()},
                    dry_run=dry_run,
                    task="temp-files",
                ),
            )
        finally:
            journal.close()

    def ground(self) -> Ground:
        """The root, recognised."""
        return Ground(str(self.root), prepare_root(str(self.root), None, keep_out=str(self.data_dir)))


def timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def find(root: Path) -> None:
    """Look at every file's stamps."""
    subprocess.run(["find", str(root), "-type", "f", "-mtime", "+9999"], check=True, stdout=subprocess.DEVNULL)


def tmpfiles(place: Place, age: str) -> None:
    """What systemd-tmpfiles does about files of this age."""
    rules = place.data_dir / "rules.conf"
    rules.write_text(f"e {place.root} - - - {age}\n")
    subprocess.run(["systemd-tmpfiles", "--clean", str(rules)], check=True, stderr=subprocess.DEVNULL)


def scans(files: int, rounds: int, *, with_tmpfiles: bool) -> dict[str, list[float]]:
    """Seconds of looking at a tree of which nothing is old, interleaved."""
    found: dict[str, list[float]] = {"ours": [], "find": [], "tmpfiles": []}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        place.fill(files)
        for turn in range(rounds + 1):
            took = {
                "ours": timed(lambda: _look(place, files)),
                "find": timed(lambda: find(place.root)),
                "tmpfiles": timed(lambda: tmpfiles(place, "9999d")) if with_tmpfiles else 0.0,
            }
            if turn:  # the first round warms the caches
                for name, seconds in took.items():
                    found[name].append(seconds)
    return found


def _look(place: Place, files: int) -> None:
    swept = place.sweep(older_than_seconds=NEVER_SECONDS, dry_run=True)
    assert swept.removed == 0
    assert swept.scanned >= files


def cleans(files: int, rounds: int, *, with_tmpfiles: bool) -> dict[str, list[float]]:
    """Seconds of taking a whole tree away, each time a new one."""
    found: dict[str, list[float]] = {"ours": [], "tmpfiles": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder))
            place.fill(files)
            found["ours"].append(timed(partial(_take, place, files)))
        if with_tmpfiles:
            with tempfile.TemporaryDirectory() as folder:
                place = Place(Path(folder))
                place.fill(files)
                found["tmpfiles"].append(timed(partial(tmpfiles, place, "1us")))
    return found


def _take(place: Place, files: int) -> None:
    swept = place.sweep(older_than_seconds=1.0, dry_run=False)
    assert swept.quarantined >= files, swept


def run(*, quick: bool) -> Report:
    """Looking at 10^5 and 10^6 files (quick: 10^4), taking away 10^5 (quick: 1,000), and who works beside it."""
    with_tmpfiles = shutil.which("systemd-tmpfiles") is not None
    notes = [] if with_tmpfiles else ["systemd-tmpfiles is not installed (Debian: systemd)"]
    sizes = (10_000,) if quick else (100_000, 1_000_000)
    ratios: dict[str, float | None] = {}
    figures: dict[str, float] = {}
    for files in sizes:
        scan = scans(files, 3, with_tmpfiles=with_tmpfiles)
        ours = median(scan["ours"])
        ratios["vs_find"] = ours / median(scan["find"])
        ratios["scan_vs_tmpfiles"] = ours / median(scan["tmpfiles"]) if with_tmpfiles else None
        figures[f"scan_us_per_file_{files}"] = 1e6 * ours / files
        figures[f"vs_find_{files}"] = ours / median(scan["find"])
    files = 1_000 if quick else 100_000
    clean = cleans(files, 3, with_tmpfiles=with_tmpfiles)
    ratios["clean_vs_tmpfiles"] = median(clean["ours"]) / median(clean["tmpfiles"]) if with_tmpfiles else None
    figures[f"clean_us_per_file_{files}"] = 1e6 * median(clean["ours"]) / files
    beside = trio.run(sweep_beside.measure, 2_000 if quick else 1_000_000, 6 if quick else 16)
    ratios["foreground"] = beside.pop("foreground")
    return Report(name="sweep", ratios=ratios, figures={**figures, **beside}, notes=notes)
