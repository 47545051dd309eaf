"""The guard: what a block leaves behind is named, what has ended or is ending is not."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aura_actors.testing import StillRunning, nothing_left_running, open_test_runtime

NO_TIME = 0.02


async def test_an_orderly_block_passes(tmp_path: Path) -> None:
    async with nothing_left_running(), trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0)
        await trio.to_thread.run_sync(time.sleep, 0)
        await trio.run_process([sys.executable, "-c", ""])
        (tmp_path / "file").write_text("x")


async def test_a_task_that_goes_on_is_named_with_its_parent(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    began = trio.current_time()
    with pytest.raises(StillRunning, match=r"task forgotten in a nursery of .*test_a_task_that_goes_on.*_timeouts"):
        async with nothing_left_running(within_seconds=NO_TIME):
            nursery.start_soon(trio.sleep, 3600, name="forgotten")
    assert trio.current_time() == began, "while the guard looked, the clock must not jump"


async def test_a_task_that_is_ending_is_waited_for(nursery: trio.Nursery) -> None:
    async def ending() -> None:
        for _ in range(20):
            await trio.lowlevel.checkpoint()

    async with nothing_left_running():
        nursery.start_soon(ending)


async def test_a_thread_that_works_is_named_with_its_place() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="forgotten", daemon=True)
    with pytest.raises(StillRunning, match=r"thread 'forgotten', at .*threading\.py:\d+ wait"):
        async with nothing_left_running(within_seconds=NO_TIME):
            thread.start()
    gate.set()
    thread.join()


async def abandon(gate: threading.Event, name: str) -> None:
    with trio.move_on_after(0.01):
        await trio.to_thread.run_sync(gate.wait, thread_name=name, abandon_on_cancel=True)


async def test_a_busy_worker_of_trio_counts_and_an_idle_one_does_not() -> None:
    gate = threading.Event()
    await trio.to_thread.run_sync(time.sleep, 0)  # there is an idle worker before the block, and it gets the job
    with pytest.raises(StillRunning, match="thread 'hung job'"):
        async with nothing_left_running(within_seconds=NO_TIME):
            await abandon(gate, "hung job")
    gate.set()
    async with nothing_left_running():
        await trio.to_thread.run_sync(time.sleep, 0)


async def test_a_worker_that_was_busy_before_and_is_now_at_another_job_counts() -> None:
    first, second = threading.Event(), threading.Event()
    await abandon(first, "first job")

    async def change_jobs() -> None:
        first.set()
        await trio.sleep(0.05)
        await abandon(second, "second job")

    with pytest.raises(StillRunning, match="thread 'second job'"):
        async with nothing_left_running(within_seconds=NO_TIME):
            await change_jobs()
    second.set()


async def test_a_thread_that_is_ending_is_waited_for() -> None:
    async with nothing_left_running():
        threading.Thread(target=time.sleep, args=(0.1,)).start()


def begin(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def begin_and_end() -> subprocess.Popen[bytes]:
    child = begin("")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


async def test_a_child_process_is_named_with_its_command() -> None:
    children: list[subprocess.Popen[bytes]] = []
    with pytest.raises(StillRunning, match=r"child process \d+ \(.* -c input\(\)\)"):
        async with nothing_left_running(within_seconds=0.2):
            children.append(begin("input()"))
    children[0].kill()
    with pytest.raises(StillRunning, match=r"child process \d+, which has ended and which nobody has waited for"):
        async with nothing_left_running(within_seconds=NO_TIME):
            children.append(begin_and_end())
    for child in children:
        child.communicate()


async def test_a_socket_is_named_with_its_address() -> None:
    with pytest.raises(StillRunning) as caught:
        async with nothing_left_running(within_seconds=NO_TIME):
            sock = socket.create_server(("127.0.0.1", 0))
    (line,) = caught.value.left
    assert line == f"descriptor {sock.fileno()}, a socket at {sock.getsockname()}"
    sock.close()


async def test_an_open_file_is_named_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with pytest.raises(StillRunning) as caught:
        async with nothing_left_running(within_seconds=NO_TIME):
            descriptor = os.open(path, os.O_CREAT)
    assert caught.value.left == [f"descriptor {descriptor}, {path}"]
    os.close(descriptor)


async def test_what_was_there_before_may_stay(nursery: trio.Nursery) -> None:
    nursery.start_soon(trio.sleep_forever)
    with socket.socket():
        async with nothing_left_running(within_seconds=NO_TIME):
            pass
    nursery.cancel_scope.cancel()


async def test_an_error_in_the_block_goes_first(nursery: trio.Nursery) -> None:
    def go_wrong() -> None:
        nursery.start_soon(trio.sleep_forever)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        async with nothing_left_running(within_seconds=NO_TIME):
            go_wrong()
    nursery.cancel_scope.cancel()


async def test_a_whole_runtime_leaves_nothing_behind(tmp_path: Path) -> None:
    async with nothing_left_running(within_seconds=10), open_test_runtime(tmp_path / "data"):
        pass
