"""The scenarios of the protocols that deal with an application's records: rows, projects, vacuum.

Owns a small application, and the invariants over it: every row is in its table or in exactly one sealed archive;
every project's files are at their origin, in quarantine, or in an archive that verifies; the database is intact.
"""

import sqlite3
import stat
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aura_actors.cleaners import (
    ActionLogs,
    ArchivedProjects,
    ArchiveProjects,
    Declined,
    FailedProjects,
    Purge,
    Sweep,
    Swept,
    Undo,
    Vacuum,
    recover,
    sweep,
)
from aura_actors.cleaners.clearing import verified
from aura_actors.cleaners.segments import unpack
from aura_actors.cleaners.tree import opened as opened_tree
from aura_actors.errors import StoreUnavailable
from tests.cleaners.household import Household, tree

FOLDERS = {".": 0o2777, "sub": 0o1771}
FILES = {"a.txt": "alpha" * 300, "sub/b.txt": "beta", "sub/empty": ""}


@contextmanager
def house(place: Path) -> Iterator[Household]:
    """The application, as a new process finds it."""
    made = Household(place / "data")
    try:
        yield made
    finally:
        made.close()


class RecordScenario:
    """What the scenarios have in common. `days` from now is when the first run happens."""

    cleaner: Any
    days = 100.0

    def fill(self, house: Household) -> None:
        """What is there before."""
        raise NotImplementedError

    def prepare(self, place: Path) -> None:
        """Make the application."""
        with house(place) as made:
            self.fill(made)

    def act(self, place: Path) -> None:
        """One run, on a disk that may refuse anything; what is not done is said."""
        with suppress(StoreUnavailable, Declined, sqlite3.Error, OSError), house(place) as made:
            swept = self.run(made, "first")
            if swept.outcome == "done":
                assert swept.scanned == swept.removed + swept.restored + sum(swept.kept.values()), swept
            else:
                assert swept.detail, swept

    def run(self, house: Household, run_id: str, *, later: float = 0) -> Swept:
        """One run to its end."""
        return house.run(self.cleaner, days=self.days + later, run_id=run_id)

    def recover(self, place: Path) -> None:
        """As a new process does before anything else."""
        with house(place) as made:
            recover(made.journal, made.grounds, time.time_ns())
            for _ in self.cleaner.recover(made.bench(days=self.days)):
                pass

    def check(self, place: Path, *, whole: bool) -> None:
        """Nothing is lost or doubled; the rest can be done; all can be undone."""
        with house(place) as made:
            self.invariant(made)
            if whole:
                assert self.is_done(made)
            assert self.run(made, "second", later=0.2).outcome == "done"
            assert self.is_done(made)
            self.invariant(made)
            self.undone(made)
            assert not list(made.data_dir.rglob(".aura-tmp-*"))
            assert made.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def undone(self, house: Household) -> None:
        """Undo both runs; everything is as it was."""
        for run_id in ("first", "second"):
            swept = sweep(Undo(run_id, self.cleaner), house.bench(days=self.days + 0.2))
            assert not swept.failures, swept
        self.is_as_before(house)

    def invariant(self, house: Household) -> None:
        """What must hold at any time."""
        raise NotImplementedError

    def is_done(self, house: Household) -> bool:
        """Whether what was meant is done."""
        raise NotImplementedError

    def is_as_before(self, house: Household) -> None:
        """What must hold when all is undone."""
        raise NotImplementedError


# --- rows ---


class Rows(RecordScenario):
    """Two batches of aged rows."""

    cleaner = ActionLogs()

    def fill(self, house: Household) -> None:
        """More than fit into a segment."""
        house.actions(1_003)

    def invariant(self, house: Household) -> None:
        """Every row is in its table or in exactly one sealed segment."""
        found = Counter(row[0] for row in house.rows("action_logs"))
        for path in house.archives():
            found.update(row[0] for _, row in unpack(path.read_bytes()).rows)
        assert found == Counter(range(1, 1_004)), [key for key, count in found.items() if count != 1][:5]

    def is_done(self, house: Household) -> bool:
        """The table is empty."""
        return house.rows("action_logs") == []

    def is_as_before(self, house: Household) -> None:
        """All rows, no segment."""
        assert len(house.rows("action_logs")) == 1_003
        assert house.archives() == []


