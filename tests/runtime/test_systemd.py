"""What systemd is told, over a socket such as it opens."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aura_actors.runtime.systemd import keep_alive, notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


async def test_a_state_arrives_as_one_datagram(manager: tuple[socket.socket, dict[str, str]]) -> None:
    listening, environ = manager
    assert await notify("READY=1", environ)
    assert listening.recv(100) == b"READY=1"


async def test_nobody_is_told_where_nobody_asked(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        assert not await notify("READY=1", environ)
        await keep_alive(environ)


async def test_a_sign_of_life_comes_twice_in_the_time_allowed(
    manager: tuple[socket.socket, dict[str, str]], autojump_clock: MockClock
) -> None:
    listening, environ = manager
    with trio.move_on_after(9.9):
        await keep_alive({**environ, "WATCHDOG_USEC": "2000000"})
    signs = 0
    while True:
        try:
            assert listening.recv(100) == b"WATCHDOG=1"
        except BlockingIOError:
            break
        signs += 1
    assert signs == 10
