"""What was taken lies in quarantine, comes back when the run is undone, and goes for good when its time is over."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Declined, Purge, TempFiles, Undo, recover, removal, renaming
from aura_actors.cleaners.removal import Removal
from aura_actors.domain.pins import Pins
from tests.effort import effort

LEVELS = effort("AURA_LEVELS", desk=3_000, ci=10_000)


def take(yard: Any, **fields: Any) -> str:
    """One run over everything; its id."""
    bench = yard.bench(**fields)
    swept = yard.run(TempFiles(remove_symlinks=True), run_id=bench.run_id)
    assert swept.outcome == "done"
    return str(bench.run_id)


def test_what_goes_lies_in_quarantine_and_is_counted_as_such(yard: Any) -> None:
    yard.file("x/a")
    swept = yard.sweep()
    assert (swept.removed, swept.quarantined) == (2, 2)  # the file and its folder
    assert swept.freed_bytes == swept.quarantined_bytes == 10
    assert yard.quarantined() == 1
    assert yard.names() == set()


def test_undo_brings_everything_back_with_its_folders_and_their_modes(yard: Any) -> None:
    for name in ("a", "x/b", "x/y/c"):
        yard.file(name, content=name)
    (yard.root / "x" / "y").chmod(0o750)
    (yard.root / "empty").mkdir(mode=0o711)
    (yard.root / "link").symlink_to("a")
    before = yard.names()
    run_id = take(yard)
    assert yard.names() == set()
    swept = yard.run(Undo(run_id))
    assert (swept.outcome, swept.restored, swept.kept) == ("done", 7, {})
    assert yard.names() == before
    assert (yard.root / "x" / "y" / "c").read_text() == "x/y/c"
    assert stat.S_IMODE((yard.root / "x" / "y").stat().st_mode) == 0o750
    assert not (yard.root / ".aura-trash").exists()


def test_undo_overwrites_nothing(yard: Any) -> None:
    for name in ("a", "b", "x/c"):
        yard.file(name, content="old")
    run_id = take(yard)
    yard.file("a", content="new")
    (yard.root / "x").symlink_to(yard.outside)
    swept = yard.run(Undo(run_id))
    assert (swept.restored, swept.kept) == (1, {"origin-taken": 3})  # a, x/c, and x itself
    assert swept.failures[f"{yard.root}/a"] == "something else is there now"
    assert (yard.root / "a").read_text() == "new"
    assert (yard.root / "b").read_text() == "old"
    (yard.root / "a").unlink()
    (yard.root / "x").unlink()
    assert yard.run(Undo(run_id)).restored == 3
    assert (yard.root / "x" / "c").read_text() == "old"


def test_what_somebody_took_out_of_quarantine_is_missed(yard: Any) -> None:
    yard.file("a")
    run_id = take(yard)
    shutil.rmtree(yard.root / ".aura-trash")
    swept = yard.run(Undo(run_id))
    assert swept.failures == {f"{yard.root}/a": "it is no longer in quarantine"}
    assert yard.run(Undo(run_id)).outcome == "declined"


def test_a_run_of_which_nothing_lies_in_quarantine_cannot_be_undone(yard: Any) -> None:
    swept = yard.run(Undo("never"))
    assert (swept.outcome, swept.detail) == ("declined", "nothing of run never is left to be put back")


def test_quarantine_ends_with_the_time_of_grace(yard: Any) -> None:
    yard.file("a")
    run_id = take(yard)
    assert yard.run(Purge(), hours=48 + 23).removed == 0
    swept = yard.run(Purge(), hours=48 + 25)
    assert (swept.removed, swept.freed_bytes) == (1, 10)
    assert not (yard.root / ".aura-trash").exists()
    assert yard.run(Undo(run_id)).outcome == "declined"


def test_a_full_disk_ends_the_time_of_grace(yard: Any) -> None:
    yard.file("a")
    take(yard)
    assert yard.run(Purge(), urgent=True).removed == 1


def test_quarantine_of_the_future_is_counted_from_now(yard: Any) -> None:
    """The clock had been wrong when it went there."""
    yard.file("a")
    yard.run(TempFiles(), hours=10_000)
    assert yard.run(Purge(), hours=48).removed == 0
    assert yard.run(Purge(), hours=48 + 25).removed == 1


def test_what_is_open_in_quarantine_stays_until_it_is_closed(yard: Any) -> None:
    yard.file("a")
    take(yard)
    (lying,) = yard.root.glob(".aura-trash/*/*")
    with lying.open():
        assert yard.run(Purge(), urgent=True).kept == {"in-use": 1}
    assert yard.run(Purge(), urgent=True).removed == 1


def test_what_was_written_to_in_quarantine_goes_back(yard: Any) -> None:
    """Somebody had it open all along, unseen: it is theirs."""
    yard.file("x/a")
    take(yard)
    (lying,) = yard.root.glob(".aura-trash/*/*")
    lying.write_text("written")
    swept = yard.run(Purge(), urgent=True)
    assert (swept.kept, swept.restored) == ({"changed": 1}, 1)
    assert swept.failures == {f"{yard.root}/x/a": "it was written to while it lay in quarantine, and went back"}
    assert (yard.root / "x" / "a").read_text() == "written"


def test_a_pin_on_a_place_keeps_what_came_from_there(yard: Any) -> None:
    yard.file("x/a")
    yard.file("b")
    take(yard)
    swept = yard.run(Purge(), urgent=True, pins=Pins([str(yard.root / "x")]))
    assert swept.kept == {"pinned": 2}
    assert yard.quarantined() == 1


def test_a_root_that_is_gone_keeps_its_quarantine_for_the_day_it_is_back(yard: Any) -> None:
    yard.file("a")
    run_id = take(yard)
    away = yard.data_dir / "away"
    yard.root.rename(away)
    swept = yard.run(Purge(), urgent=True)
    assert (swept.outcome, swept.removed) == ("done", 0)
    assert "missing" in swept.failures[str(yard.root)]
    assert yard.run(Undo(run_id)).outcome == "declined"
    away.rename(yard.root)
    assert yard.run(Undo(run_id)).restored == 1


@pytest.mark.parametrize("what", ["a link", "a file", "wide open"])
def test_a_quarantine_that_is_not_this_programs_declines_the_run(yard: Any, what: str) -> None:
    yard.file("a")
    trash = yard.root / ".aura-trash"
    if what == "a link":
        trash.symlink_to(yard.outside)
    elif what == "a file":
        trash.touch()
    else:
        trash.mkdir()
        trash.chmod(0o777)
    swept = yard.sweep()
    assert (swept.outcome, swept.removed) == ("declined", 0)
    assert ".aura-trash" in str(swept.detail)
    assert "a" in yard.names()


def test_what_is_opened_while_it_is_renamed_goes_back(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody had found it by its name just before, and waits for the lease."""
    yard.file("a")
    yard.file("b")
    monkeypatch.setattr("aura_actors.cleaners.hold.lease_is_whole", lambda fd: False)
    swept = yard.sweep()
    assert (swept.removed, swept.kept, swept.failures) == (0, {"in-use": 2}, {})
    assert yard.names() == {"a", "b"}
    assert yard.quarantined() == 0


