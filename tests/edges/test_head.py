"""The first bytes of a connection, and the stream that reads them twice."""

import socket

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.edges.connection import Connection
from aura_actors.edges.head import MAX_HEAD_BYTES, Other, RequestHead, route

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


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
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Other.HTTP2),
        (b"P", None),
        (b"PRI", None),
        (b"PO", Other.HTTP),
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
        assert connection.host == ""