class RowsBack(Rows):
    """Undo of a run over rows."""

    def prepare(self, place: Path) -> None:
        """The rows are in segments."""
        super().prepare(place)
        with house(place) as made:
            self.run(made, "first")

    def act(self, place: Path) -> None:
        """Undo it."""
        with suppress(StoreUnavailable, Declined, sqlite3.Error, OSError), house(place) as made:
            sweep(Undo("first", self.cleaner), made.bench(days=self.days))

    def check(self, place: Path, *, whole: bool) -> None:
        """Nothing is lost or doubled, and in the end all is back."""
        with house(place) as made:
            self.invariant(made)
            if whole:
                self.is_as_before(made)
            self.undone(made)


# --- projects ---


class Archive(RecordScenario):
    """A completed project with files and an upload."""

    cleaner: Any = ArchiveProjects()
    status = "completed"
    resting = ("completed", "archived")
    """What recovery may leave a project as."""

    def fill(self, house: Household) -> None:
        """One project that goes and one that does not."""
        made = house.project("p1", self.status, files=FILES)
        for name, mode in FOLDERS.items():
            (made / name).chmod(mode)
        house.upload("p1", "u.bin", "uploaded")
        house.project("p2", "running")

    def invariant(self, house: Household) -> None:
        """Files at their origin, in quarantine, or in an archive that verifies; rows in exactly one place."""
        assert house.status("p1") in self.resting
        assert house.status("p2") == "running"
        assert (house.data_dir / "uploads/u.bin").read_text() == "uploaded"
        archives = [archived(house, path.name) for path in house.archives()]
        assert len(archives) == (house.status("p1") == "archived"), "one archive, or the project as it was"
        uploads = len(house.rows("uploads")) + sum(rows for rows, _ in archives)
        assert uploads == 1, "an upload's row is in exactly one place"
        here = tree(house.data_dir / "projects" / "p1")
        assert here.items() <= FILES.items()
        if archives:
            assert archives[0][1] == FILES
        else:
            assert here == FILES

    def is_done(self, house: Household) -> bool:
        """It is archived, and its folder is gone."""
        return house.status("p1") == "archived" and not (house.data_dir / "projects/p1").exists()

    def is_as_before(self, house: Household) -> None:
        """Rows and files."""
        assert house.status("p1") == self.status
        folder = house.data_dir / "projects/p1"
        assert tree(folder) == FILES
        modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FOLDERS}
        assert modes == FOLDERS, modes
        assert len(house.rows("uploads")) == 1
        assert house.archives() == []


class ArchiveBack(Archive):
    """Undo of a run that archived a project, when the quarantine is over."""

    def prepare(self, place: Path) -> None:
        """It is archived, and nothing of it is left elsewhere."""
        super().prepare(place)
        with house(place) as made:
            self.run(made, "first")
            made.run(Purge(), days=200)
            (made.data_dir / "uploads/u.bin").unlink()

    def act(self, place: Path) -> None:
        """Undo it."""
        with suppress(StoreUnavailable, Declined, sqlite3.Error, OSError), house(place) as made:
            sweep(Undo("first", self.cleaner), made.bench(days=self.days))

    def check(self, place: Path, *, whole: bool) -> None:
        """The archive is there until everything is back."""
        with house(place) as made:
            if whole:
                self.is_as_before(made)
            if made.status("p1") == "archived":
                assert [archived(made, path.name)[1] for path in made.archives()] == [FILES]
            self.undone(made)
            assert (made.data_dir / "uploads/u.bin").read_text() == "uploaded"


class Fail(Archive):
    """A failed project with files and an upload."""

    cleaner = FailedProjects()
    status = "failed"

    def invariant(self, house: Household) -> None:
        """Files at their origin or in quarantine; rows in their tables or in exactly one segment."""
        rows = [row[0] for row in house.rows("projects")] + ["u" for _ in house.rows("uploads")]
        for path in house.archives():
            rows += ["u" if table == "uploads" else str(row[0]) for table, row in unpack(path.read_bytes()).rows]
        assert sorted(rows) == ["p1", "p2", "u"], rows
        here = tree(house.data_dir / "projects" / "p1")
        there = [path.read_text() for path in (house.data_dir / "projects").glob(".aura-trash/*/*")]
        assert sorted([*here.values(), *there]) == sorted(FILES.values())

    def is_done(self, house: Household) -> bool:
        """Rows and folder are gone."""
        return house.status("p1") is None and not (house.data_dir / "projects/p1").exists()


