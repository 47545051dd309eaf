"""A real listener over Quart-Trio and a feed, on a free loopback port and a unix socket."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from quart import websocket
from quart_trio import QuartTrio

from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Desk, Feed
from aura_actors.edges.listener import FeedHandler, Listener
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.backlog import Backlog
from aura_actors.testing import Probe

GET_ONCE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def make_app(log: list[str]) -> QuartTrio:
    """What will run: Quart-Trio; with a WebSocket route of its own, which ours has not."""
    app = QuartTrio("test")

    @app.before_serving
    async def startup() -> None:
        log.append("startup")

    @app.after_serving
    async def shutdown() -> None:
        log.append("shutdown")

    @app.get("/")
    async def index() -> str:
        return "ok"

    @app.post("/")
    async def post() -> str:
        return "posted"

    @app.get("/slow")
    async def slow() -> str:
        log.append("slow begins")
        await trio.sleep(0.2)
        return "slow done"

    @app.get("/stuck")
    async def stuck() -> str:
        log.append("stuck begins")
        await trio.sleep_forever()

    @app.get("/big")
    async def big() -> bytes:
        log.append("big begins")
        return bytes(30_000_000)

    @app.websocket("/ws")
    async def ws() -> None:
        while True:
            await websocket.send(await websocket.receive())

    return app


class Served:
    """A listener under test."""

    def __init__(self, sockets: list[socket.socket], *, feed: FeedHandler | None = None, **options: Any) -> None:
        self.log: list[str] = []
        self.sockets = sockets
        self.stopping = trio.Event()
        real = Feed(
            epoch="e",
            backlog=Backlog(["system"]),
            access=Access(),
            desk=Desk(admission=Probe[AdmissionMessage]().ref, bytes_per_job=1),
            sampler_interval_seconds=1,
        )
        self.listener = Listener(sockets, make_app(self.log), feed or real, **options)

    async def connect(self, index: int = 0) -> trio.SocketStream:
        """A connection to one of the sockets."""
        sock = self.sockets[index]
        client = trio.socket.socket(sock.family)
        await client.connect(sock.getsockname())
        return trio.SocketStream(client)

    async def exchange(self, data: bytes, index: int = 0) -> bytes:
        """Send, then read to the end."""
        with trio.fail_after(10):
            async with await self.connect(index) as stream:
                await stream.send_all(data)
                return b"".join([piece async for piece in stream])

    async def check_alive(self, index: int = 0) -> None:
        """A request is answered and a feed client is greeted."""
        assert (await self.exchange(GET_ONCE, index)).endswith(b"\r\n\r\nok")
        with trio.fail_after(10):
            async with await self.connect(index) as stream:
                await stream.send_all(UPGRADE)
                received = b""
                while b'"hello"' not in received:
                    received += await stream.receive_some()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the other side of a socket does in its own time."""
        with trio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(0.002)


@pytest.fixture
def open_listener(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Served]]:
    """`async with open_listener() as served`: TCP (index 0) and a unix socket (index 1), or the given `sockets`."""

    @asynccontextmanager
    async def opened(sockets: list[socket.socket] | None = None, **options: Any) -> AsyncIterator[Served]:
        own = bind("127.0.0.1", 0, tmp_path / "s") if sockets is None else []
        try:
            served = Served(sockets or own, **options)
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(served.listener.run, stopping=served.stopping))
                yield served
                served.stopping.set()
        finally:
            release(own)

    return opened
