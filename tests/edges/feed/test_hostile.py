"""Clients that break the rules, stall or vanish: each harms only itself."""

import json
import socket
import struct
from typing import Any

import pytest
import trio
import trio.testing
from wsproto.frame_protocol import FrameProtocol

from aura_actors.edges.feed import Deadlines, Limits
from tests.certificates import Issuer

UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)
MASK = bytes(4)


def frame(first: int, payload: bytes = b"") -> bytes:
    """A masked frame with a mask of zeros, up to 64 KiB."""
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload)]) + MASK + payload
    return bytes([first, 0xFE]) + struct.pack("!H", len(payload)) + MASK + payload


SUBSCRIBE = frame(0x81, b'{"type":"subscribe","topics":["system"]}')


async def raw(server: Any, *, receive_buffer: int | None = None) -> Any:
    """A connected stream, with a tiny receive buffer if asked for."""
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", server.port))
    return server.over_tls(trio.SocketStream(sock))


async def drain(stream: trio.abc.ReceiveStream) -> None:
    """Read to the end."""
    while await stream.receive_some():
        pass


def close_code(received: bytes) -> int | None:
    """The code of the close frame that ends a server's stream after the upgrade's answer; None without one."""
    head, _, frames = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(frames)
    last = list(client.received_frames())[-1]
    return last.payload[0] if isinstance(last.payload, tuple) else None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x01x", 1002),  # unmasked
        (frame(0xC1, b"x"), 1002),  # reserved bit
        (frame(0x83, b"x"), 1002),  # reserved opcode
        (frame(0x8B), 1002),  # reserved control opcode
        (frame(0x80, b"x"), 1002),  # continuation of nothing
        (frame(0x01, b"x") + frame(0x81, b"x"), 1002),  # a message inside another
        (frame(0x09, b"x"), 1002),  # fragmented control frame
        (b"\x89\xfe\x00\x7e" + MASK + bytes(126), 1002),  # control frame too long
        (frame(0x88, b"\x00"), 1002),  # half a close code
        (frame(0x88, b"\x03\xee"), 1002),  # close code 1006
        (b"\x81\xfe\x00\x01" + MASK + b"x", 1002),  # length in more bytes than needed
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x81, b"\xc3"), 1007),  # ends inside a character
        (frame(0x88, b"\x03\xe8\xff"), 1007),  # reason not UTF-8
        (frame(0x82, b"x"), 1003),
        (frame(0x81, b"x" * 5000), 1009),
        (frame(0x01, b"x" * 3000) + frame(0x80, b"x" * 3000), 1009),
        (b"\x81\xff" + struct.pack("!Q", 2**63 - 1) + MASK, 1009),
        (frame(0x01) + frame(0x00) * 2000, 1009),  # endless empty fragments
        (frame(0x88, b"\x03\xe8bye"), 1000),
        (b"\xff\xff\xff\xff", 1002),
    ],
)
async def test_a_bad_frame_is_answered_with_its_code(serve: Any, sent: bytes, code: int) -> None:
    """Whether it comes after the greeting or right behind the request."""
    async with serve() as server:
        assert close_code(await server.exchange(UPGRADE + sent)) == code
        stream = await raw(server)
        with trio.fail_after(10):
            async with stream:
                await stream.send_all(UPGRADE)
                received = bytes(await stream.receive_some())
                await stream.send_all(sent)
                received += b"".join([piece async for piece in stream])
        assert close_code(received) == code
        await server.check_alive()
        assert server.listener.statistics().failures_total == 0


async def test_frames_sent_before_the_answer_are_not_lost(serve: Any) -> None:
    """A client may be impatient."""
    async with serve() as server:
        received = await server.exchange(UPGRADE + SUBSCRIBE + frame(0x88))
        assert b'"subscribed"' in received


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        UPGRADE[:30],
        UPGRADE,
        UPGRADE + b"x",
        UPGRADE + SUBSCRIBE,
        UPGRADE + SUBSCRIBE[:9],
        UPGRADE + frame(0x89) * 500,
    ],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_may_vanish_at_any_point(serve: Any, sent: bytes, reset: bool) -> None:
    """By an orderly end or by a reset; its place becomes free and nothing is reported as a failure."""
    async with serve() as server:
        for _ in range(3):
            stream = await raw(server)
            if sent:
                await stream.send_all(sent)
            if reset:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        await server.until(lambda: server.listener.statistics().connections == 0)
        assert server.feed.statistics().clients == 0
        server.publish("system", 1)
        await server.check_alive()
        assert server.listener.statistics().failures_total == 0


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_client_that_stops_reading_is_cut_off_and_delays_nobody(
    serve: Any, issue: Issuer, over: str
) -> None:
    """The other client gets every publication; the stalled one's are conflated, then its connection is reset."""
    limits, pair = Limits(send_buffer_bytes=4096), issue() if over == "tls" else None
    async with serve(deadlines=Deadlines(send=0.3), limits=limits, tls=pair) as server:
        stalled = await raw(server, receive_buffer=2048)
        await stalled.send_all(UPGRADE + SUBSCRIBE)
        async with server.client() as websocket:
            await websocket.get_message()
            await websocket.send_message(json.dumps({"type": "subscribe", "topics": ["system"]}))
            await websocket.get_message()
            await server.until(lambda: server.feed.statistics().clients == 2)
            for seq in range(1, 60):
                server.publish("system", seq, pad=10_000)
                with trio.fail_after(5):
                    assert json.loads(await websocket.get_message())["seq"] == seq
            statistics = server.feed.statistics()
            assert statistics.conflated_total > 20
            await server.until(lambda: server.feed.statistics().slow_disconnects_total == 1)
            await server.until(lambda: server.feed.statistics().clients == 1)
            server.publish("system", 60)
            assert json.loads(await websocket.get_message())["seq"] == 60
        with pytest.raises(trio.BrokenResourceError):  # reset, not ended
            await drain(stalled)
        await stalled.aclose()


