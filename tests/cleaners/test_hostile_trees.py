"""Whatever is put into a root, or swapped in it while it is swept: nothing outside of it is touched.

What a single file or folder may turn into between plan and execution is in `test_identity`; disks that refuse are
in `tests/kill_points`.
"""

import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Progress, Sweep, Swept, TempFiles, cursor, removal, renaming

ROOT = Path(__file__).resolve().parents[2]


class Swap:
    """Puts a link to the outside, where everything has a namesake, in the place of a folder, once."""

    def __init__(self, yard: Any, elsewhere: Path) -> None:
        self.yard = yard
        self.elsewhere = elsewhere
        self.done = False
        elsewhere.mkdir()
        for n in range(130):
            yard.file(f"x/precious{n}")
            (elsewhere / f"precious{n}").write_text("0123456789")
        self.before = self.picture()

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            (self.yard.root / "x").rename(self.yard.root / "y")
            (self.yard.root / "x").symlink_to(self.elsewhere)

    def ahead_of(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with the swap right before it."""

        def wrapper(*args: Any) -> Any:
            self()
            return call(*args)

        return wrapper

    def check(self, swept: Swept) -> None:
        """The outside is as it was; what was swept is in the folder, whatever its name is now, or in quarantine."""
        assert self.done
        assert swept.outcome == "done"
        assert self.picture() == self.before
        assert len(list((self.yard.root / "y").iterdir())) + self.yard.quarantined() == 130

    def picture(self) -> dict[str, tuple[int, int, str]]:
        return {p.name: (p.stat().st_ino, p.stat().st_ctime_ns, p.read_text()) for p in self.elsewhere.iterdir()}


@pytest.fixture
def swap(yard: Any, tmp_path: Path) -> Swap:
    return Swap(yard, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "barrier",
    [
        ("aura_actors.cleaners.cursor.Cursor", "go"),
        ("aura_actors.cleaners.removal.Removal", "_take"),
        ("aura_actors.stores.quarantine.QuarantineStore", "intend"),
        ("aura_actors.cleaners.removal", "take_hold"),
        ("aura_actors.cleaners.removal", "move_away"),
        ("aura_actors.cleaners.removal.Removal", "_remove_directory"),
    ],
    ids=lambda barrier: barrier[1],
)
def test_a_link_to_the_outside_that_is_swapped_in_leads_nowhere(
    yard: Any, swap: Swap, barrier: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The barrier stands before each step of a sweep in turn."""
    place, name = barrier
    owner = pkgutil.resolve_name(place)
    monkeypatch.setattr(owner, name, swap.ahead_of(getattr(owner, name)))
    swap.check(yard.sweep())


def test_a_link_to_the_outside_that_is_swapped_in_between_batches_leads_nowhere(yard: Any, swap: Swap) -> None:
    run = Sweep(TempFiles(), yard.bench())
    while isinstance(answer := run.step(0), Progress):
        if answer.removed:
            swap()
    swap.check(answer)


def test_links_to_the_system_stay_links(yard: Any) -> None:
    for target in ("/etc", "/etc/passwd", "/proc/self", ".", "..", "loop"):
        (yard.root / f"to{target.replace('/', '-')}").symlink_to(target)
    (yard.root / "loop").symlink_to("loop")
    before = Path("/etc/passwd").stat()
    assert yard.sweep().kept == {"symlink": 7}
    assert yard.sweep(remove_symlinks=True).removed == 7
    assert Path("/etc/passwd").stat() == before


def test_devices_stay(yard: Any) -> None:
    try:
        os.mknod(yard.root / "null", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root may make a device")
    assert yard.sweep().kept == {"special": 1}


@pytest.mark.parametrize("user", ["unreadable", "unwritable"])
def test_a_folder_that_may_not_be_used_is_a_failure_and_the_rest_goes_on(
    yard: Any, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an ordinary user sees it: root may do everything, so the refusal is made up for it."""
    yard.file("closed/a")
    yard.file("open/b")
    closed = yard.root / "closed"
    closed.chmod(0o000 if user == "unreadable" else 0o500)
    if os.geteuid() == 0:
        refuse(monkeypatch, closed.stat().st_ino, user)
    swept = yard.sweep()
    closed.chmod(0o700)
    assert swept.outcome == "done"
    place = closed if user == "unreadable" else closed / "a"
    assert swept.failures == {str(place): "Permission denied"}
    assert swept.kept[{"unreadable": "unreadable", "unwritable": "failed"}[user]] == 1
    assert "open" not in yard.names()
    assert (closed / "a").exists()


def refuse(monkeypatch: pytest.MonkeyPatch, inode: int, user: str) -> None:
    open_directory = cursor.open_directory

    def refused_open(name: str, *, dir_fd: int | None = None) -> int:
        if name == "closed":
            raise PermissionError(13, "Permission denied")
        return open_directory(name, dir_fd=dir_fd)

    def refused_move(name: str, from_fd: int, new_name: str, to_fd: int) -> None:
        if os.fstat(from_fd).st_ino == inode:
            raise PermissionError(13, "Permission denied")
        renaming.move_away(name, from_fd, new_name, to_fd)

    if user == "unreadable":
        monkeypatch.setattr(cursor, "open_directory", refused_open)
    else:
        monkeypatch.setattr(removal, "move_away", refused_move)


# --- what only somebody who may mount can make; in a private namespace of its own ---


def in_namespace(case: str, place: Path) -> dict[str, Any]:
    """What `mounts` says of a case. Skips where this user may not mount anything."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed (Debian package util-linux)")
    wrapper = [unshare, "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        wrapper.append("--map-root-user")
    if subprocess.run(
        [*wrapper, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount anything, not even in a namespace of its own")
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "tests.cleaners.mounts", case, str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_bind_mounts_and_other_file_systems_are_not_entered(tmp_path: Path) -> None:
    told = in_namespace("mounts", tmp_path)
    assert told["swept"]["kept"] == {"other-filesystem": 3, "not-empty": 1}
    assert told["swept"]["removed"] == 2  # `a`, and `folder/b` beside a mount
    assert told["outside"] == ["precious"]


def test_a_file_that_is_bound_over_another_stays(tmp_path: Path) -> None:
    told = in_namespace("file", tmp_path)
    assert told["swept"]["removed"] == 1
    assert sum(told["swept"]["kept"].values()) == 1
    assert told["outside"] == ["precious"]


def test_a_read_only_file_system_fails_the_run_with_a_sentence(tmp_path: Path) -> None:
    told = in_namespace("read-only", tmp_path)
    assert told["swept"]["outcome"] == "failed"
    assert "Read-only file system" in told["swept"]["detail"]
    assert told["names"] == ["a"]


def test_a_mount_in_place_of_the_quarantine_declines_the_run(tmp_path: Path) -> None:
    told = in_namespace("quarantine", tmp_path)
    assert told["swept"]["outcome"] == "declined"
    assert "another file system" in told["swept"]["detail"]
    assert told["names"] == ["a"]


def test_on_layered_file_systems_files_go_and_come_back_as_elsewhere(tmp_path: Path) -> None:
    told = in_namespace("overlaid", tmp_path)
    assert (told["swept"]["outcome"], told["swept"]["restored"], told["swept"]["failures"]) == ("done", 3, {})


@pytest.mark.parametrize("case", ["no-block-left", "kept-full", "raced"])
def test_on_a_disk_without_a_free_block_room_is_made_all_the_same(tmp_path: Path, case: str) -> None:
    """The journal has a reserve for it, which only a run gives up, and not all of it at once."""
    told = in_namespace(case, tmp_path)
    assert (told["swept"]["outcome"], told["swept"]["removed"], told["swept"]["failures"]) == ("done", 1, {})
    assert told["names"] == []


def test_a_disk_that_is_full_moves_nothing_and_says_so(tmp_path: Path) -> None:
    """The root's disk has no inode left for the quarantine's folders."""
    told = in_namespace("full", tmp_path)
    assert told["swept"]["outcome"] == "failed"
    assert "No space left on device" in told["swept"]["detail"]
    assert "a" in told["names"]
