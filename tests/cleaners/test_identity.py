"""What was swapped, moved or written between the plan and its execution is left alone; roots are recognised."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aura_actors.cleaners import Bench, Declined, RootIdentity, prepare_root
from aura_actors.cleaners import cursor as cursor_module
from aura_actors.cleaners.base import LOOKS
from aura_actors.cleaners.cursor import Place
from aura_actors.cleaners.in_use import OpenFiles, read_open_files
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.roots import filesystem_now_ns, open_root
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.walk import Walk
from aura_actors.domain.retention import Draft, Keep, Rule


class Scanned:
    """A run between its plan and its execution."""

    def __init__(self, yard: Any) -> None:
        self.bench: Bench = yard.bench()
        self.books = self.bench.books
        self.fd = open_root(yard.ground)
        self.tree = Tree(str(yard.root), self.fd)
        self.draft = Draft(self.bench.now_ns, Rule(older_than_seconds=86_400, remove_symlinks=True), list_kept=9)
        self.steps = Walk(self.tree, self.draft, self.books).steps()

    def scan(self) -> "Scanned":
        for _ in self.steps:
            pass
        self.plan = self.draft.finish()
        return self

    def apply(self, *, pause: Callable[[], None] = lambda: None, **options: Any) -> dict[str, int]:
        """Carry the plan out, with a pause after every batch."""
        for _ in Removal(self.bench, self.tree, **options).steps(self.plan):
            pause()
        os.close(self.fd)
        return {reason.value: count for reason, count in self.books.kept.items()}


def test_a_file_that_was_replaced_is_left_alone(yard: Any) -> None:
    path = yard.file("a")
    scanned = Scanned(yard).scan()
    other = yard.root / "b"
    other.write_text("0123456789")
    other.rename(path)
    assert scanned.apply() == {"changed": 1}
    assert path.exists()


def test_a_file_that_was_written_is_left_alone(yard: Any) -> None:
    path = yard.file("a")
    scanned = Scanned(yard).scan()
    path.write_text("something else")
    assert scanned.apply() == {"changed": 1}


def test_a_file_that_was_linked_meanwhile_is_left_alone(yard: Any) -> None:
    path = yard.file("a")
    scanned = Scanned(yard).scan()
    os.link(path, yard.root / "b")
    assert scanned.apply() == {"changed": 1}


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_something_else_in_the_place_of_a_file_is_left_alone_and_not_opened(yard: Any, kind: str) -> None:
    path = yard.file("a")
    scanned = Scanned(yard).scan()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(yard.outside / "precious")
    else:
        path.mkdir()
    assert scanned.apply() == {"changed": 1}
    assert os.path.lexists(path)


def test_a_link_in_the_place_of_a_directory_leads_nowhere(yard: Any) -> None:
    yard.file("x/precious", "keep me")
    scanned = Scanned(yard).scan()
    (yard.root / "x").rename(yard.root / "y")
    (yard.root / "x").symlink_to(yard.outside)
    assert scanned.apply() == {"changed": 2}
    assert (yard.root / "y" / "precious").exists()


def test_a_directory_that_was_moved_out_is_left_alone(yard: Any, tmp_path: Path) -> None:
    yard.file("x/y/a")
    scanned = Scanned(yard).scan()
    away = tmp_path / "away"
    (yard.root / "x").rename(away)
    scanned.apply()
    assert (away / "y" / "a").exists()
    assert scanned.books.kept == {Keep.CHANGED: 3}


def test_a_directory_that_is_moved_out_while_it_is_swept_loses_nothing_more(yard: Any, tmp_path: Path) -> None:
    for n in range(70):
        yard.file(f"x/y/f{n}")
    yard.file("x/z/a")
    scanned = Scanned(yard).scan()
    away = tmp_path / "away"

    def move_after_the_first_batch() -> None:
        if not away.exists():
            (yard.root / "x").rename(away)

    scanned.apply(pause=move_after_the_first_batch)
    assert scanned.books.removed == 64
    assert len([p for p in away.rglob("*") if p.is_file()]) == 7


def test_a_directory_that_is_moved_while_it_is_scanned_does_not_lead_the_scan_astray(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `..` is another directory now: the scan goes back to the root and finds the way by names."""
    yard.file("x/y/one/a")
    yard.file("x/y/two/a")
    monkeypatch.setattr("aura_actors.cleaners.walk.LOOKS", 1)
    scanned = Scanned(yard)
    moved = yard.root / "moved"
    for _ in scanned.steps:
        if len(scanned.tree.places) == 4 and not moved.exists():
            (yard.root / "x" / "y" / scanned.tree.places[3].name).rename(moved)
    scanned.scan()
    assert (len(scanned.plan.remove), len(scanned.plan.directories), scanned.plan.keep) == (2, 4, ())
    assert scanned.apply() == {"changed": 2}
    assert yard.names() == {"moved", "moved/a"}