async def test_missed_events_end_the_connection(serve: Any) -> None:
    """With 4008, once more wait to be sent than there is room for; what was sent before is whole."""
    async with serve(limits=Limits(event_capacity=4, send_buffer_bytes=4096)) as server:
        stream = await raw(server, receive_buffer=2048)
        await stream.send_all(UPGRADE + frame(0x81, b'{"type":"subscribe","topics":["alerts"]}'))
        await server.until(lambda: server.feed.statistics().frames_sent_total == 2)
        for seq in range(1, 11):
            server.publish("alerts", seq, type_="event", pad=100_000)
            await trio.testing.wait_all_tasks_blocked()
        assert server.feed.statistics().slow_disconnects_total == 1
        with trio.fail_after(10):
            received = b"".join([piece async for piece in stream])
        await stream.aclose()
        assert close_code(received) == 4008
        assert received.count(b'"event"') in {1, 2}  # what the kernel took a part of, and perhaps all of the first


async def test_a_slow_reader_sees_whole_frames(serve: Any) -> None:
    """Pongs, snapshots and replies of one connection never mix, however small the pieces that the kernel takes."""
    async with serve(
        limits=Limits(send_buffer_bytes=2048), deadlines=Deadlines(heartbeat=0.01, ping=0.005)
    ) as server:
        stream = await raw(server, receive_buffer=2048)
        await stream.send_all(UPGRADE + SUBSCRIBE)
        client = FrameProtocol(client=True, extensions=[])
        received = b""
        seen: list[Any] = []

        async def write() -> None:
            for _ in range(40):
                await stream.send_all(frame(0x89, b"ping") + frame(0x81, b"{"))
                await trio.sleep(0.001)

        async def publish() -> None:
            for seq in range(1, 41):
                server.publish("system", seq, pad=20_000)
                await trio.sleep(0.002)

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                nursery.start_soon(publish)
                while b"\r\n\r\n" not in received:
                    received += await stream.receive_some(100)
                client.receive_bytes(received.partition(b"\r\n\r\n")[2])
                text = b""
                while not any(f.get("seq") == 40 for f in seen) or sum(f["type"] == "error" for f in seen) < 40:
                    client.receive_bytes(await stream.receive_some(1500))
                    for part in client.received_frames():
                        if isinstance(part.payload, str):
                            text += part.payload.encode()
                            if part.message_finished:
                                seen.append(json.loads(text))
                                text = b""
        assert {f["type"] for f in seen} >= {"hello", "subscribed", "snapshot", "error"}
        await stream.aclose()


async def test_a_client_that_answers_no_ping_is_cut_off(serve: Any) -> None:
    """It may be gone without a word, and its place is wanted."""
    async with serve(deadlines=Deadlines(ping=0.01, pong=0.05)) as server:
        stream = await raw(server)
        await stream.send_all(UPGRADE)
        await server.until(lambda: server.feed.statistics().slow_disconnects_total == 1)
        await server.until(lambda: server.feed.statistics().clients == 0)
        await stream.aclose()


async def test_stalled_clients_do_not_hold_up_the_stop(serve: Any) -> None:
    """All is over within two seconds, however little they read."""
    async with serve(limits=Limits(send_buffer_bytes=4096)) as server:
        stalled = [await raw(server, receive_buffer=2048) for _ in range(5)]
        for stream in stalled:
            await stream.send_all(UPGRADE + SUBSCRIBE)
        await server.until(lambda: server.feed.statistics().frames_sent_total == 10)
        for seq in range(1, 5):
            server.publish("system", seq, pad=500_000)
            await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        server.stopping.set()
        await server.until(lambda: server.listener.statistics().connections == 0)
        assert trio.current_time() - began < 2
        for stream in stalled:
            await stream.aclose()


async def test_an_upgrade_request_may_come_in_pieces(serve: Any) -> None:
    """What matters is when it is complete."""
    async with serve() as server:
        stream = await raw(server)
        for at in range(0, len(UPGRADE), 40):
            await stream.send_all(UPGRADE[at : at + 40])
            await trio.sleep(0.001)
        with trio.fail_after(5):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
        await stream.aclose()


async def test_a_flood_of_mistakes_is_answered_one_by_one(serve: Any) -> None:
    """Nothing is queued: a client that does not read its answers is not read either."""
    async with serve() as server:
        stream = await raw(server)
        received = b""
        with trio.fail_after(10):
            await stream.send_all(UPGRADE + frame(0x81, b"{") * 300)
            while received.count(b'"error"') < 300:
                received += await stream.receive_some()
        await stream.aclose()
