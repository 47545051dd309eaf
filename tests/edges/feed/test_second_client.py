"""The protocol with a second client that shares no code with us: the `websockets` library and its own parser.

It refuses whatever we might send against the protocol: masked frames, wrong lengths, text that is not UTF-8.
What it would never send itself is written to its socket, made of its own frames.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.sync.client import ClientConnection, connect

from aura_actors.edges.access import Access
from aura_actors.edges.feed import Deadlines, Limits
from aura_actors.edges.tokens import Credential
from tests.edges.feed.conftest import Server, listening

READER = Credential(name="reader", token="s3cret", scopes=frozenset({"read"}))
WRITER = Credential(name="writer", token="0ther", scopes=frozenset({"admit"}))
PATIENCE_SECONDS = 10
EVENT_CAPACITY = 8
MOST_BYTES = 4096
DEADLINES = Deadlines(ping=0.05, pong=2)


class Hub:
    """A real listener with a feed; its Trio runs in a thread, because the client knows none."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)

    async def _serve(self) -> None:
        limits = Limits(max_clients=4, event_capacity=EVENT_CAPACITY)
        access = Access(credentials=(READER, WRITER))
        async with listening(access=access, limits=limits, deadlines=DEADLINES) as self._server:
            self._token = trio.lowlevel.current_trio_token()
            self._ready.set()
            await self._server.stopping.wait()

    def do(self, what: Callable[[Server], object]) -> None:
        """With the server, in its thread."""
        trio.from_thread.run_sync(what, self._server, trio_token=self._token)

    @contextmanager
    def client(self, token: str = READER.token, **options: Any) -> Iterator["Client"]:
        """Connected with its own defaults: it offers compression, and answers pings by itself."""
        headers = {"Authorization": f"Bearer {token}"}
        options = {"additional_headers": headers, "create_connection": Client, "proxy": None, **options}
        with connect(self._server.url, **options) as client:
            assert isinstance(client, Client)
            yield client

    def stop(self) -> None:
        """Come back when all of it has ended."""
        self.do(lambda server: server.stopping.set())
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


class Client(ClientConnection):
    """It remembers every frame that came in."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.came: list[Frame] = []
        self.pings = threading.Semaphore(0)
        super().__init__(*args, **options)

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame):
            self.came.append(event)
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings.release()

    def hear(self) -> Any:
        """The next message."""
        return json.loads(self.recv(PATIENCE_SECONDS))

    def subscribe(self, topic: str) -> None:
        """And hear the greeting and the answer."""
        assert self.hear()["type"] == "hello"
        self.send(json.dumps({"type": "subscribe", "topics": [topic]}))
        assert self.hear()["topics"] == [topic]

    def write(self, *frames: Frame, masked: bool = True, bits: int = 0) -> None:
        """Frames past the library's checks; `bits` are added to the first byte of each."""
        for frame in frames:
            first, *rest = frame.serialize(mask=masked)
            self.socket.sendall(bytes([first | bits, *rest]))

    def ending(self) -> int | None:
        """Read to the end: the code that the server gave."""
        try:
            while True:
                self.recv(PATIENCE_SECONDS)
        except ConnectionClosed as error:
            return None if error.rcvd is None else error.rcvd.code


def text(data: bytes, **options: bool) -> Frame:
    return Frame(Opcode.TEXT, data, **options)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    running = Hub()
    yield running
    running.stop()


def pieces(message: str, size: int, between: Callable[[], object] = lambda: None) -> Iterable[str]:
    """The library sends each as a fragment, and then an empty last one."""
    for at in range(0, len(message), size):
        between()
        yield message[at : at + size]


