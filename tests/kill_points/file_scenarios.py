"""The scenarios of protocol "delete an aged file": taking, deleting, undoing, and recovery itself.

Owns a small tree, and the invariant over it: every file is at its origin or in quarantine with its origin on
record, never both, never neither.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aura_actors.cleaners import (
    Bench,
    Declined,
    Ground,
    Job,
    Purge,
    Swept,
    TempFiles,
    Undo,
    prepare_root,
    recover,
    removal,
    renaming,
    sweep,
)
from aura_actors.cleaners.aged import remove_aged
from aura_actors.cleaners.in_use import OpenFiles
from aura_actors.cleaners.tree import opened as opened_tree
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.quarantine import QuarantineStore

HOUR_NS = 3_600 * 10**9
FILES = {"a": "one", "x/b": "two", "x/y/c": "three", "x/y/odd\n\udcff": "four", "z/only/d": "five"}
FOLDERS = {"x": 0o777, "x/y": 0o2750, "z": 0o700, "z/only": 0o711, "empty": 0o1777}
LINK = ("x/link", "../a")


@contextmanager
def opened(place: Path) -> Iterator[tuple[QuarantineStore, Mapping[str, Ground]]]:
    """The journal and the root, as a new process finds them."""
    data = str(place / "data")
    root = f"{data}/temp"
    recorded = prepare_root(root, None, keep_out=data)
    journal = QuarantineStore(f"{data}/quarantine.db")
    try:
        yield journal, {root: Ground(root, recorded)}
    finally:
        journal.close()


def now_ns(place: Path, hours: float) -> int:
    """So many hours after everything was made."""
    return (place / "made").stat().st_mtime_ns + int(hours * HOUR_NS)


def attempt(place: Path, job: Job, run_id: str, *, hours: float = 48) -> None:
    """One run on a disk that may refuse anything: whatever is not done is said."""
    try:
        swept = run(place, job, run_id, hours=hours)
    except (StoreUnavailable, Declined):
        return  # with a sentence
    if swept.outcome == "done":
        assert swept.scanned == swept.removed + swept.restored + sum(swept.kept.values()), swept
        assert bool(swept.failures) >= bool(swept.kept), swept
    else:
        assert swept.detail, swept


def run(place: Path, job: Job, run_id: str, *, hours: float = 48) -> Swept:
    """One run to its end."""
    with opened(place) as (journal, grounds):
        bench = Bench(
            run_id=run_id,
            task="temp-files",
            data_dir=str(place / "data"),
            now_ns=now_ns(place, hours),
            journal=journal,
            grounds=grounds,
        )
        return sweep(job, bench)


# Looking at every process of the machine is slow, and no part of these protocols.
patch.object(removal, "read_open_files", lambda: OpenFiles(frozenset(), frozenset(), complete=True)).start()

TAKE = TempFiles(remove_symlinks=True)


class Take:
    """Files, links and folders go to quarantine."""

    def prepare(self, place: Path) -> None:
        """A tree in which everything is to go."""
        (place / "data").mkdir()
        with opened(place) as (_, grounds):
            root = Path(next(iter(grounds)))
        for name, mode in FOLDERS.items():
            (root / name).mkdir(mode=0o700)
            (root / name).chmod(mode)
        for name, text in FILES.items():
            (root / name).write_text(text)
        (root / LINK[0]).symlink_to(LINK[1])
        (place / "made").touch()

    def act(self, place: Path) -> None:
        """One run."""
        attempt(place, TAKE, "first")

    def recover(self, place: Path) -> None:
        """As a new process does before anything else."""
        with opened(place) as (journal, grounds):
            recover(journal, grounds, now_ns(place, 48))

    def check(self, place: Path, *, whole: bool) -> None:
        """Nothing is lost, nothing is doubled, the rest can be done, and all of it can be undone."""
        check_nothing_lost(place, may_be_gone=False)
        if whole:
            assert not left(place), left(place)
        check_the_rest_and_back(place)


class TakeWithoutRenameat2(Take):
    """The same where the file system cannot rename without replacing: a second link, then the end of the first."""

    def act(self, place: Path) -> None:
        """One run on such a file system."""
        without_renameat2()
        super().act(place)

    def recover(self, place: Path) -> None:
        """On the same file system."""
        without_renameat2()
        super().recover(place)


class TakeBack(Take):
    """Undo of a run."""

    def prepare(self, place: Path) -> None:
        """Everything is in quarantine."""
        super().prepare(place)
        run(place, TAKE, "first")

    def act(self, place: Path) -> None:
        """Undo it."""
        attempt(place, Undo("first"), "undo")

    def check(self, place: Path, *, whole: bool) -> None:
        """Nothing is lost, and all is back, as it was: after a second undo, where the first was killed."""
        check_nothing_lost(place, may_be_gone=False)
        if not whole:
            run(place, Undo("first"), "again")
        check_all_is_back(place)
        check_the_rest_and_back(place)


class TakeBackWithoutRenameat2(TakeBack):
    """Undo where the file system cannot rename without replacing."""

    def act(self, place: Path) -> None:
        """On such a file system."""
        without_renameat2()
        super().act(place)

    def recover(self, place: Path) -> None:
        """On the same file system."""
        without_renameat2()
        super().recover(place)

    def check(self, place: Path, *, whole: bool) -> None:
        """A file may have both names, until the next undo ends that."""
        without_renameat2()
        both = contents(place).keys() & recorded(place).keys()
        if both and not whole:
            assert all((place / "data" / "temp" / name).lstat().st_nlink == 2 for name in both), "two files"
            run(place, Undo("first"), "again")
        super().check(place, whole=whole)


class Delete(TakeBack):
    """The time of grace is over."""

    def act(self, place: Path) -> None:
        """Delete what is in quarantine."""
        attempt(place, Purge(), "purge", hours=100)

    def check(self, place: Path, *, whole: bool) -> None:
        """What is not gone is in quarantine, on record; a second purge finishes the work."""
        check_nothing_lost(place, may_be_gone=True)
        assert not left(place), left(place)
        run(place, Purge(), "again", hours=200)
        check_nothing_lost(place, may_be_gone=True)
        assert not (place / "data" / "temp" / ".aura-trash").exists()
        with opened(place) as (journal, _):
            assert not journal.hauls()


class DeleteAtOnce(Take):
    """Files that need no time of grace, such as those of a cache."""

    def act(self, place: Path) -> None:
        """One run."""
        attempt(place, AtOnce(), "first")

    def check(self, place: Path, *, whole: bool) -> None:
        """What is not gone is where it was, or on record."""
        check_nothing_lost(place, may_be_gone=True)
        if whole:
            assert not left(place), left(place)
            with opened(place) as (journal, _):
                assert not journal.hauls()
        assert run(place, AtOnce(), "second").outcome == "done"
        assert not left(place), left(place)


class Careless(Take):
    """What the harness must catch: the intent is written down after the move instead of before."""

    def act(self, place: Path) -> None:
        """One run whose intents come with their outcomes."""
        late: list[tuple[Any, ...]] = []
        write, settle = QuarantineStore.intend, QuarantineStore.settle

        def intend(store: QuarantineStore, haul: int, folders: Any, moves: Any) -> list[int]:
            late.append((haul, folders, moves))
            return list(range(1, len(moves) + 1))

        def settled(store: QuarantineStore, **outcomes: Any) -> None:
            write(store, *late.pop())
            settle(store, **outcomes)

        with patch.multiple(QuarantineStore, intend=intend, settle=settled):
            run(place, AtHome(), "first")

    def check(self, place: Path, *, whole: bool) -> None:
        """Nothing is lost."""
        check_nothing_lost(place, may_be_gone=False)


class Recover(Take):
    """Recovery is killed itself, after a run that was killed with a whole batch under way."""

    def prepare(self, place: Path) -> None:
        """A batch has been moved, and nothing of it is settled."""
        super().prepare(place)
        pid = os.fork()
        if pid == 0:
            QuarantineStore.settle = lambda *_, **__: os._exit(0)  # type: ignore[method-assign]
            run(place, TAKE, "first")
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0

    def act(self, place: Path) -> None:
        """Recover."""
        with suppress(StoreUnavailable, Declined):
            super().recover(place)

    def check(self, place: Path, *, whole: bool) -> None:
        """What was under way is back."""
        check_nothing_lost(place, may_be_gone=False)
        if whole:
            check_all_is_back(place)
        check_the_rest_and_back(place)


class AtOnce(TempFiles, frozen=True, kw_only=True, tag="at-once"):
    """Temporary files without a time of grace."""

    def work(self, bench: Bench) -> Iterator[None]:
        """Removes and deletes."""
        with opened_tree(bench, self.root_under(bench.data_dir)) as tree:
            yield from remove_aged(bench, tree, TAKE.rule(), quarantine=False)


class AtHome(TempFiles, frozen=True, kw_only=True, tag="at-home"):
    """One batch: files and links, no folders."""

    def work(self, bench: Bench) -> Iterator[None]:
        """Moves them."""
        with opened_tree(bench, self.root_under(bench.data_dir)) as tree:
            yield from remove_aged(bench, tree, TAKE.rule(), exclude=("x", "z", "empty"))


def without_renameat2() -> None:
    """Of this process only."""
    renaming._RENAMEAT2 = lambda *_: _refuse()


def _refuse() -> int:
    ctypes.set_errno(errno.EINVAL)
    return -1


def left(place: Path) -> set[str]:
    """What is below the root, this program's own left out."""
    root = place / "data" / "temp"
    found = (p.relative_to(root) for p in root.rglob("*"))
    return {str(p) for p in found if p.parts[0] not in (".aura-root", ".aura-trash")}


