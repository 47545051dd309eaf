"""TLS on the one port: what goes wrong in a handshake ends there, and the unix socket stays as it is."""

import contextlib
import json
import os
import socket
import ssl
import struct
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from aura_actors.edges.listener import Timing
from aura_actors.edges.tls import TlsStream
from tests.certificates import Issuer, Pair

GET_ONCE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
FOREVER = Timing(head=60, keep_alive=60)


@pytest.fixture(scope="module")
def pair(issue: Issuer) -> Pair:
    """One for all tests of this file."""
    return issue()


async def ask(served: Any, pair: Pair) -> bytes:
    """The whole answer to one request over TLS."""
    with trio.fail_after(10):
        stream = trio.SSLStream(await served.connect(), pair.trust(), server_hostname="localhost")
        async with stream:
            await stream.send_all(GET_ONCE)
            return b"".join([piece async for piece in stream])


async def test_http_over_tls_ends_as_tls_does(open_listener: Any, pair: Pair) -> None:
    """The client insists on a word at the end, without which an answer may have been cut; ALPN says HTTP/1.1."""
    context = pair.context()
    async with open_listener(tls=lambda: context) as served:
        assert (await ask(served, pair)).endswith(b"\r\n\r\nok")
        trust = pair.trust()
        trust.set_alpn_protocols(["h2", "http/1.1"])
        stream = trio.SSLStream(await served.connect(), trust, server_hostname="localhost")
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "http/1.1"
        await stream.transport_stream.aclose()


async def test_an_answer_of_many_records_is_whole(open_listener: Any, pair: Pair) -> None:
    """30 MB, to a client that takes a moment before it reads."""
    context = pair.context()
    async with open_listener(tls=lambda: context) as served:
        stream = trio.SSLStream(await served.connect(), pair.trust(), server_hostname="localhost")
        await stream.send_all(GET_ONCE.replace(b"/ ", b"/big "))
        await served.until(lambda: "big begins" in served.log)
        received = 0
        with trio.fail_after(30):
            async for piece in stream:
                received += len(piece)
        assert received > 30_000_000
        await stream.transport_stream.aclose()


async def test_the_unix_socket_speaks_no_tls(open_listener: Any, pair: Pair) -> None:
    """Who may open it is decided by the file system."""
    context = pair.context()
    async with open_listener(tls=lambda: context) as served:
        await served.check_alive(1)


async def test_plain_http_is_told_to_come_with_tls(open_listener: Any, pair: Pair) -> None:
    """In an answer of its own kind; whoever sends other bytes is closed. Neither is a failure of ours."""
    context = pair.context()
    async with open_listener(tls=lambda: context) as served:
        head, _, body = (await served.exchange(GET_ONCE + b"x" * 50_000)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json")
        assert "https://" in json.loads(body)["detail"]
        stream = await served.connect()
        await stream.send_all(b"\x00plain bytes\r\n\r\n")
        with trio.fail_after(10):
            await read_to_any_end(stream)
        assert (await ask(served, pair)).endswith(b"ok")
        statistics = served.listener.statistics()
        assert (statistics.handshakes_failed_total, statistics.failures_total) == (2, 0)


async def test_a_stalled_handshake_is_closed_in_time_and_costs_nobody_else_anything(
    open_listener: Any, pair: Pair
) -> None:
    """Whatever it has sent so far. It counts as a connection meanwhile."""
    context = pair.context()
    async with open_listener(tls=lambda: context, timing=Timing(head=0.5)) as served:
        stalled = [await served.connect() for _ in range(20)]
        for number, stream in enumerate(stalled):
            await stream.send_all(hello(pair)[: 20 * number])
        await served.until(lambda: served.listener.statistics().connections == 20)
        assert (await ask(served, pair)).endswith(b"ok")
        assert served.listener.statistics().connections >= 20
        for stream in stalled:
            with trio.fail_after(10):
                await read_to_any_end(stream)
        await served.until(lambda: served.listener.statistics().connections == 0)


async def test_a_peer_may_vanish_at_any_point_of_the_handshake(open_listener: Any, pair: Pair) -> None:
    """With an end or a reset: nothing is logged, nothing stays."""
    context = pair.context()
    with structlog.testing.capture_logs() as logged:
        async with open_listener(tls=lambda: context, timing=FOREVER) as served:
            data = hello(pair)
            for sent in (b"", data[:1], data[:7], data[:-1], data):
                for reset in (False, True):
                    stream = await served.connect()
                    await stream.send_all(sent)
                    if reset:
                        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    await stream.aclose()
            await served.until(lambda: served.listener.statistics().accepted_total == 10)
            await served.until(lambda: served.listener.statistics().connections == 0)
            statistics = served.listener.statistics()
            assert (statistics.handshakes_failed_total, statistics.failures_total) == (10, 0)
            assert (await ask(served, pair)).endswith(b"ok")
    assert logged == []


async def test_the_last_word_waits_for_room(pair: Pair) -> None:
    """Without it a client does not know whether something was cut off. What fills the kernel here is no TLS."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    trust = pair.trust()
    trust.maximum_version = ssl.TLSVersion.TLSv1_2  # after whose handshake the server sends nothing by itself
    async with listener, trio.open_nursery() as nursery:
        below = await trio.testing.open_stream_to_socket_listener(listener)
        client = trio.SSLStream(below, trust, server_hostname="localhost")
        server = TlsStream(await listener.accept(), pair.context())
        nursery.start_soon(client.do_handshake)
        await server.handshake()
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(server.socket.fileno(), bytes(65_536))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_eof)
        await trio.testing.wait_all_tasks_blocked()
        while filled:
            filled -= len(await below.receive_some(filled))
        with trio.fail_after(10):
            assert await client.receive_some() == b""
    await below.aclose()
    await server.aclose()


async def test_the_stop_does_not_wait_for_a_handshake(open_listener: Any, pair: Pair) -> None:
    context = pair.context()
    async with open_listener(tls=lambda: context, timing=FOREVER) as served:
        stream = await served.connect()
        await stream.send_all(hello(pair)[:50])
        await served.until(lambda: served.listener.statistics().connections == 1)
        served.stopping.set()
        with trio.fail_after(0.9):  # not the second that clients with a request have
            await served.until(lambda: served.listener.statistics().connections == 0)
        await stream.aclose()


async def test_a_new_certificate_is_for_those_who_connect_from_then_on(
    open_listener: Any, pair: Pair, issue: Issuer
) -> None:
    """A connection that is open goes on."""
    contexts, other = [pair.context()], issue()
    async with open_listener(tls=lambda: contexts[-1]) as served:
        before = trio.SSLStream(await served.connect(), pair.trust(), server_hostname="localhost")
        await before.send_all(GET_ONCE[:10])
        contexts.append(other.context())
        assert (await ask(served, other)).endswith(b"ok")
        with pytest.raises(trio.BrokenResourceError):
            await ask(served, pair)
        await before.send_all(GET_ONCE[10:])
        assert b"".join([piece async for piece in before]).endswith(b"ok")
        await before.aclose()


def hello(pair: Pair) -> bytes:
    """The first bytes of a client."""
    sent = ssl.MemoryBIO()
    client = pair.trust().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


async def read_to_any_end(stream: trio.SocketStream) -> None:
    """Until it is closed, in order or not."""
    async with stream:
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            return