def test_compression_is_offered_and_not_taken(hub: Hub) -> None:
    with hub.client(subprotocols=["aura.v1", "other"]) as client:
        assert client.request is not None
        assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
        assert (client.protocol.extensions, client.subprotocol) == ([], "aura.v1")
        assert client.hear()["type"] == "hello"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_message_in_fragments_with_pings_between_is_one_message(hub: Hub, size: int) -> None:
    message = json.dumps({"type": "subscribe", "topics": ["weather"], "intervalMs": 1000})
    with hub.client() as client:
        client.hear()
        # Its own `ping` waits for the end of the message, so the frame is written as it is.
        client.send(pieces(message, size, lambda: client.write(Frame(Opcode.PING, b"between"))))
        assert client.hear()["pointer"] == "/topics/0"
        pongs = [frame for frame in client.came if frame.opcode is Opcode.PONG]
        assert [frame.data for frame in pongs] == -(-len(message) // size) * [b"between"]


def test_what_the_server_sends_is_whole_and_in_one_fragment_whatever_its_length(hub: Hub) -> None:
    with hub.client() as client:
        client.subscribe("system")
        for seq, pad in enumerate((0, 1, 125, 126, 65_000, 66_000, 500_000), 1):
            hub.do(partial(Server.publish, topic="system", seq=seq, type_="event", pad=pad))
            assert len(client.hear()["data"]) == pad
        assert {frame.fin for frame in client.came} == {True}
        assert {frame.opcode for frame in client.came} <= {Opcode.TEXT, Opcode.PING}


def test_pings_are_answered_both_ways_with_what_was_in_them(hub: Hub) -> None:
    with hub.client() as client:
        for payload in (b"", b"\x00\xff", b"x" * 125):
            assert client.ping(payload).wait(PATIENCE_SECONDS)
        client.pong(b"nobody asked")
        for _ in range(2):  # the second, because the first was answered
            assert client.pings.acquire(timeout=PATIENCE_SECONDS)
        assert client.hear()["type"] == "hello"


@pytest.mark.parametrize("size", [MOST_BYTES, 1000])
def test_four_kib_are_read_whole_or_in_fragments_and_not_a_byte_more(hub: Hub, size: int) -> None:
    with hub.client() as client:
        client.hear()
        client.send(pieces("x" * MOST_BYTES, size))
        assert client.hear()["type"] == "error"
        client.send(pieces("x" * (MOST_BYTES + 1), size))
        assert client.ending() == 1009


NOT_ALLOWED: dict[str, tuple[int, tuple[Frame, ...]]] = {
    "text that is not UTF-8": (1007, (text(b"\xff"),)),
    "a surrogate": (1007, (text(b"\xed\xa0\x80"),)),
    "text that ends inside a character": (1007, (text("ö".encode()[:1]),)),
    "text that is wrong in a later fragment": (1007, (text(b"a", fin=False), Frame(Opcode.CONT, b"\xff"))),
    "a binary message": (1003, (Frame(Opcode.BINARY, b"{}"),)),
    "a continuation of nothing": (1002, (Frame(Opcode.CONT, b"{}"),)),
    "a message inside another": (1002, (text(b"{", fin=False), text(b"}"))),
    "a close code that is never sent": (1002, (Frame(Opcode.CLOSE, b"\x03\xee"),)),
    "a reason that is not UTF-8": (1007, (Frame(Opcode.CLOSE, b"\x03\xe8\xff"),)),
}


@pytest.mark.parametrize("what", NOT_ALLOWED)
def test_what_is_not_allowed_ends_the_connection_with_its_code(hub: Hub, what: str) -> None:
    code, frames = NOT_ALLOWED[what]
    with hub.client() as client:
        client.hear()
        client.write(*frames)
        assert client.ending() == code


@pytest.mark.parametrize("bits", [0x40, 0x20, 0x10])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.PING])
def test_a_reserved_bit_ends_the_connection_that_of_compression_too(hub: Hub, opcode: Opcode, bits: int) -> None:
    with hub.client() as client:
        client.hear()
        client.write(Frame(opcode, b"{}"), bits=bits)
        assert client.ending() == 1002


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.PING, Opcode.CLOSE])
def test_a_client_must_mask_every_frame(hub: Hub, opcode: Opcode) -> None:
    with hub.client() as client:
        client.hear()
        client.write(Frame(opcode, b"\x03\xe8" if opcode is Opcode.CLOSE else b"{}"), masked=False)
        assert client.ending() == 1002


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_client_that_says_goodbye_hears_its_own_code(hub: Hub, code: int) -> None:
    with hub.client() as client:
        client.hear()
        client.close(code, "bye")
        assert client.close_code == code


@pytest.mark.parametrize(("token", "code"), [("wrong", 4401), (WRITER.token, 4403)])
def test_a_token_that_opens_nothing_is_told_by_a_code(hub: Hub, token: str, code: int) -> None:
    with hub.client(token) as client:
        assert client.ending() == code


def test_one_client_too_many_is_told_to_come_later(hub: Hub) -> None:
    with hub.client() as a, hub.client() as b, hub.client() as c, hub.client() as d:
        assert {each.hear()["type"] for each in (a, b, c, d)} == {"hello"}
        with hub.client() as late:
            assert late.ending() == 1013


def test_a_client_that_missed_events_is_told_so_after_what_it_did_not_miss(hub: Hub) -> None:
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what the kernel keeps for it is no help
    hub.do(lambda server: plug.connect(("127.0.0.1", server.port)))
    with hub.client(sock=plug, max_queue=1) as client:
        client.subscribe("alerts")
        for seq in range(1, 4 * EVENT_CAPACITY):
            hub.do(partial(Server.publish, topic="alerts", seq=seq, type_="event", pad=50_000))
        assert client.ending() == 4008
        told = [json.loads(bytes(frame.data))["seq"] for frame in client.came if b'"event"' in bytes(frame.data)]
    assert told == list(range(1, len(told) + 1))
    assert len(told) < 4 * EVENT_CAPACITY


def test_a_stop_says_goodbye_with_a_code() -> None:
    hub = Hub()
    with hub.client() as client:
        client.subscribe("system")
        hub.stop()
        assert client.ending() == 1001
