"""The servers of the comparison, each a process of its own on loopback, and the processor time that it took.

Owns their start and end. What they are asked is elsewhere.
"""

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import trio

from benchmarks.daemon import start
from benchmarks.http_client import Address, connect
from benchmarks.idle import free_port

REDIS = "redis-server"


class Server(NamedTuple):
    """A process that serves."""

    address: Address
    pid: int

    def spent(self) -> float:
        """Processor seconds so far, of all its threads."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextlib.asynccontextmanager
async def daemon(folder: Path) -> AsyncIterator[Server]:
    """Ours."""
    process, url, _ = await trio.to_thread.run_sync(start, folder)
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    try:
        yield Server((parts.hostname, parts.port), process.pid)
    finally:
        process.terminate()
        await trio.to_thread.run_sync(process.wait)


@contextlib.asynccontextmanager
async def empty_route() -> AsyncIterator[Server]:
    """The same HTTP server and framework, with a route that does nothing."""
    port = free_port()
    async with _serving([sys.executable, "-m", "benchmarks.http_empty", str(port)], port) as server:
        yield server


@contextlib.asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[Server]:
    """It writes to the operating system before it answers, as the daemon does, and not to the disk."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    async with _serving([REDIS, *options, "--appendonly", "yes", "--appendfsync", "no"], port) as server:
        yield server


@contextlib.asynccontextmanager
async def _serving(command: list[str], port: int) -> AsyncIterator[Server]:
    process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = ("127.0.0.1", port)
    try:
        await _reachable(address)
        yield Server(address, process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _reachable(address: Address) -> None:
    with trio.fail_after(10):
        while True:
            try:
                await (await connect(address)).aclose()
            except OSError:
                await trio.sleep(0.02)
            else:
                return