def test_a_folder_that_is_another_one_by_now_is_not_taken_for_what_is_above_it(yard: Any) -> None:
    yard.file("a")
    (yard.root / "project").mkdir()
    scanned = Scanned(yard)
    scanned.tree.places.append(Place(parent=0, depth=1, name="project", device=scanned.tree.device, inode=1))
    for _ in Walk(scanned.tree, scanned.draft, scanned.books).steps(1):
        pass
    scanned.plan = scanned.draft.finish()
    assert (scanned.plan.remove, scanned.plan.kept) == ((), {Keep.CHANGED: 1})
    scanned.apply()


def test_a_large_folder_is_looked_at_in_small_steps(yard: Any) -> None:
    """So that a stop is heard in the middle of it, and new pins arrive."""
    for number in range(1_000):
        yard.file(f"{number}")
    scanned = Scanned(yard)
    seen = [0, *(scanned.books.scanned for _ in scanned.steps)]
    assert max(after - before for before, after in itertools.pairwise(seen)) <= LOOKS
    scanned.scan().apply()


def test_a_directory_that_got_a_new_file_is_not_removed(yard: Any) -> None:
    (yard.root / "x").mkdir()
    scanned = Scanned(yard).scan()
    yard.file("x/new").unlink()  # came and went: somebody works here
    assert scanned.apply() == {"changed": 1}
    yard.file("y/a")
    scanned = Scanned(yard).scan()
    yard.file("y/new")
    assert scanned.apply()["not-empty"] == 1
    assert yard.names() == {"y", "y/new"}