def test_what_cannot_go_back_is_said_to_be_in_quarantine(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = yard.file("a")

    def somebody_takes_its_name(fd: int) -> bool:
        path.write_text("new")
        return False

    monkeypatch.setattr("aura_actors.cleaners.hold.lease_is_whole", somebody_takes_its_name)
    bench = yard.bench()
    swept = yard.run(TempFiles(), run_id=bench.run_id)
    assert (swept.removed, swept.quarantined) == (1, 1)
    assert "lies in quarantine now: File exists" in swept.failures[str(path)]
    monkeypatch.undo()
    path.unlink()
    assert yard.run(Undo(bench.run_id)).restored == 1
    assert path.read_text() == "0123456789"


def test_a_file_that_is_swapped_at_the_last_moment_goes_back(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look and the rename: what was moved is not what was meant, so it is put back."""
    path = yard.file("a")
    other = yard.data_dir / "other"
    other.write_text("precious")
    move = Removal._look_again

    def swapped(removal: Any, hold: Any) -> Any:
        (lying,) = yard.root.glob(".aura-trash/*/*")
        lying.rename(yard.data_dir / "the real one")
        other.rename(lying)
        return move(removal, hold)

    monkeypatch.setattr(Removal, "_look_again", swapped)
    assert yard.sweep().kept == {"changed": 1}
    assert path.read_text() == "precious"


def test_what_replaces_a_file_while_it_is_moved_stays_where_renameat2_is_not_known(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On some network file systems nothing but a link tells whether a name is taken."""
    path = yard.file("a")
    link = os.link

    def link_and_replace(name: str, new_name: str, **folders: Any) -> None:
        link(name, new_name, **folders)
        if name == "a":
            (yard.root / "new").write_text("precious")
            (yard.root / "new").rename(path)

    monkeypatch.setattr(renaming, "_RENAMEAT2", None)
    monkeypatch.setattr(os, "link", link_and_replace)
    assert yard.sweep().kept == {"changed": 1}
    assert path.read_text() == "precious"
    assert yard.quarantined() == 0


def test_where_nothing_could_go_back_nothing_leaves(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with neither renameat2 nor links."""
    path = yard.file("a")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(renaming, "_RENAMEAT2", None)
    monkeypatch.setattr(os, "link", refuse)
    swept = yard.sweep()
    assert (swept.kept, swept.failures) == ({"failed": 1}, {str(path): "Operation not permitted"})
    assert yard.names() == {"a"}


def test_an_undo_does_not_wait_for_who_has_the_folder_locked(yard: Any) -> None:
    yard.file("a")
    run_id = take(yard)
    fd = os.open(yard.root, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        swept = yard.run(Undo(run_id))
    finally:
        os.close(fd)
    assert (swept.outcome, swept.detail) == ("declined", f"{yard.root} is locked by another program")
    assert yard.run(Undo(run_id)).restored == 1


def test_where_a_rename_is_one_across_devices_everything_stays_where_it_is(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some file systems say between folders of different quotas, keys or layers."""
    path = yard.file("a")
    run_id = take(yard)
    other = yard.file("b")
    monkeypatch.setattr(renaming, "_rename_no_replace", lambda *_: errno.EXDEV)
    swept = yard.sweep()
    assert (swept.kept, swept.failures) == ({"failed": 1}, {str(other): "Invalid cross-device link"})
    assert (yard.names(), yard.quarantined()) == ({"b"}, 1)
    back = yard.run(Undo(run_id))
    assert (back.restored, back.failures) == (0, {str(path): "Invalid cross-device link"})
    assert yard.quarantined() == 1
    monkeypatch.undo()
    assert yard.run(Undo(run_id)).restored == 1
    assert yard.names() == {"a", "b"}


def test_a_disk_that_breaks_right_after_a_move_loses_no_record(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be looked at, and cannot go back: it stays on record."""
    yard.file("a")
    real_stat = os.stat

    def broken_stat(path: Any, *args: Any, **fields: Any) -> os.stat_result:
        if str(path).isdigit():
            raise OSError(5, "Input/output error")
        return real_stat(path, *args, **fields)

    def broken_move(name: str, from_fd: int, new_name: str, to_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "stat", broken_stat)
    monkeypatch.setattr(removal, "move_back", broken_move)
    bench = yard.bench()
    swept = yard.run(TempFiles(), run_id=bench.run_id)
    monkeypatch.undo()
    assert (swept.removed, swept.quarantined) == (1, 1)
    assert "lies in quarantine now: Input/output error" in swept.failures[f"{yard.root}/a"]
    assert yard.run(Undo(bench.run_id)).restored == 1


def test_recovery_leaves_what_nobody_has_on_record_and_says_so(yard: Any) -> None:
    lost = yard.root / ".aura-trash" / "some-run" / "7"
    lost.parent.mkdir(parents=True)
    (yard.root / ".aura-trash").chmod(0o700)
    lost.write_text("whose?")
    (yard.root / ".aura-trash" / "empty-run").mkdir()
    recovered = recover(yard.journal, {yard.ground.path: yard.ground}, yard.later_ns())
    assert list(recovered.failures) == [str(lost.parent)]
    assert lost.read_text() == "whose?"
    assert not (yard.root / ".aura-trash" / "empty-run").exists()


def test_recovery_of_a_root_that_is_not_recognised_waits(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.file("a")
    steps = TempFiles().work(yard.bench())
    monkeypatch.setattr(type(yard.journal), "settle", lambda *_, **__: (_ for _ in ()).throw(Declined("died")))
    with pytest.raises(Declined):
        list(steps)
    monkeypatch.undo()
    assert yard.names() == set()
    assert "recognised" in recover(yard.journal, {}, 0).failures[str(yard.root)]
    recovered = recover(yard.journal, {yard.ground.path: yard.ground}, 0)
    assert (dict(recovered.settled), recovered.failures) == ({"forgotten": 1}, {})
    assert yard.names() == {"a"}


def test_folders_of_thousands_of_levels_come_back(yard_in_memory: Any) -> None:
    """The journal grows with the number of folders, not with the length of their paths."""
    yard = yard_in_memory
    fd = os.open(yard.root, os.O_RDONLY)
    for level in range(LEVELS):
        os.mkdir("deeper", dir_fd=fd)
        below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        if level % 1_000 == 0:
            os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(fd)
        fd = below
    os.close(fd)
    run_id = take(yard)
    assert {p.name for p in yard.root.iterdir()} == {".aura-root", ".aura-trash"}
    assert Path(yard.data_dir / "quarantine.db-wal").stat().st_size < 4_000 * LEVELS
    assert yard.run(Undo(run_id)).restored == LEVELS + LEVELS // 1_000
    subprocess.run(["rm", "-rf", yard.root], check=True)
