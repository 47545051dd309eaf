"""RFC 6455 case by case, with raw sockets: the numbers are those of the cases of Autobahn's suite that apply here.

That suite runs on Python 2 only, so its applicable cases are a table of our own. The feed does not echo: what is a
message is answered by an `error` frame, because none of these is JSON. Cases above 4 KiB, of binary messages and of
compression do not apply; that they are refused is tested here and in `test_hostile`.
"""

import json
import random
import struct
from typing import Any, NamedTuple

import pytest
import trio
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from aura_actors.edges.feed.frames import Close

UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KOSME = "κόσμε".encode()


def frame(first: int, payload: bytes = b"", *, mask: bytes = b"\x1f\x2e\x3d\x4c") -> bytes:
    """A client's frame, masked, in the shortest notation of its length."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([first]) + length + mask + bytes(each ^ mask[at % 4] for at, each in enumerate(payload))


def text(payload: bytes) -> bytes:
    return frame(FIN | TEXT, payload)


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class Heard(NamedTuple):
    """What the server said, in order: `message` for each answer, pongs by their payload, and the close code."""

    said: list[str | bytes]
    code: int | None


async def converse(server: Any, sent: bytes, *, piece_bytes: int = 0) -> Heard:
    """Send it in pieces (0: at once), then a close frame, and hear all there is."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    async with stream, trio.open_nursery() as nursery:
        stream.setsockopt(6, 1, 1)
        received = b""

        async def speak() -> None:
            try:
                await stream.send_all(UPGRADE)
                for at in range(0, len(sent), piece_bytes or len(sent) or 1):
                    await stream.send_all(sent[at : at + (piece_bytes or len(sent))])
                    await trio.lowlevel.checkpoint()
                await stream.send_all(close())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the server was done before we were

        nursery.start_soon(speak)
        with trio.fail_after(10):
            async for piece in stream:
                received += piece
        nursery.cancel_scope.cancel()
    return understood(received)


def understood(received: bytes) -> Heard:
    """Every frame must be whole, unmasked and well-formed, or the parser raises."""
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"permessage-deflate" not in head
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(rest)
    said: list[str | bytes] = []
    for each in client.received_frames():
        if each.opcode is Opcode.CLOSE:
            assert isinstance(each.payload, tuple)
            return Heard(said, int(each.payload[0]))
        if each.opcode is Opcode.PONG:
            said.append(bytes(each.payload))  # type: ignore[arg-type] # a pong's is bytes
        elif json.loads(str(each.payload))["type"] != "hello":
            said.append("message")
    return Heard(said, None)


ONE = ["message"]

