"""Clients that cost as little as possible: HTTP, and frames of the feed, by hand over a socket.

Owns the bytes of requests and as much reading of answers as the comparison needs. Not clients to use: they believe
the server, and a frame is masked with zeros.
"""

import base64
import os

import trio

Address = tuple[str, int]


class Reading:
    """Bytes of a connection, up to a mark or by number."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError("the server has closed the connection")
        self._buffer += data

    async def until(self, mark: bytes) -> bytes:
        """Everything before the next `mark`, which is taken too."""
        while (at := self._buffer.find(mark)) < 0:
            await self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._buffer) < size:
            await self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


class Http(Reading):
    """One connection, one request at a time; a new one after the server has announced its end."""

    async def request(self, method: str, path: str, body: bytes = b"", lease: str = "") -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if lease:
            head += f"Aura-Lease: {lease}\r\n"
        await self.stream.send_all(f"{head}\r\n".encode() + body)
        answer = (await self.until(b"\r\n\r\n")).lower()
        _, _, after = answer.partition(b"content-length: ")
        content = await self.exactly(int(after.partition(b"\r\n")[0] or 0))
        if b"connection: close" in answer:
            address = self.stream.socket.getpeername()
            await self.stream.aclose()
            self.stream = await connect(address)
        return int(answer[9:12]), content


class Feed(Reading):
    """One WebSocket connection."""

    async def upgrade(self) -> None:
        """Shake hands and take the greeting."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.stream.send_all(
            "GET /feed HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await self.until(b"\r\n\r\n")
        await self.text()

    async def send(self, texts: list[bytes]) -> None:
        """Several frames in one write."""
        await self.stream.send_all(b"".join(map(_masked, texts)))

    async def text(self) -> bytes:
        """The next text frame; anything else is passed over."""
        while True:
            first, size = await self.exactly(2)
            if size >= 126:
                size = int.from_bytes(await self.exactly(2 if size == 126 else 8), "big")
            payload = await self.exactly(size)
            if first & 0x0F == 1:
                return payload


def _masked(text: bytes) -> bytes:
    """A text frame whose mask changes nothing (RFC 6455, section 5.3)."""
    size = len(text)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + text


async def connect(address: Address) -> trio.SocketStream:
    """A connection on which nothing is held back."""
    return await trio.open_tcp_stream(*address)
