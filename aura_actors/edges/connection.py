"""One accepted connection: a stream whose first bytes can be looked at before somebody reads them.

Owns the socket, who is at its other end, the bytes read ahead, and the hard end of a connection. Looking ahead
means reading into a buffer and handing the bytes out again, not `MSG_PEEK`: peeking returns at once while unread
bytes lie there, so that waiting for the rest of a slow head would be a busy loop, and it cannot see through TLS.
"""

import os
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, TypeVar

import trio

from aura_actors.edges.peer import peer_of

T = TypeVar("T")
_PIECE_BYTES = 64 * 1024
_DRAIN_BYTES = 256 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(trio.abc.HalfCloseableStream):
    """A stream over one accepted socket, TCP or unix.

    `send_seconds`: the longest that a peer may take to accept another 64 KiB of a `send_all` before it is cut off.
    """

    __slots__ = ("_ahead", "_descriptor", "_ended", "_send_seconds", "_socket", "_stream", "lost", "peer")

    scheme: ClassVar[str] = "http"
    """Of the addresses that lead here."""

    def __init__(self, stream: trio.SocketStream, *, send_seconds: float) -> None:
        self._stream: trio.abc.HalfCloseableStream = stream
        self._socket = stream.socket
        self._send_seconds = send_seconds
        self._descriptor = stream.socket.fileno()
        """Of the socket; none, -1, once it is closed: the number may be another's then."""
        self._ahead = b""
        self._ended = False
        self.peer = peer_of(stream.socket)
        self.lost = False
        """A send has failed: the peer is gone, or was cut off."""

    @property
    def host(self) -> str:
        """The peer's address without its port; empty for a unix socket or a peer that was gone at once."""
        return "" if self.peer.address is None else self.peer.address[0]

    @property
    def socket(self) -> trio.socket.SocketType | ssl.SSLSocket:
        """The socket below; Hypercorn asks it for both addresses."""
        return self._socket

    async def look_ahead(self, decide: Callable[[bytes], T | None], max_bytes: int) -> T | None:
        """Read ahead until `decide` has an answer to all bytes so far; None if the peer ends before that."""
        while (answer := decide(self._ahead)) is None and not self._ended:
            data = await self._stream.receive_some(max(1, max_bytes - len(self._ahead)))
            self._ended = not data
            self._ahead += data
        return answer

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The bytes read ahead, then the socket's."""
        if self._ahead:
            await trio.lowlevel.checkpoint()
            size = len(self._ahead) if max_bytes is None else max_bytes
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        if self._ended:
            await trio.lowlevel.checkpoint()
            return b""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; a peer that stops reading is cut off (`trio.BrokenResourceError`)."""
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                with trio.fail_after(self._send_seconds):
                    await self._stream.send_all(data[start : start + _PIECE_BYTES])
        except trio.TooSlowError:
            self.lost = True
            self.abort()
            raise trio.BrokenResourceError(f"{self.host} does not read") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.lost = True
            raise

    def send_nowait(self, data: bytes) -> int:
        """Give the kernel what it takes at once; returns the number of bytes taken, 0 where there is no room now.

        Raises `trio.BrokenResourceError`.
        """
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def send_some(self, data: memoryview) -> int:
        """Send what the socket takes, waiting until it takes any; returns the number of bytes taken."""
        try:
            return await self._socket.send(data)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    def limit_send_buffer(self, size_bytes: int) -> None:
        """Let the kernel hold no more than about `size_bytes` of what the peer has not taken yet."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """As `trio.abc.HalfCloseableStream`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close; what the kernel holds is still sent."""
        self._descriptor = -1
        await self._stream.aclose()

    async def finish(self, within_seconds: float) -> None:
        """End as seen from our side, wait a little for the peer to end too, then close.

        A socket closed with unread bytes in it is reset, and the peer may then lose our last words; so what still
        comes is read and dropped, for a bounded time and size.
        """
        with trio.move_on_after(within_seconds), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.send_eof()
            drained = 0
            while drained < _DRAIN_BYTES and (data := await self.receive_some(_PIECE_BYTES)):
                drained += len(data)
        self.close()

    def close(self) -> None:
        """Close now, without a checkpoint. Whoever waits on the socket gets `trio.ClosedResourceError`."""
        self._descriptor = -1
        self.socket.close()

    def abort(self) -> None:
        """Close now with a reset: unsent bytes are dropped, a blocked sender wakes up."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close()
