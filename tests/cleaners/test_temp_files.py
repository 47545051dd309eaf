"""The temp-file task on hostile trees. The fixture compares everything outside the root at each test's end."""

import fcntl
import mmap
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Progress, Sweep, TempFiles, cursor, sweep


def test_old_files_and_the_directories_they_leave_empty_go(yard: Any) -> None:
    yard.file("a")
    yard.file("x/y/z")
    (yard.root / "empty").mkdir()
    swept = yard.sweep()
    assert yard.names() == set()
    assert yard.root.is_dir()
    assert (yard.root / ".aura-root").exists()
    assert (swept.outcome, swept.removed, swept.kept, swept.failures) == ("done", 5, {}, {})
    assert swept.freed_bytes == 20
    assert swept.freed_allocated_bytes >= 8_192


def test_young_files_stay(yard: Any) -> None:
    yard.file("x/a")
    assert yard.sweep(hours=23).kept == {"young": 1, "not-empty": 1}
    assert yard.names() == {"x", "x/a"}


def test_an_old_modification_time_with_a_new_change_time_is_young(yard: Any) -> None:
    """What `cp -p` and unpacking leave: an old stamp on a file that has just come."""
    os.utime(yard.file("copied"), (0, 0))
    assert yard.sweep(hours=1).kept == {"young": 1}


def test_a_future_stamp_is_kept_and_reported(yard: Any) -> None:
    path = yard.file("odd")
    ahead = yard.later_ns(100)
    os.utime(path, ns=(ahead, ahead))
    assert yard.sweep().kept == {"future": 1}


def test_links_are_not_followed_and_stay(yard: Any) -> None:
    (yard.root / "out").symlink_to(yard.outside)
    (yard.root / "etc").symlink_to("/etc")
    (yard.root / "loop").symlink_to(".")
    (yard.root / "broken").symlink_to("nowhere")
    assert yard.sweep().kept == {"symlink": 4}


def test_links_go_as_links_when_the_task_says_so(yard: Any) -> None:
    (yard.root / "out").symlink_to(yard.outside / "precious")
    (yard.root / "dir").symlink_to(yard.outside)
    assert yard.sweep(remove_symlinks=True).removed == 2
    assert yard.names() == set()


def test_hard_linked_files_stay_and_are_reported(yard: Any) -> None:
    os.link(yard.outside / "precious", yard.root / "linked")
    assert yard.sweep().kept == {"hard-linked": 1}
    (yard.root / "linked").unlink()


