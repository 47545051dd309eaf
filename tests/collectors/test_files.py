"""Small files read whole, and descriptors that are held on them: over rewriting, removal, forks and bounds."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aura_actors.collectors.files import HeldFiles, read_small

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="holds descriptors on /proc: needs Linux"
)

MAPS = "/proc/self/maps"


def descriptors_on(path: Path) -> int:
    return sum(link.is_symlink() and Path(link).resolve() == path for link in Path("/proc/self/fd").iterdir())


def test_a_table_of_many_records_is_read_beyond_its_first_page() -> None:
    """The kernel answers a page at a time, and less than one where the next record does not fit."""
    descriptor = os.open(MAPS, os.O_RDONLY)
    first = os.read(descriptor, 65_536)
    os.close(descriptor)
    assert len(first) < 4096
    for text in (read_small(MAPS), HeldFiles().read(MAPS)):
        assert text is not None
        assert len(text) > 2 * 4096
        assert "[stack]" in text


def test_a_held_file_says_what_is_in_it_now(tmp_path: Path) -> None:
    path, files = tmp_path / "memory.current", HeldFiles()
    for text in ("12345\n", "7\n", "", "x" * 100_000):
        path.write_text(text)
        assert files.read(str(path)) == text
        assert descriptors_on(path) == 1


def test_what_is_not_there_yet_is_found_when_it_is(tmp_path: Path) -> None:
    path, files = tmp_path / "memory.max", HeldFiles()
    assert files.read(str(path)) is None
    path.write_text("max")
    assert files.read(str(path)) == "max"


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EIO])
def test_a_descriptor_that_fails_is_given_back_and_the_file_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path, files, works = tmp_path / "memory.current", HeldFiles(), os.pread
    path.write_text("1")
    assert files.read(str(path)) == "1"
    failures = [OSError(code, "gone")]

    def fail_once(descriptor: int, length: int, offset: int) -> bytes:
        if failures:
            raise failures.pop()
        return works(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", fail_once)
    path.unlink()
    path.write_text("2")
    assert files.read(str(path)) == "2"
    assert descriptors_on(path) == 1


def test_a_control_group_that_is_made_again_is_read_again(memory_group: object) -> None:
    group = Path(str(memory_group.path))  # type: ignore[attr-defined]
    procs, files = str(group / "cgroup.procs"), HeldFiles()
    assert files.read(procs) == ""
    group.rmdir()
    assert files.read(procs) is None
    group.mkdir()
    assert files.read(procs) == ""


def test_a_process_that_was_forked_reads_about_itself() -> None:
    source = """
import os
from aura_actors.collectors.files import proc_text
assert proc_text("self/stat").startswith(f"{os.getpid()} ")
held = os.listdir("/proc/self/fd")
pid = os.fork()
if pid == 0:
    right = proc_text("self/stat").startswith(f"{os.getpid()} ")
    os._exit(0 if right and len(os.listdir("/proc/self/fd")) == len(held) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0


def test_no_more_are_held_than_allowed_and_the_others_are_read_all_the_same(tmp_path: Path) -> None:
    files = HeldFiles(most=1)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert [files.read(str(tmp_path / name)) for name in ("a", "b", "a", "b")] == ["a", "b", "a", "b"]
    assert (descriptors_on(tmp_path / "a"), descriptors_on(tmp_path / "b")) == (1, 0)


def test_descriptors_are_given_back_with_their_holder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    files = HeldFiles()
    files.read(str(tmp_path / "a"))
    del files
    assert descriptors_on(tmp_path / "a") == 0


def test_several_threads_may_read_while_descriptors_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them reads a descriptor that another one has closed, whose number may be another file's by then."""
    path, files, works, calls = tmp_path / "a", HeldFiles(), os.pread, iter(range(10**9))
    path.write_text("a" * 3000)
    seen: set[str | None] = set()

    def fail_often(descriptor: int, length: int, offset: int) -> bytes:
        if next(calls) % 3 == 0:
            raise OSError(errno.ENODEV, "gone")
        return works(descriptor, length, offset)

    def read() -> None:
        for _ in range(500):
            seen.add(files.read(str(path)))

    monkeypatch.setattr(os, "pread", fail_often)
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= {"a" * 3000, None}
    assert descriptors_on(path) <= 1


def test_where_there_is_no_pread_each_file_is_opened_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pread")
    (tmp_path / "a").write_text("a")
    assert HeldFiles().read(str(tmp_path / "a")) == "a"
    assert descriptors_on(tmp_path / "a") == 0
