"""One port for two servers, and nothing that a peer does reaches further than its own connection."""

import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from quart import websocket
from quart_trio import QuartTrio

from aura_actors.edges.access import Access
from aura_actors.edges.bind import address_of, bind, release
from aura_actors.edges.connection import Connection
from aura_actors.edges.feed import Feed
from aura_actors.edges.head import MAX_HEAD_BYTES, Other, RequestHead, route
from aura_actors.edges.listener import Listener, Timing
from aura_actors.errors import AlreadyServed, InvalidValue
from aura_actors.kernel.bus import Bus
from aura_actors.kernel.latest import Latest

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
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

    def __init__(self, sockets: list[socket.socket], **options: Any) -> None:
        self.log: list[str] = []
        self.sockets = sockets
        self.stopping = trio.Event()
        feed = Feed(
            epoch="e", topics={"system": Latest(None)}, events=Bus(), access=Access(), sampler_interval_seconds=1
        )
        self.listener = Listener(sockets, make_app(self.log), feed, **options)

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
            while not condition():
                await trio.sleep(0.002)


@asynccontextmanager
async def serving(sockets: list[socket.socket], **options: Any) -> AsyncIterator[Served]:
    """Run a listener over the sockets, which stay open."""
    served = Served(sockets, **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(served.listener.run, stopping=served.stopping))
        yield served
        served.stopping.set()


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve() as served`: TCP (index 0) and a unix socket (index 1)."""

    @asynccontextmanager
    async def both(**options: Any) -> AsyncIterator[Served]:
        sockets = bind("127.0.0.1", 0, tmp_path / "s")
        try:
            async with serving(sockets, **options) as served:
                yield served
        finally:
            release(sockets)

    return both


# --- which server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"GET /fe", None),
        (b"GET /feed", None),
        (UPGRADE[:-1], None),
        (b"GET /feed HTTP/1.1\r\n" + b"X: y\r\n" * 100, None),
        (GET, Other.HTTP),
        (b"G\x16", Other.HTTP),
        (b"\x16\x03\x01", Other.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Other.HTTP),
        (b"POST /feed", Other.HTTP),
        (b"GET /feeds", Other.HTTP),
        (b"GET /feed/", Other.HTTP),
        (b"GET /%66eed", Other.HTTP),
        (b"get /feed", Other.HTTP),
        (b"GET /feed HTTP/1.1\r\nHost: h\r\n\r\n", Other.HTTP),
        (UPGRADE.replace(b"websocket", b"h2c"), Other.HTTP),
        (b"GET /feed HTTP/1.1\r\nHost: h\r\nBroken\r\n\r\n", Other.HTTP),
        (b"GET /feed HTTP/1.1\r\nX: " + b"y" * MAX_HEAD_BYTES, Other.HTTP),
    ],
)
def test_only_a_would_be_feed_request_is_waited_for(data: bytes, expected: Other | None) -> None:
    """Everything else is the HTTP server's as soon as it differs."""
    assert route(data, feed_path="/feed") is expected


def test_a_feed_request_is_recognised_by_path_and_upgrade() -> None:
    """With a query, below a root path, and with frames right behind it."""
    for data, path in (
        (UPGRADE + b"\x81\x80", "/feed"),
        (UPGRADE.replace(b"/feed", b"/feed?x=1"), "/feed"),
        (UPGRADE.replace(b"/feed", b"/aura/feed"), "/aura/feed"),
        (UPGRADE.replace(b"websocket", b"WebSocket"), "/feed"),
    ):
        head = route(data, feed_path=path)
        assert isinstance(head, RequestHead)
        assert head.size == data.index(b"\r\n\r\n") + 4
        assert head.tokens(b"upgrade")[0].lower() == "websocket"
    assert route(UPGRADE, feed_path="/aura/feed") is Other.HTTP


@given(st.binary(max_size=300), st.integers(0, len(UPGRADE)))
def test_any_bytes_get_an_answer(junk: bytes, at: int) -> None:
    """Junk in the place of any part of a request raises nothing."""
    route(UPGRADE[:at] + junk, feed_path="/feed")
    route(UPGRADE[:at] + junk + UPGRADE[at:], feed_path="/feed")


async def test_bytes_looked_at_are_read_again() -> None:
    """By whoever gets the connection, in any portions."""
    left, right = socket.socketpair()
    async with trio.SocketStream(trio.socket.from_stdlib_socket(left)) as near:
        connection = Connection(trio.SocketStream(trio.socket.from_stdlib_socket(right)), send_seconds=1)
        await near.send_all(b"abc")
        assert await connection.look_ahead(lambda data: data or None, 10) == b"abc"
        await near.send_all(b"def")
        assert await connection.look_ahead(lambda data: data if len(data) == 6 else None, 10) == b"abcdef"
        assert [await connection.receive_some(2), await connection.receive_some()] == [b"ab", b"cdef"]
        await near.send_eof()
        assert await connection.look_ahead(lambda data: data or None, 10) is None
        assert await connection.receive_some() == b""
        connection.close()
        assert connection.peer == ""


# --- serving --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1], ids=["tcp", "unix"])
async def test_one_socket_serves_http_and_the_feed(serve: Serve, index: int) -> None:
    """Also requests that come in pieces, and several on one connection."""
    async with serve() as served:
        await served.check_alive(index)
        async with await served.connect(index) as stream:
            for _ in range(3):
                received = b""
                for byte in GET:
                    await stream.send_all(bytes([byte]))
                with trio.fail_after(10):
                    while not received.endswith(b"ok"):
                        received += await stream.receive_some()
        assert (await served.exchange(GET + GET + GET_ONCE, index)).count(b"HTTP/1.1 200") == 3
        assert b"404" in await served.exchange(b"GET /feed HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", index)


async def test_a_root_path_moves_the_feed(serve: Serve) -> None:
    """The path is exact."""
    async with serve(root_path="/aura") as served:
        assert b"101 Switching" in await served.exchange(
            UPGRADE.replace(b"/feed", b"/aura/feed") + b"\x88\x80\0\0\0\0"
        )
        assert b"101 Switching" not in await served.exchange(UPGRADE)


async def test_a_connection_that_says_nothing_in_time_is_closed(serve: Serve) -> None:
    """Likewise one whose upgrade request never ends. Nothing is sent: there is nobody to answer yet."""
    async with serve(timing=Timing(head=0.05, keep_alive=0.05)) as served:
        for data in (b"", UPGRADE[:40], b"GET / HT"):
            assert await served.exchange(data) == b""
        assert served.listener.statistics().failures_total == 0


MALFORMED = {
    "nothing": b"",
    "plain": GET,
    "half header": b"GET / HT",
    "half feed header": UPGRADE[:50],
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "junk": bytes(range(256)) * 40,
    "upgrade + trailing": UPGRADE + b"x\r\n",
    "upgrade + bad frame": UPGRADE + b"\xff\xff\xff\xff",
    "foreign route + trailing": UPGRADE.replace(b"/feed", b"/ws") + b"x\r\n",
    "foreign route + bad frame": UPGRADE.replace(b"/feed", b"/ws") + b"\xff\xff\xff\xff",
    "no route + trailing": UPGRADE.replace(b"/feed", b"/none") + b"x\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "huge feed header": b"GET /feed HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "h2 preface + junk": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 64,
    "h2 preface + random": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)),
    "bad content length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "bad chunk": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "body cut short": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab",
    "bad ws key": UPGRADE.replace(b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n", b""),
    "bad ws version": UPGRADE.replace(b"Version: 13", b"Version: 9"),
    "foreign bad ws version": UPGRADE.replace(b"Version: 13", b"Version: 9").replace(b"/feed", b"/ws"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no host upgrade": UPGRADE.replace(b"Host: localhost\r\n", b""),
    "h2c upgrade": b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: !!!\r\n\r\n",
    "h2c upgrade + junk": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\njunkjunkjunk"
    ),
    "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "request line not ASCII": b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    "nul in header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    "second request broken": GET + b"\x00\x01\x02\r\n\r\n",
    "upgrade on a used connection": GET + UPGRADE + b"x",
}


@pytest.mark.parametrize("ending", ["end", "close", "reset"])
@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_input_harms_nobody_else(serve: Serve, name: str, ending: str) -> None:
    """Whether the peer ends its side and waits, goes away, or resets; afterwards everybody else is served."""
    async with serve() as served:
        with trio.fail_after(10):
            stream = await served.connect()
            try:
                if MALFORMED[name]:
                    await stream.send_all(MALFORMED[name])
                if ending == "end":
                    await stream.send_eof()
                    with trio.move_on_after(0.1):
                        while await stream.receive_some():
                            pass
                elif ending == "reset":
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except trio.BrokenResourceError:
                pass  # we were cut off first
            await stream.aclose()
        await served.check_alive()
        await served.until(lambda: served.listener.statistics().connections == 0)


async def test_a_fault_in_a_server_is_counted_and_logged_once() -> None:
    """One line with what and where; the listener goes on."""

    class Faulty:
        async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()

        async def handle(self, connection: Connection, head: RequestHead) -> None:
            async with trio.open_nursery():
                raise KeyError("fault")

        def stop(self) -> None:
            """Nobody to stop."""

    sockets = bind("127.0.0.1", 0)
    served = Served(sockets)
    with structlog.testing.capture_logs() as lines:
        served.listener = Listener(sockets, make_app([]), Faulty())
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(served.listener.run, stopping=served.stopping))
            assert await served.exchange(UPGRADE) == b""
            assert (await served.exchange(GET_ONCE)).endswith(b"ok")
            await served.until(lambda: served.listener.statistics().connections == 0)
            served.stopping.set()
    release(sockets)
    assert served.listener.statistics().failures_total == 1
    [line] = [line for line in lines if line["log_level"] == "warning"]
    assert (line["event"], line["peer"]) == ("connection failed", "127.0.0.1")
    assert line["error"].startswith("KeyError: 'fault' at handle:")


async def test_running_out_of_descriptors_is_waited_out(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next accept works again; it is counted, and logged, but not once per try."""
    accept = trio.SocketListener.accept
    failures = [OSError(24, "Too many open files"), OSError(23, "Too many open files in system")]

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    with structlog.testing.capture_logs() as lines:
        async with serve() as served:
            await served.check_alive()
            assert served.listener.statistics().overloads_total == 2
    assert len([line for line in lines if line["event"] == "cannot accept"]) == 1


# --- starting, stopping, restarting -----------------------------------------------------------------------------


async def test_the_application_is_started_and_ended_once_per_run(tmp_path: Path) -> None:
    """And the sockets outlive the run: clients of the next one connect in between and are answered after it starts."""
    sockets = bind("127.0.0.1", 0, tmp_path / "s")
    for index in (0, 1):
        async with serving(sockets) as served:
            await served.check_alive()
        assert served.log == ["startup", "shutdown"]
        waiting = await served.connect(index)
        await waiting.send_all(GET_ONCE)
        async with serving(sockets):
            with trio.fail_after(10):
                assert b"".join([piece async for piece in waiting]).endswith(b"ok")
        await waiting.aclose()
    release(sockets)


async def test_an_application_that_cannot_start_fails_the_start() -> None:
    """The supervisor must know."""
    app = QuartTrio("broken")

    @app.before_serving
    async def startup() -> None:
        raise RuntimeError("no")

    sockets = bind("127.0.0.1", 0)
    feed = Feed(epoch="e", topics={}, events=Bus(), access=Access(), sampler_interval_seconds=1)
    with pytest.raises(ExceptionGroup, match="nursery"):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(Listener(sockets, app, feed).run, stopping=trio.Event()))
    release(sockets)


async def test_the_stop_lets_a_request_finish(serve: Serve) -> None:
    """New ones are not taken; idle connections and silent ones are closed at once."""
    async with serve() as served:
        idle, silent, half, busy = [await served.connect() for _ in range(4)]
        await idle.send_all(GET)
        assert b"200" in await idle.receive_some()
        await half.send_all(UPGRADE[:40])
        await busy.send_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: "slow begins" in served.log)
        served.stopping.set()
        with trio.fail_after(2):
            for quiet in (idle, silent, half):
                assert await quiet.receive_some() == b""
            assert b"".join([piece async for piece in busy]).endswith(b"slow done")
        for stream in (idle, silent, half, busy):
            await stream.aclose()
    assert served.log[-1] == "shutdown"


async def test_the_stop_does_not_wait_for_the_stuck(serve: Serve) -> None:
    """A handler that never ends and a client that reads nothing: all is over in two seconds."""
    async with serve(timing=Timing(graceful=0.2)) as served:
        handler, reader = await served.connect(), await served.connect()
        await handler.send_all(b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: {"stuck begins", "big begins"} <= set(served.log))
        await trio.sleep(0.05)
        began = trio.current_time()
        served.stopping.set()
        await served.until(lambda: "shutdown" in served.log)
        assert trio.current_time() - began < 2
        await handler.aclose()
        await reader.aclose()


async def test_a_cancelled_listener_ends_in_spite_of_stalled_clients(serve: Serve) -> None:
    """A supervisor that gives up on it must not wait for a peer."""
    sockets = bind("127.0.0.1", 0)
    served = Served(sockets)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(served.listener.run, stopping=served.stopping))
            reader = await served.connect()
            await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
            await served.until(lambda: "big begins" in served.log)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    await reader.aclose()
    release(sockets)
    assert served.listener.statistics().connections == 0


async def test_a_client_that_does_not_take_its_answer_is_cut_off(serve: Serve) -> None:
    """Its request must not hold memory for ever."""
    async with serve(timing=Timing(send=0.1)) as served:
        reader = await served.connect()
        await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: served.log[-1] == "big begins")
        await served.until(lambda: served.listener.statistics().connections == 0)
        await reader.aclose()


def test_an_unknown_hypercorn_option_is_a_mistake() -> None:
    """It would be ignored silently."""
    with pytest.raises(TypeError, match="keep_alive"):
        Listener(
            [],
            make_app([]),
            Feed(epoch="e", topics={}, events=Bus(), access=Access(), sampler_interval_seconds=1),
            keep_alive=1,
        )


# --- taking an address ------------------------------------------------------------------------------------------


def test_every_address_of_a_name_is_bound_at_one_port() -> None:
    """Port 0 picks a free one, the same for all."""
    sockets = bind("localhost", 0)
    ports = {sock.getsockname()[1] for sock in sockets}
    assert len(ports) == 1
    assert address_of(sockets[0]).startswith("http://")
    assert address_of(sockets[0], "ws").endswith(f":{ports.pop()}")
    release(sockets)


def test_a_taken_port_is_one_sentence() -> None:
    """And no socket is left open."""
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(AlreadyServed, match=f"^port {port} on 127.0.0.1 is in use") as refused:
        bind("127.0.0.1", port)
    assert "\n" not in str(refused.value)
    release(sockets)
    release(bind("127.0.0.1", port))


@pytest.mark.parametrize(
    ("host", "port", "path"),
    [("no-such-host.invalid", 0, "http.host"), ("203.0.113.7", 0, "http.host"), ("127.0.0.1", 70_000, "http.port"), ("x" * 70, 0, "http.host")],
)  # fmt: skip
def test_an_address_that_cannot_be_had_names_its_setting(host: str, port: int, path: str) -> None:
    """Not resolvable, not ours, not a port."""
    with pytest.raises(InvalidValue) as refused:
        bind(host, port)
    assert refused.value.path == path


def test_a_forbidden_port_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be root; so the refusal is played."""

    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(InvalidValue, match="may not listen on port 80") as refused:
        bind("127.0.0.1", 80)
    assert refused.value.path == "http.port"


def test_a_unix_socket_is_private_and_removed(tmp_path: Path) -> None:
    """Mode 0600, and the process's umask is as before."""
    path = tmp_path / "s"
    before = os.umask(0o022)
    os.umask(before)
    sockets = bind(None, 0, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert address_of(sockets[0]) == f"unix:{path}"
    after = os.umask(before)
    assert after == before
    release(sockets)
    assert not path.exists()
    release(sockets)


def test_a_stale_unix_socket_is_replaced_and_a_live_one_refused(tmp_path: Path) -> None:
    """Stale: its program ended without removing it."""
    path = tmp_path / "s"
    [stale] = bind(None, 0, path)
    stale.close()
    assert path.exists()
    sockets = bind(None, 0, path)
    with pytest.raises(AlreadyServed, match="is served by a running program"):
        bind(None, 0, path)
    assert path.exists()
    release(sockets)


def test_a_path_that_cannot_be_a_socket_names_its_setting(tmp_path: Path) -> None:
    """A file is never replaced; a TCP socket bound before is closed again."""
    (tmp_path / "file").write_text("data")
    for path in (tmp_path / "file", tmp_path / "no" / "s", tmp_path / ("x" * 200), tmp_path / "file" / "s"):
        with pytest.raises(InvalidValue) as refused:
            bind("127.0.0.1", 0, path)
        assert refused.value.path == "http.unix"
    assert (tmp_path / "file").read_text() == "data"