def contents(place: Path) -> dict[str, str]:
    """Files and links at their origin."""
    root = place / "data" / "temp"
    return {
        name: str((root / name).readlink()) if (root / name).is_symlink() else (root / name).read_text()
        for name in left(place)
        if (root / name).is_symlink() or (root / name).is_file()
    }


def recorded(place: Path) -> dict[str, str]:
    """Files and links in quarantine, by the origin that is on record; asserts that nothing is unsettled."""
    found: dict[str, str] = {}
    with opened(place) as (journal, grounds):
        for haul in journal.hauls():
            assert not journal.moves(haul.number, limit=1, settled=False), "unsettled"
            assert haul.root in grounds
            names = {0: ""}
            for folder in journal.folders(haul.number):
                names[folder.number] = f"{names[folder.parent]}{folder.name}/"
            for entry in journal.moves(haul.number, limit=1_000):
                if entry.move.kind == "directory":
                    continue
                lies = Path(haul.root) / ".aura-trash" / haul.run_id / str(entry.seq)
                assert os.path.lexists(lies), f"{entry.move.name} is on record and not in quarantine"
                origin = names[entry.move.folder] + entry.move.name
                assert origin not in found, "in quarantine twice"
                found[origin] = str(lies.readlink()) if lies.is_symlink() else lies.read_text()
    return found