CASES: dict[str, tuple[bytes, list[str | bytes], int]] = {
    **{f"1.1 text of {n}": (text(b"*" * n), [*ONE], 1000) for n in (0, 1, 125, 126, 127, 128, 4095, 4096)},
    **{f"1.2 binary of {n}": (frame(FIN | BINARY, b"\xfe" * n), [], 1003) for n in (0, 125, 126)},
    "1.1 text of 4097": (text(b"*" * 4097), [], 1009),
    "2.1 ping without payload": (frame(FIN | PING), [b""], 1000),
    "2.2 ping with payload": (frame(FIN | PING, b"Hello, world!"), [b"Hello, world!"], 1000),
    "2.3 ping with binary payload": (frame(FIN | PING, b"\x00\xff\xfe\xfd"), [b"\x00\xff\xfe\xfd"], 1000),
    "2.4 ping of 125": (frame(FIN | PING, b"\xfe" * 125), [b"\xfe" * 125], 1000),
    "2.5 ping of 126": (frame(FIN | PING, b"\xfe" * 126), [], 1002),
    "2.7 unsolicited pong": (frame(FIN | PONG), [], 1000),
    "2.8 unsolicited pong with payload": (frame(FIN | PONG, b"pong"), [], 1000),
    "2.9 unsolicited pong, then a ping": (frame(FIN | PONG, b"no") + frame(FIN | PING, b"yes"), [b"yes"], 1000),
    "2.10 ten pings": (
        b"".join(frame(FIN | PING, b"%d" % n) for n in range(10)),
        [b"%d" % n for n in range(10)],
        1000,
    ),
    **{
        f"3 reserved bits {bits:#x} on opcode {opcode}": (frame(FIN | bits | opcode, b"x"), [], 1002)
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3)
        for opcode in (TEXT, PING, PONG)
    },
    "3.7 reserved bits on a close": (frame(FIN | RSV1 | CLOSE, b"\x03\xe8"), [], 1002),
    "3.4 what came before reserved bits is answered": (text(b"a") + frame(FIN | RSV3 | TEXT, b"x"), [*ONE], 1002),
    **{f"4 opcode {op}": (frame(FIN | op, b"x"), [], 1002) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"4 opcode {op} without payload": (frame(FIN | op), [], 1002) for op in (3, 7, 11, 15)},
    "5.1 ping in fragments": (frame(PING, b"a") + frame(FIN | CONT, b"b"), [], 1002),
    "5.2 pong in fragments": (frame(PONG, b"a") + frame(FIN | CONT, b"b"), [], 1002),
    "5.3 text in two": (frame(TEXT, b"a") + frame(FIN | CONT, b"b"), [*ONE], 1000),
    "5.6 a ping between": (
        frame(TEXT, b"a") + frame(FIN | PING, b"p") + frame(FIN | CONT, b"b"),
        [b"p", "message"],
        1000,
    ),
    "5.9 continuation of nothing": (frame(FIN | CONT, b"a") + text(b"b"), [], 1002),
    "5.10 the same, not final": (frame(CONT, b"a") + frame(FIN | CONT, b"b"), [], 1002),
    "5.15 continuation of what is whole": (text(b"a") + frame(FIN | CONT, b"b"), [*ONE], 1002),
    "5.18 text inside text": (frame(TEXT, b"a") + text(b"b"), [], 1002),
    "5.19 five fragments and pings": (
        frame(TEXT, b"1") + frame(CONT, b"2") + frame(FIN | PING, b"p") + frame(CONT, b"3") + frame(CONT, b"4")
        + frame(FIN | PING, b"q") + frame(FIN | CONT, b"5"),
        [b"p", b"q", "message"],
        1000,
    ),
    "6.1 empty fragments": (frame(TEXT) + frame(CONT) + frame(FIN | CONT), [*ONE], 1000),
    "6.2 UTF-8 in one": (text(KOSME), [*ONE], 1000),
    "6.2 UTF-8 cut inside a character": (frame(TEXT, KOSME[:3]) + frame(FIN | CONT, KOSME[3:]), [*ONE], 1000),
    "6.2 UTF-8 byte by byte": (
        frame(TEXT, KOSME[:1]) + b"".join(frame(CONT, bytes([each])) for each in KOSME[1:]) + frame(FIN | CONT),
        [*ONE],
        1000,
    ),
    **{
        f"6 not UTF-8: {bad!r}": (text(KOSME + bad + b"end"), [], 1007)
        for bad in (
            b"\x80", b"\xbf", b"\xfe", b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf",
            b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82",
            b"\xf0\x9d",
        )
    },
    "6.4 not UTF-8 in a later fragment": (frame(TEXT, KOSME) + frame(FIN | CONT, b"\xed\xa0\x80"), [], 1007),
    "6.22 noncharacters are characters": (text("\uffff\U0010ffff".encode()), [*ONE], 1000),
    "7.1.1 message, then close": (text(b"a") + close(), [*ONE], 1000),
    "7.1.3 ping after close": (close() + frame(FIN | PING, b"p"), [], 1000),
    "7.1.4 text after close": (close() + text(b"a"), [], 1000),
    "7.1.5 close inside a message": (frame(TEXT, b"a") + close() + frame(FIN | CONT, b"b"), [], 1000),
    "7.3.1 close without code": (close(None), [], int(Close.NO_CODE)),
    "7.3.2 close of one byte": (frame(FIN | CLOSE, b"a"), [], 1002),
    "7.3.4 close with a reason": (close(1000, b"Hello"), [], 1000),
    "7.3.5 reason of 123": (close(1000, b"*" * 123), [], 1000),
    "7.3.6 reason of 124": (close(1000, b"*" * 124), [], 1002),
    "7.5.1 reason not UTF-8": (close(1000, KOSME + b"\xed\xa0\x80"), [], 1007),
    **{
        f"7.7 close code {code}": (close(code), [], code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{f"7.9 close code {code}": (close(code), [], 1002) for code in (0, 999, 1004, 1005, 1006, 1015)},
    "an unmasked frame": (b"\x81\x01x", [], 1002),
    "an unmasked ping": (b"\x89\x00", [], 1002),
    "a length in more bytes than needed": (b"\x81\xfe\x00\x01\x00\x00\x00\x00x", [], 1002),
    "a length of 2^62": (b"\x81\xff\x40" + bytes(7) + bytes(4), [], 1009),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_case_of_the_protocol(serve: Any, name: str) -> None:
    """At once, and in pieces of 1 and 7 bytes: where the network cuts makes no difference."""
    sent, said, code = CASES[name]
    pieces = (0,) if len(sent) > 500 else (0, 1, 7)
    async with serve() as server:
        for piece_bytes in pieces:
            heard = await converse(server, sent, piece_bytes=piece_bytes)
            assert heard == Heard(said, None if code == CloseReason.NO_STATUS_RCVD and heard.code is None else code)
        assert server.listener.statistics().failures_total == 0


async def test_every_mask_is_taken_off(serve: Any) -> None:
    """A subscription is understood under any."""
    wanted = b'{"type":"subscribe","topics":["weather"]}'
    chance = random.Random(1)
    async with serve() as server:
        for mask in (bytes(4), b"\xff\xff\xff\xff", *(chance.randbytes(4) for _ in range(5))):
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            async with stream:
                await stream.send_all(UPGRADE + frame(FIN | TEXT, wanted, mask=mask) + close())
                with trio.fail_after(10):
                    received = b"".join([piece async for piece in stream])
            assert b"there is no topic 'weather'" in received