def test_a_directory_on_another_mount_of_the_same_file_system_is_not_entered(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bind mount has the device number of its source; only the mount's id differs."""
    yard.file("bound/a")
    bound = (yard.root / "bound").stat().st_ino
    monkeypatch.setattr(cursor_module, "mount_id", lambda fd: 2 if os.fstat(fd).st_ino == bound else 1)
    assert yard.sweep().kept == {"other-filesystem": 1}
    assert yard.names() == {"bound", "bound/a"}


def test_entries_of_another_file_system_are_kept_and_not_entered(yard: Any) -> None:
    yard.file("x/a")
    yard.file("b")
    scanned = Scanned(yard)
    scanned.tree.places[0] = msgspec.structs.replace(scanned.tree.places[0], device=1)
    scanned.scan()
    os.close(scanned.fd)
    assert {k.name: k.reason for k in scanned.plan.keep} == {
        "x": Keep.OTHER_FILESYSTEM,
        "b": Keep.OTHER_FILESYSTEM,
    }


def test_the_kernel_tells_mounts_apart(tmp_path: Path) -> None:
    here, proc = os.open(tmp_path, os.O_RDONLY), os.open("/proc", os.O_RDONLY)
    ids = cursor_module.mount_id(here), cursor_module.mount_id(proc)
    os.close(here)
    os.close(proc)
    assert None not in ids
    assert ids[0] != ids[1]


# --- where the kernel grants no lease ---


@pytest.fixture
def no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aura_actors.cleaners.hold.lease", lambda fd: "unknown")


@pytest.mark.usefixtures("no_leases")
def test_without_leases_the_map_of_processes_decides(yard: Any) -> None:
    held, _ = yard.file("held"), yard.file("free")
    status = held.stat()
    scanned = Scanned(yard).scan()
    seen = OpenFiles(frozenset({(status.st_dev, status.st_ino)}), frozenset(), complete=True)
    assert scanned.apply(read_processes=lambda: seen) == {"in-use": 1}
    assert yard.names() == {"held"}


@pytest.mark.usefixtures("no_leases")
def test_without_leases_what_cannot_be_known_stays(yard: Any) -> None:
    yard.file("a")
    blind = OpenFiles(frozenset(), frozenset(), complete=False)
    assert Scanned(yard).scan().apply(read_processes=lambda: blind) == {"unknown-use": 1}


@pytest.mark.usefixtures("no_leases")
def test_processes_are_looked_at_once_in_a_pass(yard: Any) -> None:
    for n in range(5):
        yard.file(f"f{n}")
    looked: list[int] = []

    def look() -> OpenFiles:
        looked.append(1)
        return OpenFiles(frozenset(), frozenset(), complete=True)

    assert Scanned(yard).scan().apply(read_processes=look) == {}
    assert len(looked) == 1


def test_the_map_of_processes_knows_what_this_one_holds(yard: Any) -> None:
    path = yard.file("a")
    status = path.stat()
    with path.open():
        assert read_open_files().ask(status.st_dev, status.st_ino) == "in-use"
    assert read_open_files().ask(status.st_dev, status.st_ino) in ("free", "unknown")


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert read_open_files(str(tmp_path / "none")).ask(1, 1) == "unknown"


# --- roots ---


def test_a_root_is_made_and_marked_once(yard: Any) -> None:
    again = prepare_root(str(yard.root), yard.ground.identity, keep_out=str(yard.data_dir))
    assert again == yard.ground.identity
    assert prepare_root(str(yard.root), None, keep_out=str(yard.data_dir)) == again


def test_a_replaced_root_is_declined_and_untouched(yard: Any) -> None:
    yard.root.rename(yard.data_dir / "before")
    yard.root.mkdir()
    yard.file("a")
    for marked in (False, True):
        if marked:
            shutil.copy(yard.data_dir / "before" / ".aura-root", yard.root)
        swept = yard.sweep()
        assert (swept.outcome, swept.removed) == ("declined", 0)
        with pytest.raises(Declined):
            prepare_root(str(yard.root), yard.ground.identity, keep_out=str(yard.data_dir))
    assert (yard.root / "a").exists()


def test_a_root_without_its_sentinel_is_declined(yard: Any) -> None:
    """What is below a mount point when the disk is gone."""
    yard.file("a")
    (yard.root / ".aura-root").unlink()
    assert ".aura-root" in str(yard.sweep().detail)
    assert yard.names() == {"a"}


def test_a_missing_root_is_not_made_again_behind_a_record(yard: Any) -> None:
    shutil.rmtree(yard.root)
    with pytest.raises(Declined, match="missing"):
        prepare_root(str(yard.root), yard.ground.identity, keep_out=str(yard.data_dir))
    assert not yard.root.exists()


def test_a_person_can_accept_a_new_folder_with_an_empty_sentinel(yard: Any) -> None:
    yard.root.rename(yard.data_dir / "before")  # not removed, so that its inode number is not used again
    yard.root.mkdir()
    (yard.root / ".aura-root").touch()
    assert yard.sweep().outcome == "declined"
    accepted = prepare_root(str(yard.root), yard.ground.identity, keep_out=str(yard.data_dir))
    assert accepted.inode == yard.root.stat().st_ino
    assert (yard.root / ".aura-root").stat().st_size > 0


def test_a_device_that_got_another_number_at_boot_is_still_the_same_root(yard: Any) -> None:
    found = yard.ground.identity
    recorded = RootIdentity(found.device + 1, found.inode, found.sentinel_inode)
    assert prepare_root(str(yard.root), recorded, keep_out=str(yard.data_dir)) == found


@pytest.mark.parametrize("root", ["/", "data", "."])
def test_a_root_that_contains_the_programs_own_data_is_declined(yard: Any, tmp_path: Path, root: str) -> None:
    with pytest.raises(Declined, match="own data"):
        prepare_root(str(tmp_path / root), None, keep_out=str(yard.data_dir))


def test_the_file_systems_time_is_read_without_leaving_anything(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mtime_ns
    first = filesystem_now_ns(str(tmp_path))
    assert filesystem_now_ns(str(tmp_path)) >= first > before - 1_000_000_000
    assert list(tmp_path.iterdir()) == []