def check_nothing_lost(place: Path, *, may_be_gone: bool) -> None:
    """Every file is in exactly one place, whole."""
    here, there = contents(place), recorded(place)
    assert not here.keys() & there.keys(), "at its origin and in quarantine"
    found = {**here, **there}
    meant = {**FILES, LINK[0]: LINK[1]}
    if may_be_gone:
        assert found.items() <= meant.items(), found
    else:
        assert found == meant, found
    trash = place / "data" / "temp" / ".aura-trash"
    lying = sum(1 for _ in trash.glob("*/*"))
    assert lying == len(there), f"{lying} in quarantine, {len(there)} on record"


def check_all_is_back(place: Path) -> None:
    """Everything is where it was, with its permissions."""
    assert contents(place) == {**FILES, LINK[0]: LINK[1]}
    for name, mode in FOLDERS.items():
        assert stat.S_IMODE((place / "data" / "temp" / name).stat().st_mode) == mode, name


def check_the_rest_and_back(place: Path) -> None:
    """A run that nothing disturbs finishes the work, and undoing every run brings everything back."""
    assert run(place, TAKE, "second", hours=300).outcome == "done"
    run(place, TAKE, "third", hours=600)  # folders that were touched by what went on before are old again
    assert not left(place), left(place)
    for run_id in ("first", "second", "third"):
        run(place, Undo(run_id), "undo")
    check_all_is_back(place)
