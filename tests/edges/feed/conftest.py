"""A real listener with a feed on a free loopback port, and the publisher's side of it in the test's hands."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Deadlines, Desk, Feed, Limits
from aura_actors.edges.listener import Listener, Timing
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.topics import Publication
from aura_actors.testing import Probe
from tests.certificates import Pair

TOPICS = ("system", "process", "alerts")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers `ok` to everything."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Server:
    """What a test needs of both sides."""

    def __init__(self, sockets: list[socket.socket], **options: Any) -> None:
        self.backlog = Backlog(TOPICS)
        self.port = sockets[0].getsockname()[1]
        """Of the first socket; means nothing for a unix socket."""
        self.url = f"ws://127.0.0.1:{self.port}/feed"
        self.feed = Feed(
            epoch="e1",
            backlog=self.backlog,
            access=options.get("access", Access()),
            desk=options.get("desk") or Desk(admission=Probe[AdmissionMessage]().ref, bytes_per_job=1),
            sampler_interval_seconds=options.get("sampler_interval_seconds", 1.0),
            limits=options.get("limits", Limits()),
            deadlines=options.get("deadlines", Deadlines()),
        )
        pair: Pair | None = options.get("tls")
        self.trust = None if pair is None else pair.trust()
        context = None if pair is None else pair.context()
        self.listener = Listener(sockets, app, self.feed, timing=Timing(graceful=1.0), tls=lambda: context)
        self.stopping = trio.Event()

    def publish(self, topic: str, seq: int, *, type_: str = "snapshot", pad: int = 0) -> None:
        """As the publisher does: the whole frame as JSON."""
        frame = {"type": type_, "topic": topic, "epoch": "e1", "seq": seq, "ts": "t", "data": "x" * pad}
        payload = json.dumps(frame).encode()
        self.backlog.add(Publication(topic=topic, seq=seq, data=b"{}", payload=payload, is_event=type_ == "event"))

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[WebSocketConnection]:
        """Connect a well-behaved client; at the end it goes without a close frame.

        The library's own context manager leaks its socket when we close first, and its close raises when a ping
        comes in between.
        """
        stream = self.over_tls(await trio.open_tcp_stream("127.0.0.1", self.port))
        async with stream, trio.open_nursery() as nursery:
            with trio.fail_after(10):
                websocket = await wrap_client_stream(nursery, stream, f"127.0.0.1:{self.port}", "/feed", **options)
            yield websocket
            nursery.cancel_scope.cancel()

    def over_tls(self, stream: trio.SocketStream) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
        """What a client speaks on a connection, if this server wants it to."""
        if self.trust is None:
            return stream
        return trio.SSLStream(stream, self.trust, server_hostname="localhost", https_compatible=True)

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes on a connection of its own and read to its end."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        with trio.fail_after(10):
            async with stream:
                await stream.send_all(data)
                return b"".join([piece async for piece in stream])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the other side of a socket does in its own time."""
        with trio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(0.002)

    async def check_alive(self) -> None:
        """HTTP is answered, and a new client is greeted."""
        with trio.fail_after(10):
            answer = await self.exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            async with self.client() as websocket:
                assert json.loads(await websocket.get_message())["type"] == "hello"


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def _serving(sockets: list[socket.socket], **options: Any) -> AsyncIterator[Server]:
    server = Server(sockets, **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(server.listener.run, stopping=server.stopping))
        yield server
        server.stopping.set()


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Server]:
    """The same on a free loopback port."""
    sockets = bind("127.0.0.1", 0)
    try:
        async with _serving(sockets, **options) as server:
            yield server
    finally:
        release(sockets)


@pytest.fixture
def serve_sockets() -> Serve:
    """`async with serve_sockets(sockets, limits=...) as server`."""
    return _serving


@pytest.fixture
def serve() -> Serve:
    """`async with serve(limits=..., deadlines=..., access=..., tls=...) as server`."""
    return listening
