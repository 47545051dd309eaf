"""A real daemon in a process of its own, and programs on both loops that use it."""

import json
import os
import signal
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from aura_actors import Aura
from tests.launcher import Launched, launch_into

ROOMY = {
    "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__RESERVED_FOR_UI": "0",
    "AURA_ADMISSION__MEMORY_LIMIT": "1GiB",
    "AURA_ADMISSION__JOB_SLOTS": "2000",
    "AURA_PROVIDERS__OPENAI__MAX_CONCURRENT": "1",
}


LOOPS = ("trio", "asyncio")


class Daemon:
    """`aura-actors serve` on a free port and a unix socket; may be killed and started again at the same place."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.unix = f"unix:{folder / 'socket'}"
        self._folder = folder
        self._environ = {**os.environ, **ROOMY, **environ}
        self._port = 0
        self._process: Launched
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        ready = self._folder / "ready.json"
        ready.unlink(missing_ok=True)
        places = ["--port", str(self._port), "--unix", self.unix.removeprefix("unix:")]
        files = ["--data-dir", str(self._folder / "data"), "--ready-file", str(ready)]
        self._process = launch_into(self._folder / "log", ["serve", *places, *files], self._environ)
        for _ in range(2000):
            if ready.exists():
                break
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.01)  # another process: there is nothing to wait on but its file
        self._port = int(json.loads(ready.read_text())["http"].rpartition(":")[2])

    def kill(self) -> None:
        """As the kernel does."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """In order."""
        self._process.terminate()
        self._process.wait(10)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests of a file that leave it as it was."""
    started = Daemon(tmp_path_factory.mktemp("daemon"))
    yield started
    started.stop()


@pytest.fixture
def open_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """One of the test's own: `open_daemon(AURA_HTTP__TOKEN="…")`."""
    opened: list[Daemon] = []

    def open_(**environ: str) -> Daemon:
        opened.append(Daemon(tmp_path, **environ))
        return opened[-1]

    yield open_
    for each in opened:
        each.thaw()
        each.kill()


Program = Callable[..., Awaitable[Any]]


@pytest.fixture(params=LOOPS if os.environ.get("CI") else [None])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a program on each of the two loops; at a desk on one of them, always the same for a test."""
    loop: str = request.param or LOOPS[zlib.crc32(request.node.nodeid.encode()) % 2]

    def run_(program: Program, *arguments: Any) -> Any:
        return anyio.run(partial(program, *arguments), backend=loop)

    return run_


@pytest.fixture(params=["tcp", "unix"])
def url(request: pytest.FixtureRequest, daemon: Daemon) -> str:
    """Both ways to the daemon."""
    return daemon.url if request.param == "tcp" else daemon.unix


async def until(condition: Callable[[], Awaitable[object]], *, within: float = 10) -> None:
    """Wait until it is so. Another process: there is nothing to wait on but its answers."""
    with anyio.fail_after(within):
        while not await condition():  # noqa: ASYNC110
            await anyio.sleep(0.005)


async def queued(aura: Aura) -> bool:
    """Somebody waits."""
    return bool((await aura.jobs()).queue)


async def idle(aura: Aura) -> bool:
    """No job holds anything, and none waits."""
    jobs = await aura.jobs()
    return not jobs.active and not jobs.queue


async def slots_free(aura: Aura) -> bool:
    """No provider has a slot in use, and nobody waits for one."""
    return not any(each.active or each.queued for each in (await aura.providers()).providers)
