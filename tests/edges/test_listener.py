"""One port for two servers, and nothing that a peer does reaches further than its own connection."""

import socket
import struct
from typing import Any

import pytest
import structlog.testing
import trio

from aura_actors.edges.connection import Connection
from aura_actors.edges.head import RequestHead
from aura_actors.edges.listener import Timing

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET_ONCE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


@pytest.mark.parametrize("index", [0, 1], ids=["tcp", "unix"])
async def test_one_socket_serves_http_and_the_feed(open_listener: Any, index: int) -> None:
    """Also requests that come in pieces, and several on one connection."""
    async with open_listener() as served:
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


async def test_a_root_path_moves_the_feed(open_listener: Any) -> None:
    """The path is exact."""
    async with open_listener(root_path="/aura") as served:
        assert b"101 Switching" in await served.exchange(
            UPGRADE.replace(b"/feed", b"/aura/feed") + b"\x88\x80\0\0\0\0"
        )
        assert b"101 Switching" not in await served.exchange(UPGRADE)


async def test_a_connection_that_says_nothing_in_time_is_closed(open_listener: Any) -> None:
    """Likewise one whose upgrade request never ends. Nothing is sent: there is nobody to answer yet."""
    async with open_listener(timing=Timing(head=0.05, keep_alive=0.05)) as served:
        for data in (b"", UPGRADE[:40], b"GET / HT"):
            assert await served.exchange(data) == b""
        assert served.listener.statistics().failures_total == 0


async def test_an_idle_connection_is_closed_after_a_while(open_listener: Any) -> None:
    """Counted from the end of the last answer."""
    async with open_listener(timing=Timing(keep_alive=0.05)) as served:
        assert (await served.exchange(GET)).endswith(b"ok")


async def test_a_peer_that_leaves_is_forgotten_at_once(open_listener: Any) -> None:
    """Not after the idle timer; also in the middle of pipelined requests, and while its handler runs."""
    async with open_listener(timing=Timing(keep_alive=1000)) as served:
        stuck = b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n"
        for data in (GET, GET * 20, stuck, stuck + GET, b"POST / HTTP/1.1\r\n"):
            for linger in (False, True):
                stream = await served.connect()
                await stream.send_all(data)
                if linger:
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await stream.aclose()
        await served.until(lambda: served.listener.statistics().connections == 0)
        assert served.listener.statistics().accepted_total == 10


async def test_a_slow_request_is_not_ended_by_the_idle_timer(open_listener: Any) -> None:
    async with open_listener(timing=Timing(keep_alive=0.05)) as served:
        assert (await served.exchange(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")).endswith(b"slow done")


async def test_an_answer_is_one_write_and_an_interim_one_does_not_wait_for_it(
    open_listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    send_nowait = Connection.send_nowait

    def counted(self: Connection, data: bytes) -> int:
        writes.append(data)
        return send_nowait(self, data)

    monkeypatch.setattr(Connection, "send_nowait", counted)
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    async with open_listener(timing=Timing(keep_alive=0.05)) as served:
        await served.exchange(GET + b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert [write.partition(b"\r\n\r\n")[2] for write in writes] == [b"ok", b""]
        async with await served.connect() as stream:
            await stream.send_all(post)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
            await stream.send_all(b"x")
            assert (await stream.receive_some()).endswith(b"posted")
        assert len(writes) == 4


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
    "h2c upgrade": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: !!!\r\n\r\n"
    ),
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
async def test_a_malformed_input_harms_nobody_else(open_listener: Any, name: str, ending: str) -> None:
    """Whether the peer ends its side and waits, goes away, or resets; afterwards everybody else is served."""
    async with open_listener() as served:
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


async def test_a_fault_in_a_server_is_counted_and_logged_once(open_listener: Any) -> None:
    """One line with what and where; the listener goes on."""

    class Faulty:
        async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()

        async def handle(self, connection: Connection, head: RequestHead) -> None:
            async with trio.open_nursery():
                raise KeyError("fault")

        def stop(self) -> None:
            """Nobody to stop."""

    with structlog.testing.capture_logs() as lines:
        async with open_listener(feed=Faulty()) as served:
            assert await served.exchange(UPGRADE) == b""
            assert (await served.exchange(GET_ONCE)).endswith(b"ok")
            await served.until(lambda: served.listener.statistics().connections == 0)
    assert served.listener.statistics().failures_total == 1
    [line] = [line for line in lines if line["log_level"] == "warning"]
    assert (line["event"], line["peer"]) == ("connection failed", "127.0.0.1")
    assert line["error"].startswith("KeyError: 'fault' at handle:")


async def test_running_out_of_descriptors_is_waited_out(
    open_listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next accept works again; it is counted, and logged, but not once per try."""
    accept = trio.SocketListener.accept
    failures = [OSError(24, "Too many open files"), OSError(23, "Too many open files in system")]

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    with structlog.testing.capture_logs() as lines:
        async with open_listener() as served:
            await served.check_alive()
            assert served.listener.statistics().overloads_total == 2
    assert len([line for line in lines if line["event"] == "cannot accept"]) == 1
