"""The end of a process that is not our child is noticed, by a pidfd or without one."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from aura_actors.kernel import process_exit
from aura_actors.kernel.process_exit import wait_process_exit

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

TOO_LONG_SECONDS = 5
Start = Callable[..., subprocess.Popen[bytes]]


def start_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def is_zombie(pid: int) -> bool:
    return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process; it is gone when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command or ("sleep", "60")))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def without_pidfd(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """As on a machine that has none to give; the answer grows with each that was asked for."""
    asked: list[int] = []

    def refuse(pid: int) -> int:
        asked.append(pid)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    return asked


@pytest.fixture(params=["pidfd", "ENOSYS", "EMFILE"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way to notice."""
    if request.param != "pidfd":
        without_pidfd(monkeypatch, getattr(errno, request.param))
    return str(request.param)


async def test_a_process_that_is_killed_ends_the_wait(way: str, start: Start) -> None:
    process = start()
    ended = trio.Event()

    async def wait() -> None:
        await wait_process_exit(process.pid, start_of(process.pid), poll_seconds=0.005)
        ended.set()

    with trio.fail_after(TOO_LONG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(0.05)
            assert not ended.is_set(), way
            process.kill()  # and not waited for: a zombie has ended
            await ended.wait()


async def test_a_process_that_is_not_there_has_ended(way: str, start: Start) -> None:
    process = start("true")
    started = start_of(process.pid)
    process.wait()
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(process.pid, started)


async def test_a_zombie_has_ended(way: str, start: Start) -> None:
    process = start("true")
    started = start_of(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - it ends by itself
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(process.pid, started)


async def test_another_process_under_the_same_id_is_not_waited_for(way: str, start: Start) -> None:
    process = start()
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(process.pid, start_of(process.pid) - 1)


async def test_an_id_that_was_taken_over_before_the_pidfd_was_opened_is_noticed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look sees the right process; the pidfd is already another's, and would never be ready."""
    process, looks = start(), []
    started = start_of(process.pid)

    def read(pid: int) -> bytes:
        looks.append(pid)
        text = Path(f"/proc/{pid}/stat").read_bytes()
        return text if len(looks) == 1 else text.replace(f" {started} ".encode(), b" 1 ")

    monkeypatch.setattr(process_exit, "_read_stat", read)
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(process.pid, started)


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1, 2**40])
async def test_an_impossible_id_has_ended(way: str, pid: int) -> None:
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(pid, 1)


async def test_a_first_thread_that_ended_before_the_others_has_not_ended(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """It is shown as a zombie, but its process goes on."""
    without_pidfd(monkeypatch, errno.ENOSYS)
    script = "import ctypes,threading,time;threading.Thread(target=time.sleep,args=(60,)).start();"
    process = start(sys.executable, "-c", f"{script}ctypes.CDLL(None).pthread_exit(None)")
    with trio.fail_after(TOO_LONG_SECONDS):
        while not is_zombie(process.pid):  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.005)
    with trio.move_on_after(0.1) as scope:
        await wait_process_exit(process.pid, start_of(process.pid), poll_seconds=0.005)
    assert scope.cancelled_caught


async def test_a_wait_that_is_cancelled_keeps_no_descriptor(way: str, start: Start) -> None:
    process = start()
    before, started = descriptors(), start_of(process.pid)
    for _ in range(5):
        with trio.move_on_after(0.01) as scope:
            await wait_process_exit(process.pid, started, poll_seconds=0.005)
        assert scope.cancelled_caught
    assert descriptors() == before


async def test_a_wait_that_is_over_keeps_no_descriptor(start: Start) -> None:
    process = start()
    before, started = descriptors(), start_of(process.pid)
    process.kill()
    await wait_process_exit(process.pid, started)
    assert descriptors() == before


async def test_when_there_is_a_pidfd_again_it_is_used(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    process, real = start(), os.pidfd_open
    asked = without_pidfd(monkeypatch, errno.EMFILE)
    with trio.fail_after(TOO_LONG_SECONDS):
        async with trio.open_nursery() as nursery:
            wait = partial(wait_process_exit, process.pid, start_of(process.pid), poll_seconds=0.005)
            nursery.start_soon(wait)
            while len(asked) < 2:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.005)
            monkeypatch.setattr(os, "pidfd_open", real)
            await trio.sleep(0.02)
            asked.clear()
            await trio.sleep(0.05)
            assert asked == []
            process.kill()


@pytest.mark.parametrize("pidfd", [True, False])
async def test_without_a_free_descriptor_a_living_process_is_still_waited_for(
    pidfd: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the pidfd nor `/proc` can be opened then; that the process is gone is noticed all the same."""
    if not pidfd:
        without_pidfd(monkeypatch, errno.ENOSYS)
    process = start()
    started = start_of(process.pid)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        with trio.move_on_after(0.1) as scope:
            await wait_process_exit(process.pid, started, poll_seconds=0.005)
        assert scope.cancelled_caught
        process.kill()
        process.wait()
        with trio.fail_after(TOO_LONG_SECONDS):
            await wait_process_exit(process.pid, started, poll_seconds=0.005)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_where_there_is_no_proc_the_process_is_asked_for_otherwise(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on macOS: the start time is psutil's then."""
    import psutil

    without_pidfd(monkeypatch, errno.ENOSYS)
    monkeypatch.setattr(process_exit, "_PROC", tmp_path / "none")

    def read(pid: int) -> bytes:
        raise FileNotFoundError(errno.ENOENT, "no /proc", str(pid))

    monkeypatch.setattr(process_exit, "_read_stat", read)
    process = start()
    started = round(psutil.Process(process.pid).create_time() * 100)
    with trio.move_on_after(0.05) as scope:
        await wait_process_exit(process.pid, started, poll_seconds=0.005)
    assert scope.cancelled_caught
    with trio.fail_after(TOO_LONG_SECONDS):
        await wait_process_exit(process.pid, started + 500, poll_seconds=0.005)
        process.kill()
        await wait_process_exit(process.pid, started, poll_seconds=0.005)
