"""Real processes that play clients."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from aura_actors.collectors.identity import Peer, claim
from aura_actors.collectors.process_look import start_ticks_of
from aura_actors.errors import InvalidValue

ME = os.getpid()
NOBODY = 65_534
READY = "import sys,time; sys.stdout.write('.'); sys.stdout.flush(); time.sleep(60)"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process; it is gone when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command or ("sleep", "60"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def python(start: Start, script: str, *, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """A Python that has carried out `script` and waits; skips where `before`, the command around it, fails."""
    process = start(*before, sys.executable, "-I", "-S", "-c", f"{script}\n{READY}")
    assert process.stdout is not None
    if process.stdout.read(1) != b".":
        assert process.stderr is not None
        assert before, process.stderr.read()
        pytest.skip(f"{before[0]} does not work here (it needs root)")
    return process


def connect(host: str, port: int) -> str:
    """The script of a client that connects."""
    family = "AF_INET6" if ":" in host else "AF_INET"
    return f"import socket; s = socket.socket(socket.{family}); s.connect(({host!r}, {port}))"


def unix(pid: int = ME, uid: int | None = None, start_ticks: int | None = None) -> Peer:
    """A client on the unix socket."""
    ticks = start_ticks_of(pid) if start_ticks is None else start_ticks
    return Peer(unix_uid=os.getuid() if uid is None else uid, unix_pid=pid, unix_start_ticks=ticks)


def refused(pid: int, peer: Peer, *, proxied: bool = False) -> str:
    """The sentence of the refusal, which is about /pid."""
    with pytest.raises(InvalidValue) as caught:
        claim(pid, peer, proxied=proxied)
    assert caught.value.path == "/pid"
    assert not peer.claims
    return str(caught.value)
