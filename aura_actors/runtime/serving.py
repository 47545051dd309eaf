"""The daemon: a runtime with listening sockets, ended by a signal.

Owns sockets, signals, the ready file and what is said on standard output. Exit status 0 after an orderly stop, 1
when a part kept crashing; errors of the caller (a port in use, a second daemon) are raised for the command line.
"""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import msgspec
import structlog
import trio

from aura_actors.config import Settings
from aura_actors.edges.bind import bind, release
from aura_actors.errors import InvalidValue, StoreUnavailable, UsageError
from aura_actors.kernel.crash import describe
from aura_actors.kernel.pauses import settle
from aura_actors.kernel.reports import GaveUp, StartFailed
from aura_actors.runtime.changing import change, check
from aura_actors.runtime.library import Runtime
from aura_actors.runtime.opening import open_runtime
from aura_actors.runtime.parts import addresses
from aura_actors.runtime.systemd import keep_alive, notify

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = structlog.get_logger("aura_actors.runtime")


async def serve(
    settings: Settings,
    *,
    ready_file: Path | None,
    announce: Callable[[str], None],
    reread: Callable[[], Settings],
    heed: Callable[[Settings], None],
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. `announce` gets one line per bound address.

    `reread` reads the configuration again on SIGHUP. Blocking. Raises UsageError where it is not acceptable. `heed`
    hears of one that is going to hold, before it does: the log goes by it.
    """
    http, status = settings.http, 0
    sockets: list[socket.socket] = []
    try:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            await _in_thread(_check_ready_file, ready_file)
            sockets = await _in_thread(bind, http.host, http.port, http.unix)
            async with open_runtime(settings, sockets=sockets) as runtime, trio.open_nursery() as nursery:
                runtime.parts.when_stuck = _end_all_the_same
                urls = addresses(sockets, http)
                for url in urls:
                    announce(f"serving {url}")
                nursery.start_soon(_say_ready, runtime, urls, ready_file)
                await _stop_signal(signals, runtime, reread, heed)
                log.info("stopping")
                await notify("STOPPING=1")
                nursery.cancel_scope.cancel()
    except* (GaveUp, StartFailed, StoreUnavailable) as failed:
        log.critical("cannot go on", error=describe(failed))
        status = 1
    finally:
        with trio.CancelScope(shield=True):
            await _in_thread(_clear, sockets, ready_file)
    return status


async def _in_thread(work: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """In a thread of its own limiter: the default one is the application's and its libraries'."""
    return await trio.to_thread.run_sync(work, *arguments, limiter=trio.CapacityLimiter(1))


async def _say_ready(runtime: Runtime, urls: list[str], ready_file: Path | None) -> None:
    await runtime.wait_ready()
    settle()
    if ready_file is not None:
        await _in_thread(_write_ready_file, ready_file, urls)
    log.info("ready", addresses=urls)
    await notify("READY=1")
    await keep_alive()


async def _stop_signal(
    signals: AsyncIterator[int], runtime: Runtime, reread: Callable[[], Settings], heed: Callable[[Settings], None]
) -> None:
    """Wait for the first signal to stop; the next one ends the program at once."""
    async for number in signals:
        if number != signal.SIGHUP:
            break
        await _reread(runtime, reread, heed)
    signal.signal(signal.SIGTERM, _force)
    signal.signal(signal.SIGINT, _force)


async def _reread(runtime: Runtime, reread: Callable[[], Settings], heed: Callable[[Settings], None]) -> None:
    """Go by the configuration as it is now; where it is bad, by the one that was good."""
    try:
        settings = await _in_thread(reread)
        certificate = await check(runtime.parts, settings)
    except UsageError as error:
        log.warning("the configuration is bad; the one before it holds", error=str(error))
        return
    heed(settings)
    changed = await change(runtime.parts, settings, certificate)
    log.info("the configuration was read again", changed=changed.now, at_next_start=changed.at_next_start)


def _force(number: int, _: object) -> None:
    os._exit(128 + number)


def _end_all_the_same(stuck: list[str]) -> None:
    """Trio cannot kill a task, and would wait for it for ever; a service manager starts us again."""
    log.critical("parts do not stop; ending without them", stuck=stuck)
    os._exit(1)


def _write_ready_file(path: Path, urls: list[str]) -> None:
    """Write it whole or not at all: whoever waits for it reads it at once. `unix` is there if a socket is."""
    tcp = [url for url in urls if url.startswith("http")]
    http = tcp[0] if tcp else urls[0]
    content = {"http": http, "feed": f"{http.replace('http', 'ws', 1)}/feed", "pid": os.getpid()}
    if unix := [url for url in urls if url.startswith("unix:")]:
        content["unix"] = unix[0]
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(msgspec.json.encode(content) + b"\n")
        part.replace(path)
    except OSError as error:
        raise InvalidValue(f"cannot write {path}: {error.strerror}", path="--ready-file") from error


def _check_ready_file(path: Path | None) -> None:
    """It is replaced, and removed at the end: that must hit nothing but a file of this purpose."""
    if path is None:
        return
    if not path.name or path.is_symlink() or (path.exists() and not path.is_file()):
        raise InvalidValue(f"{path} is not a file", path="--ready-file")
    if not path.parent.is_dir():
        raise InvalidValue(f"there is no folder {path.parent}", path="--ready-file")


def _clear(sockets: list[socket.socket], ready_file: Path | None) -> None:
    release(sockets)
    if ready_file is not None:
        with suppress(OSError, msgspec.DecodeError):  # not there, or somebody else's by now
            if msgspec.json.decode(ready_file.read_bytes(), type=dict).get("pid") == os.getpid():
                ready_file.unlink()