def test_fifos_sockets_and_devices_stay_and_are_not_opened(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a FIFO without a writer would wait for ever."""
    os.mkfifo(yard.root / "fifo")
    monkeypatch.chdir(yard.root)  # the path of a socket is short, so bind a relative one
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert yard.sweep().kept == {"special": 2}


def test_names_with_newlines_and_bytes_that_are_no_text_are_swept(yard: Any) -> None:
    for name in (b"new\nline", b"\xff\xfe", b" ", b"-rf", b"dir\n"):
        (yard.root / os.fsdecode(name)).write_text("x")
    assert yard.sweep().removed == 5
    assert yard.names() == set()


def test_a_failure_at_a_name_that_is_no_text_is_printable(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (yard.root / os.fsdecode(b"\xff\n")).write_text("x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("aura_actors.cleaners.removal.move_away", refuse)
    swept = yard.sweep()
    assert swept.failures == {f"{yard.root}/\\xff\\n": "Operation not permitted"}
    assert swept.kept == {"failed": 1}


def make_deep(root: Path, depth: int) -> None:
    fd = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=fd)
        below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def test_a_tree_of_three_thousand_levels_needs_neither_recursion_nor_descriptors(yard: Any) -> None:
    make_deep(yard.root, 3_000)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, limits[1]))
    try:
        swept = yard.sweep()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (swept.removed, swept.kept, swept.failures) == (3_001, {}, {})
    assert yard.names() == set()


def test_a_wide_tree_with_deep_branches_is_walked_back_and_forth(yard: Any) -> None:
    for branch in range(5):
        for leaf in range(5):
            yard.file(f"b{branch}/c/d{leaf}/e/f")
    assert yard.sweep().removed == 25 + 5 + 5 + 25 + 25
    assert yard.names() == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_an_unreadable_directory_is_a_failure_and_the_rest_goes_on(yard: Any) -> None:
    yard.file("closed/a")
    yard.file("open/b")
    (yard.root / "closed").chmod(0)
    swept = yard.sweep()
    (yard.root / "closed").chmod(0o700)
    assert swept.failures == {f"{yard.root}/closed": "Permission denied"}
    assert yard.names() == {"closed", "closed/a"}


def test_a_directory_that_cannot_be_opened_is_a_failure_and_the_rest_goes_on(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the test above, for root too."""
    yard.file("closed/a")
    yard.file("open/b")
    real = cursor.open_directory

    def refuse(name: str, *, dir_fd: int | None = None) -> int:
        if name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(name, dir_fd=dir_fd)

    monkeypatch.setattr(cursor, "open_directory", refuse)
    swept = yard.sweep()
    assert swept.failures == {f"{yard.root}/closed": "Permission denied"}
    assert swept.kept == {"unreadable": 1}
    assert yard.names() == {"closed", "closed/a"}


def test_a_file_that_another_process_has_open_stays(yard: Any) -> None:
    path = yard.file("held")
    yard.file("free")
    script = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert yard.sweep().kept == {"in-use": 1}
        holder.communicate()
    assert yard.names() == {"held"}
    assert yard.sweep().removed == 1


def test_a_file_that_this_process_has_open_or_mapped_stays(yard: Any) -> None:
    opened, mapped = yard.file("opened"), yard.file("mapped")
    with mapped.open("rb") as file:
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with opened.open("rb"):
        assert yard.sweep().kept == {"in-use": 2}
    view.close()


def test_an_exclusively_locked_directory_and_all_below_it_stay(yard: Any) -> None:
    yard.file("job/deep/a")
    yard.file("other/a")
    fd = os.open(yard.root / "job", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert yard.sweep(dry_run=True).kept == {"locked": 1}
    assert yard.sweep().kept == {"locked": 1}
    os.close(fd)
    assert yard.names() == {"job", "job/deep", "job/deep/a"}
    assert yard.sweep().removed == 3


def test_a_locked_root_declines_the_pass(yard: Any) -> None:
    yard.file("a")
    fd = os.open(yard.root, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    swept = yard.sweep()
    os.close(fd)
    assert swept.outcome == "declined"
    assert yard.names() == {"a"}


def test_an_empty_directory_that_somebody_works_in_stays(yard: Any) -> None:
    (yard.root / "cwd").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('here', flush=True); sys.stdin.read()"],
        cwd=yard.root / "cwd",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"here\n"
        assert yard.sweep().kept == {"in-use": 1}
        worker.communicate()


def test_excluded_names_and_paths_stay_with_everything_below(yard: Any) -> None:
    for name in ("keep.me", "a/keep.me", "a/b", "cache/x", "deep/cache/x"):
        yard.file(name)
    swept = yard.sweep(exclude=("*.me", "/cache/"))
    assert yard.names() == {"keep.me", "a", "a/keep.me", "cache", "cache/x"}
    assert swept.kept == {"excluded": 3, "not-empty": 1}


def test_a_dry_run_says_what_would_go_and_changes_nothing_not_even_access_times(yard: Any) -> None:
    yard.file("a")
    yard.file("x/b")
    (yard.root / "link").symlink_to("a")
    paths = [yard.root, *yard.root.rglob("*"), yard.root / ".aura-root"]
    for path in paths:
        if not path.is_symlink():
            os.utime(path, (0, 0))  # so old that even relatime would renew it
    before = [os.lstat(path) for path in paths]
    swept = yard.sweep(dry_run=True)
    assert (swept.removed, swept.freed_bytes, swept.kept) == (3, 20, {"symlink": 1})
    after = [os.lstat(path) for path in paths]
    assert [(s.st_ino, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) for s in before] == [
        (s.st_ino, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) for s in after
    ]


def test_the_sentinel_is_never_a_candidate_wherever_it_is(yard: Any) -> None:
    yard.file("nested/.aura-root")
    swept = yard.sweep()
    assert swept.removed == 0
    assert yard.names() == {"nested", "nested/.aura-root"}


def test_the_caps_leave_the_rest_for_the_next_pass(yard: Any) -> None:
    for n in range(10):
        yard.file(f"f{n}")
    assert yard.sweep(max_files=4).kept == {"over-cap": 6}
    assert yard.sweep(max_bytes=25).removed == 2
    assert len(yard.names()) == 4


def test_a_pass_that_is_stopped_ends_with_its_batch(yard: Any) -> None:
    for n in range(200):
        yard.file(f"f{n}")
    run = Sweep(TempFiles(), yard.bench())
    while run.step(0).removed == 0:
        pass
    swept = run.stop()
    assert (swept.outcome, swept.removed) == ("interrupted", 64)
    assert len(yard.names()) == 200 - 64
    assert run.stop() == swept


def test_a_pass_that_is_stopped_while_scanning_removes_nothing(yard: Any) -> None:
    yard.file("a")
    swept = sweep(TempFiles(), yard.bench(), should_stop=lambda: True)
    assert (swept.outcome, swept.removed) == ("interrupted", 0)
    assert yard.names() == {"a"}


def test_progress_is_told_between_batches(yard: Any) -> None:
    for n in range(300):
        yard.file(f"f{n}")
    seen: list[Progress] = []
    run = Sweep(TempFiles(), yard.bench())
    while isinstance(told := run.step(0), Progress):
        seen.append(told)
    assert [p.scanned for p in seen[:2]] == [256, 300]
    assert [(p.phase, p.removed, p.total) for p in seen[2:]] == [
        ("remove", n, 300) for n in (64, 128, 192, 256, 300)
    ]
    assert seen[-1].freed_bytes == 3_000


def test_what_is_left_over_from_the_books_is_nothing(yard: Any) -> None:
    """Every entry is removed or kept."""
    for name in ("a", "b/c", "b/d/e", "f/g"):
        yard.file(name)
    (yard.root / "link").symlink_to("a")
    os.mkfifo(yard.root / "b" / "pipe")
    with (yard.root / "f" / "g").open():
        swept = yard.sweep()
    assert swept.scanned == swept.removed + sum(swept.kept.values()) == 9


def test_a_vanished_or_wrong_kind_of_root_is_declined(yard: Any) -> None:
    shutil.move(yard.root, yard.data_dir / "elsewhere")
    assert "missing" in str(yard.sweep().detail)
    yard.root.symlink_to(yard.outside)
    swept = yard.sweep()
    assert (swept.outcome, swept.removed) == ("declined", 0)
    assert "links are not followed" in str(swept.detail)
    yard.root.unlink()
    yard.root.write_text("a file")
    assert yard.sweep().outcome == "declined"


def test_modes_of_new_roots_are_private(yard: Any) -> None:
    assert stat.S_IMODE(yard.root.stat().st_mode) == 0o700
    assert stat.S_IMODE((yard.root / ".aura-root").stat().st_mode) == 0o600
