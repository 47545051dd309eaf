"""A block of a test that must leave nothing behind: no Trio task, no busy thread, no child process, no descriptor.

Owns the comparison of what there is at the end with what there was at the start, and the sentence about it. While
it waits for threads that are ending, no virtual time passes: a clock that jumps would end the tasks it looks for.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType

import psutil
import trio

from aura_actors.kernel.watchdog import place_of

DESCRIPTORS = Path("/proc/self/fd")
LOOK_AGAIN_SECONDS = 0.005

Found = Iterator[tuple[Hashable, Callable[[], str]]]
"""Things that are there, each with a key that nothing else has while it lives, and with what to say about it."""


class StillRunning(AssertionError):
    """Something outlived the block. `left` has one line for each."""

    def __init__(self, left: list[str]) -> None:
        super().__init__("still there after the block: " + "; ".join(left))
        self.left = left


@asynccontextmanager
async def nothing_left_running(*, within_seconds: float = 1.0) -> AsyncIterator[None]:
    """Raise `StillRunning` if anything that the block began is still there at its end.

    What is ending gets `within_seconds` of real time, in which other tasks and threads go on. Trio's idle worker
    threads do not count. An error in the block goes first: then nothing is looked at. Descriptors are seen where
    the system has /proc/self/fd.
    """
    before = set(_present())
    yield
    deadline = time.monotonic() + within_seconds
    while left := {key: say for key, say in _present().items() if key not in before}:
        if time.monotonic() >= deadline:
            raise StillRunning([say() for say in left.values()])
        await trio.lowlevel.checkpoint()
        time.sleep(LOOK_AGAIN_SECONDS)  # noqa: ASYNC251  (an idle loop would let an autojumping clock jump)


def _present() -> dict[Hashable, Callable[[], str]]:
    return {key: say for found in (_tasks(), _busy_threads(), _processes(), _descriptors()) for key, say in found}


def _tasks() -> Found:
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root is not None else []
    while tasks:
        task = tasks.pop()
        tasks.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
        yield task, partial(_say_task, task)


def _say_task(task: trio.lowlevel.Task) -> str:
    nursery = task.parent_nursery
    parent = "no nursery" if nursery is None else f"a nursery of {nursery.parent_task.name}"
    at = "".join(f", at {frame.f_code.co_filename}:{line}" for frame, line in islice(task.iter_await_frames(), 1))
    return f"task {task.name} in {parent}{at}"


def _busy_threads() -> Found:
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and not _idle(frame):
            # With its name, which Trio gives for each job: the same worker may be at another one.
            yield (thread, thread.name), partial("thread {!r}, at {}".format, thread.name, place_of(frame))


def _idle(frame: FrameType) -> bool:
    """Whether this is one of Trio's workers between two jobs: it is kept for ten seconds, for the next one."""
    return frame.f_code.co_name == "_work" and frame.f_code.co_filename.endswith("_thread_cache.py")


def _processes() -> Found:
    for process in psutil.Process().children(recursive=True):
        yield process, partial(_say_process, process)


def _say_process(process: psutil.Process) -> str:
    with suppress(psutil.Error):  # one that has ended has no command any more
        return f"child process {process.pid} ({' '.join(process.cmdline())})"
    return f"child process {process.pid}, which has ended and which nobody has waited for"


def _descriptors() -> Found:
    for descriptor in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        with suppress(OSError):  # the one of the listing itself is closed by now
            target = os.readlink(descriptor)  # noqa: PTH115  (no path: `socket:[4711]`)
            yield (descriptor.name, target), partial(_say_descriptor, int(descriptor.name), target)


def _say_descriptor(number: int, target: str) -> str:
    if not target.startswith("socket:"):
        return f"descriptor {number}, {target}"
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as same:
        return f"descriptor {number}, a socket at {same.getsockname()}"
    return f"descriptor {number}, a socket"