class FailBack(Fail):
    """Undo of a run that was stopped when the files of a failed project had gone, and its rows had not."""

    def prepare(self, place: Path) -> None:
        """It is half done."""
        super().prepare(place)
        with house(place) as made:
            bench = made.bench(days=self.days, run_id="first")
            bench.task = self.cleaner.name
            run = Sweep(self.cleaner, bench)
            while bench.books.quarantined < len(FILES):
                run.step(0)
            run.stop()
            assert made.status("p1") == "deleting"

    def act(self, place: Path) -> None:
        """Undo it."""
        with suppress(StoreUnavailable, Declined, sqlite3.Error, OSError), house(place) as made:
            sweep(Undo("first", self.cleaner), made.bench(days=self.days))

    def check(self, place: Path, *, whole: bool) -> None:
        """Undone, or gone on with by the recovery; in the end all is back."""
        with house(place) as made:
            if whole:
                self.is_as_before(made)
            self.undone(made)


class Expire(RecordScenario):
    """An archive whose time is over."""

    cleaner = ArchivedProjects()

    def fill(self, house: Household) -> None:
        """An archived project."""
        house.project("p1", files=FILES)
        house.run(ArchiveProjects(), days=8)

    def invariant(self, house: Household) -> None:
        """The archive is in its place or in quarantine; its row is there, or the ledger says why not."""
        trash = house.archive.glob(".aura-trash/*/*")
        assert len([*house.archives(), *trash]) == 1
        if house.archives():
            assert archived(house, house.archives()[0].name)[1] == FILES
        assert (house.status("p1") is None) == ("expired" in house.ledger().values())

    def is_done(self, house: Household) -> bool:
        """Gone, with its row."""
        return house.archives() == [] and house.status("p1") is None

    def is_as_before(self, house: Household) -> None:
        """Archive and row."""
        assert house.status("p1") == "archived"
        assert archived(house, house.archives()[0].name)[1] == FILES


def archived(house: Household, name: str) -> tuple[int, dict[str, str]]:
    """How many rows of uploads an archive has, and the files of the project; it verifies."""
    with opened_tree(house.bench(), str(house.archive)) as archive:
        reading = verified(archive, name)
        try:
            while True:
                next(reading)
        except StopIteration as end:
            manifest, _ = end.value
    found: dict[str, str] = {}
    with tarfile.open(house.archive / name) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and member.name.startswith("project/"):
                found[member.name.removeprefix("project/")] = content.read().decode()
    return sum(1 for table, _ in manifest.rows if table == "uploads"), found


# --- vacuum ---


class Pages(RecordScenario):
    """A database most of which is free, page by page."""

    cleaner = Vacuum()

    def fill(self, house: Household) -> None:
        """Rows that come and go."""
        house.db.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, text)")
        house.db.execute(
            "INSERT INTO big (text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            " SELECT hex(randomblob(500)) FROM n"
        )
        house.db.execute("DELETE FROM big WHERE id > 20")
        house.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def invariant(self, house: Household) -> None:
        """The rows that were there."""
        assert house.db.execute("SELECT count(*), max(id) FROM big").fetchone() == (20, 20)
        assert house.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def is_done(self, house: Household) -> bool:
        """Nothing is free."""
        return bool(house.db.execute("PRAGMA freelist_count").fetchone() == (0,))

    def undone(self, house: Household) -> None:
        """There is nothing to undo: nothing was lost."""


class Anew(Pages):
    """The same in a file that gives no pages back one by one."""

    cleaner = Vacuum(min_free_bytes=0)

    def prepare(self, place: Path) -> None:
        """Such a file."""
        with house(place) as made:
            made.db.execute("PRAGMA auto_vacuum = NONE")
            made.db.execute("VACUUM")
            self.fill(made)
