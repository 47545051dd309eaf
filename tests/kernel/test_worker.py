"""A child process that answers, and that is always ended and reaped."""

import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio

from aura_actors.kernel.worker import LOGGED_CHARACTERS_AT_MOST, LOGGED_LINES_AT_MOST, Worker, WorkerEnded

ECHO = """
import sys
from aura_actors.workers.frames import read_frame, write_frame
while (frame := read_frame(sys.stdin.buffer)) is not None:
    write_frame(sys.stdout.buffer, frame)
"""


@asynccontextmanager
async def running(
    source: str, *, max_frame_bytes: int = 1000, report: Callable[[str], None] = print
) -> AsyncIterator[Worker]:
    worker = await Worker.start(
        [sys.executable, "-c", source], environment=dict(os.environ), max_frame_bytes=max_frame_bytes
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.listen, report)
        try:
            with trio.fail_after(20):
                yield worker
        finally:
            assert await worker.end(0.3)
    assert not psutil.pid_exists(worker.pid)


async def test_both_ends_mean_the_same_by_a_frame() -> None:
    async with running(ECHO, max_frame_bytes=100_000) as worker:
        for content in (b"", b"x", bytes(70_000)):
            assert await worker.ask(content) == content


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import sys; sys.stdin.buffer.read(4); sys.exit(3)", "it ended with status 3"),
        ("import os, sys; sys.stdin.buffer.read(4); os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
        (
            "import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(b'\\0\\0\\0\\5half')",
            "it ended with status 0",
        ),
        ("import os, sys, time; os.write(1, b'\\xff\\xff\\xff\\xff'); time.sleep(60)", "it announced a frame of"),
        ("import os, sys, time; os.close(1); time.sleep(60)", "it closed its pipes"),
    ],
)
async def test_how_a_worker_failed_is_said(source: str, text: str) -> None:
    async with running(source) as worker:
        with pytest.raises(WorkerEnded, match=text):
            await worker.ask(b"")


async def test_a_worker_that_ended_before_it_was_asked_says_so() -> None:
    async with running("raise SystemExit(2)") as worker:
        process = psutil.Process(worker.pid)
        await trio.to_thread.run_sync(until_dead, process, limiter=trio.CapacityLimiter(1))
        with pytest.raises(WorkerEnded, match="it ended with status 2"):
            await worker.ask(b"")


def until_dead(process: psutil.Process) -> None:
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


async def test_one_that_obeys_is_let_end_by_itself(tmp_path: Path) -> None:
    last_word = tmp_path / "last word"
    async with running(f"{ECHO}open({str(last_word)!r}, 'w').close()\n") as worker:
        await worker.ask(b"")
        assert await worker.end(10)
        assert last_word.exists()


async def test_one_that_hears_nothing_is_killed() -> None:
    deaf = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.write(1, bytes(4))\n"
    async with running(f"{deaf}time.sleep(60)\n") as worker:
        assert await worker.ask(b"") == b""
        began = trio.current_time()
        assert await worker.end(0.2)
        assert trio.current_time() - began < 5


async def test_a_worker_is_ended_even_by_a_task_that_is_cancelled() -> None:
    async with running(ECHO) as worker:
        await worker.ask(b"")
        with trio.CancelScope() as scope:
            scope.cancel()
            assert await worker.end(5)
        assert not psutil.pid_exists(worker.pid)


async def test_what_it_prints_is_bounded_and_never_holds_it_up() -> None:
    lines = 10 * LOGGED_LINES_AT_MOST
    source = f"import sys\nfor n in range({lines}): print(n, 'x' * 9999, file=sys.stderr)\n" + ECHO
    heard: list[str] = []
    async with running(source, report=heard.append) as worker:
        assert await worker.ask(b"still here") == b"still here"
    assert [line.split()[0] for line in heard] == [str(n) for n in range(LOGGED_LINES_AT_MOST)]
    assert {len(line) for line in heard} == {LOGGED_CHARACTERS_AT_MOST}
