"""One way out for all frames: whatever the socket takes of one, none is ever broken, left out or out of order."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from wsproto.frame_protocol import FrameProtocol, Opcode

from aura_actors.edges.bind import bind, release
from aura_actors.edges.connection import Connection
from aura_actors.edges.feed import Deadlines, Limits
from aura_actors.edges.tls import TlsConnection
from tests.certificates import Issuer
from tests.edges.feed.test_hostile import UPGRADE, frame, raw

SUBSCRIBE = frame(0x81, b'{"type":"subscribe","topics":["system","alerts"]}')


class Reader:
    """Understands what a server sends, piece by piece; raises where that is no row of whole frames."""

    def __init__(self) -> None:
        self._protocol = FrameProtocol(client=True, extensions=[])
        self._head: bytes | None = b""
        self._text = ""
        self.seen: list[Any] = []
        self.pongs = 0

    def feed(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101")
            self._head = None
        self._protocol.receive_bytes(data)
        for part in self._protocol.received_frames():
            self.pongs += part.opcode is Opcode.PONG
            if isinstance(part.payload, str):
                self._text += part.payload
                if part.message_finished:
                    self.seen.append(json.loads(self._text))
                    self._text = ""

    def numbers(self, topic: str) -> list[int]:
        return [each["seq"] for each in self.seen if each.get("topic") == topic]


def grudging(chance: random.Random, kind: type[Connection] = Connection) -> Any:
    """A socket that takes any part of a frame, or nothing."""
    real = kind.send_nowait

    def send_nowait(self: Connection, data: bytes) -> int:
        size = chance.choice([0, 1, 2, 3, len(data) // 2, len(data) - 1, len(data)])
        return real(self, data[:size]) if size > 0 else 0

    return send_nowait


def no_socket(self: Connection, data: bytes) -> int:
    """As of a stream that takes nothing at once: everything goes the awaiting way."""
    return 0


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["socket", "grudging", "no socket", "tls", "grudging tls"])
async def test_no_frame_is_ever_broken_and_no_event_left_out(
    serve: Any, issue: Issuer, monkeypatch: pytest.MonkeyPatch, kind: str, seed: int
) -> None:
    """Tiny buffers, readers that pause, pings and mistakes in between, four clients at once."""
    chance = random.Random(seed)
    if kind in ("grudging", "no socket"):
        monkeypatch.setattr(Connection, "send_nowait", no_socket if kind == "no socket" else grudging(chance))
    if kind == "grudging tls":
        monkeypatch.setattr(TlsConnection, "send_nowait", grudging(chance, TlsConnection))
    limits, deadlines = Limits(send_buffer_bytes=1), Deadlines(heartbeat=0.003, ping=0.004, pong=60)
    readers = [Reader() for _ in range(4)]
    seq, mistakes = 40, 20
    pair = issue() if "tls" in kind else None
    async with serve(limits=limits, deadlines=deadlines, tls=pair) as server, trio.open_nursery() as nursery:

        async def publish() -> None:
            await server.until(lambda: server.feed.statistics().frames_sent_total >= 8)
            for number in range(1, seq + 1):
                server.publish("system", number, pad=chance.choice([0, 10, 200, 5000, 20_000]))
                server.publish("alerts", number, type_="event", pad=chance.randrange(2000))
                await trio.sleep(chance.choice([0, 0, 0.001]))

        async def read(reader: Reader) -> None:
            stream = await raw(server, receive_buffer=4096)
            await stream.send_all(UPGRADE + SUBSCRIBE)
            inner.start_soon(speak, stream)
            while seq not in reader.numbers("system") or len(reader.numbers("alerts")) < seq:
                reader.feed(bytes(await stream.receive_some(chance.choice([1, 100, 4096, 65536]))))
                await trio.sleep(chance.choice([0, 0, 0, 0.001]))
            while sum(each["type"] == "error" for each in reader.seen) < mistakes or reader.pongs < mistakes:
                reader.feed(bytes(await stream.receive_some(65536)))
            await stream.aclose()

        async def speak(stream: trio.abc.SendStream) -> None:
            for _ in range(mistakes):
                await stream.send_all(frame(0x89, b"ping") + frame(0x81, b"{") + frame(0x8A))
                await trio.sleep(0.001)

        with trio.fail_after(40):
            async with trio.open_nursery() as inner:
                inner.start_soon(publish)
                for reader in readers:
                    inner.start_soon(read, reader)
        nursery.cancel_scope.cancel()
    assert server.feed.statistics().waited_total > 0
    for reader in readers:
        assert reader.numbers("alerts") == list(range(1, seq + 1))
        assert reader.numbers("system") == sorted(set(reader.numbers("system")))


@pytest.mark.parametrize("size", [500, 40_000])
@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_a_publication_reaches_every_client_before_anybody_is_woken(
    serve: Any, issue: Issuer, over: str, size: int
) -> None:
    """The same bytes to all, at once: no task runs for it, and the counters say that none waited."""
    limits = Limits(send_buffer_bytes=2**20)
    async with serve(limits=limits, tls=issue() if over == "tls" else None) as server:
        streams = [await raw(server) for _ in range(5)]
        for stream in streams:
            await stream.send_all(UPGRADE + SUBSCRIBE)
        await server.until(lambda: server.feed.statistics().frames_sent_total == 10)
        before = server.feed.statistics()
        tasks = trio.lowlevel.current_statistics().tasks_living
        server.publish("system", 1, pad=size)
        await trio.testing.wait_all_tasks_blocked()
        after = server.feed.statistics()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert after.frames_sent_total - before.frames_sent_total == 5
        assert after.bytes_sent_total - before.bytes_sent_total > 5 * size
        assert after.waited_total == 0
        for stream in streams:
            await stream.aclose()


async def test_stalled_clients_share_the_frame_that_waits_and_cost_others_nothing(serve: Any) -> None:
    """A hundred publications later each holds a part of one and the newest, and nothing else of ours."""
    limits = Limits(send_buffer_bytes=1, max_clients_per_address=200)
    async with serve(limits=limits, deadlines=Deadlines(send=60)) as server:
        stalled = [await raw(server, receive_buffer=1) for _ in range(20)]
        for stream in stalled:
            await stream.send_all(UPGRADE + SUBSCRIBE)
        await server.until(lambda: server.feed.statistics().frames_sent_total == 40)
        for seq in range(1, 101):
            server.publish("system", seq, pad=100_000)
            await trio.testing.wait_all_tasks_blocked()
        statistics = server.feed.statistics()
        assert statistics.frames_sent_total == 40 + 20
        assert statistics.conflated_total == 20 * 98
        assert statistics.slow_disconnects_total == 0
        for stream in stalled:
            await stream.aclose()


async def test_the_feed_is_the_same_over_a_unix_socket(tmp_path: Path, serve_sockets: Any) -> None:
    """Also for a client that is slow."""
    sockets = bind(None, 0, unix=tmp_path / "s")
    try:
        async with serve_sockets(sockets, limits=Limits(send_buffer_bytes=1)) as server:
            reader = Reader()
            sock = trio.socket.socket(trio.socket.AF_UNIX)
            await sock.connect(str(tmp_path / "s"))
            async with trio.SocketStream(sock) as stream:
                await stream.send_all(UPGRADE + SUBSCRIBE)
                await server.until(lambda: server.feed.statistics().frames_sent_total == 2)
                for seq in range(1, 51):
                    server.publish("alerts", seq, type_="event", pad=5000)
                with trio.fail_after(10):
                    while len(reader.numbers("alerts")) < 50:
                        reader.feed(bytes(await stream.receive_some()))
            assert reader.numbers("alerts") == list(range(1, 51))
    finally:
        release(sockets)
