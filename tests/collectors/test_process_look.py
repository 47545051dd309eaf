"""What is read of one process is about that process, whatever happens meanwhile."""

import errno
import os
import threading
from pathlib import Path

import pytest

from aura_actors.collectors import process_look
from aura_actors.collectors.files import read_small
from aura_actors.collectors.identity import identify
from aura_actors.collectors.process_look import LARGEST_PID, look, start_ticks_of
from tests.collectors.clients import ME, Start, python, start

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
__all__ = ["start"]


def test_a_living_process_is_identified_with_what_it_holds(start: Start) -> None:
    child = python(
        start, "import sys,time; x=b'x'*50_000_000; sys.stdout.write('.'); sys.stdout.flush(); time.sleep(60)"
    )
    found = identify(child.pid)
    assert found is not None
    assert (found.pid, found.start_ticks) == (child.pid, start_ticks_of(child.pid))
    assert 50_000_000 < found.resident_bytes < 150_000_000
    assert found.cgroup is None or found.cgroup.startswith("/")


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_process_that_ended_is_nobody_even_as_a_zombie(
    pidfd: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    child = start("true")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child.pid}").exists()
    assert identify(child.pid) is None
    child.wait()
    assert identify(child.pid) is None


@pytest.mark.parametrize("pid", [0, -1, -4711, LARGEST_PID + 1, 2**31, 2**64, 10**30])
def test_an_impossible_id_is_nobody(pid: int) -> None:
    assert identify(pid) is None


def test_a_thread_is_no_process() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert thread.native_id != ME
        assert Path(f"/proc/{thread.native_id}/stat").exists()
        assert identify(thread.native_id or 0) is None
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_process_that_ends_while_it_is_looked_at_is_nobody(
    pidfd: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read may be another's by then, who got its id."""
    child = start()
    real = read_small

    def read(path: str) -> str | None:
        text = real(path)
        if path.endswith("/cgroup"):
            child.kill()
            child.wait()
        return text

    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "none left")

    monkeypatch.setattr(process_look, "read_small", read)
    if not pidfd:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    assert identify(child.pid) is None


def test_without_a_pidfd_an_id_used_again_is_noticed_by_its_start(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start()

    def refuse(pid: int) -> int:
        raise OSError(errno.ENOSYS, "old kernel")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert identify(child.pid) is not None
    monkeypatch.setattr(process_look, "start_ticks_of", lambda pid: 1)
    assert identify(child.pid) is None


def test_looking_keeps_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for pid in (ME, 1, LARGEST_PID):
        look(pid)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
