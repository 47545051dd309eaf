"""TLS below a connection: the same verbs over an encrypted socket.

Owns the handshake, what plain HTTP is told here, and what OpenSSL's "not yet" means. OpenSSL works on the socket
itself: it takes of what it is given as much as the kernel does, at once and a record at a time, so that a slow peer
is noticed as early as without TLS and nothing is kept here that somebody would have to send later. The certificate
is the context's business.
"""

import socket
import ssl
from collections.abc import Callable
from typing import ClassVar, TypeVar, TypeVarTuple

import trio

from aura_actors.edges.access import Refusal
from aura_actors.edges.connection import Connection
from aura_actors.edges.refusing import refuse

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_PIECE_BYTES = 64 * 1024
_RECORD_BYTES = 16 * 1024
"""The most that TLS encrypts in one piece: of more OpenSSL would not say how much has left already."""
_NOT_YET = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_GOODBYE_SECONDS = 0.5

PLAIN_HTTP = Refusal(400, "Bad Request", "This port speaks TLS: ask it with https://, and its feed with wss://.")


class HandshakeFailed(trio.BrokenResourceError):
    """The peer did not agree with us on how to speak, or does not want to."""


class TlsStream(trio.abc.HalfCloseableStream):
    """The server's side of TLS on the socket of an accepted connection, which it takes over.

    What `send_nowait` and `send_some` did not take is the next that must be given to them: OpenSSL may have begun
    with it. Raises `trio.BrokenResourceError` as `trio.SocketStream` does.
    """

    __slots__ = ("socket",)

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        plain = socket.socket(fileno=stream.socket.detach())
        try:
            plain.setblocking(False)
            plain.getpeername()  # a socket without a peer would be left open below
            self.socket = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:  # the peer is gone already
            plain.close()
            raise HandshakeFailed(str(error)) from error

    async def handshake(self) -> None:
        """Agree with the peer. Raises `HandshakeFailed`; plain HTTP has had its answer then."""
        try:
            await self._once_possible(self.socket.do_handshake)
        except trio.BrokenResourceError as broken:
            cause = broken.__cause__
            if isinstance(cause, ssl.SSLError) and cause.reason == "HTTP_REQUEST":
                await self._answer_plainly()
            raise HandshakeFailed(str(broken)) from cause

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As `trio.abc.ReceiveStream`."""
        return await self._once_possible(self.socket.recv, max_bytes or _PIECE_BYTES)

    def send_nowait(self, data: bytes) -> int:
        """Send what the kernel takes at once; returns the number of bytes taken, 0 where there is no room now."""
        left = memoryview(data)
        try:
            while left:
                left = left[self.socket.send(left[:_RECORD_BYTES]) :]
        except _NOT_YET:
            pass
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        return len(data) - len(left)

    async def send_some(self, data: memoryview) -> int:
        """Send a part, waiting until the socket takes one; returns the number of bytes taken."""
        return await self._once_possible(self.socket.send, data[:_RECORD_BYTES])

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As `trio.abc.SendStream`."""
        left = memoryview(data)
        while left:
            left = left[await self.send_some(left) :]

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream`."""
        await trio.lowlevel.wait_writable(self.socket)

    async def send_eof(self) -> None:
        """Tell the peer, within TLS and below it, that no more will come; its answer to that is not waited for."""
        while not self._said_goodbye():
            await trio.lowlevel.wait_writable(self.socket)
        try:
            # Not `SSLSocket.shutdown`, after which what still comes would be read as if it were not encrypted.
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close now. Whoever waits on the socket gets `trio.ClosedResourceError`."""
        trio.lowlevel.notify_closing(self.socket)
        self.socket.close()

    async def aclose(self) -> None:
        """As `close`."""
        self.close()
        await trio.lowlevel.checkpoint()

    async def _once_possible(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Do it when OpenSSL has got what it wants for it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                result = work(*arguments)
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self.socket)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self.socket)
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return result

    def _said_goodbye(self) -> bool:
        """False if there is no room for it yet. At once: a task that is cancelled says it too."""
        try:
            self.socket.unwrap()
        except ssl.SSLWantWriteError:
            return False
        except (OSError, ValueError):  # it is said, and the peer has not answered; or the peer is not there
            return True
        return True

    async def _answer_plainly(self) -> None:
        plain = trio.socket.from_stdlib_socket(socket.socket(fileno=self.socket.detach()))
        with plain:
            connection = Connection(trio.SocketStream(plain), send_seconds=_GOODBYE_SECONDS)
            await refuse(connection, PLAIN_HTTP, within_seconds=_GOODBYE_SECONDS)


class TlsConnection(Connection):
    """A connection over TLS; the handshake is part of looking ahead. Raises `HandshakeFailed`."""

    __slots__ = ("_tls",)

    scheme: ClassVar[str] = "https"

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext, *, send_seconds: float) -> None:
        super().__init__(stream, send_seconds=send_seconds)
        self._stream = self._tls = TlsStream(stream, context)

    @property
    def socket(self) -> ssl.SSLSocket:
        """As the base class."""
        return self._tls.socket

    async def look_ahead(self, decide: Callable[[bytes], T | None], max_bytes: int) -> T | None:
        """As the base class, once both have agreed. Raises `HandshakeFailed`."""
        await self._tls.handshake()
        return await super().look_ahead(decide, max_bytes)

    def send_nowait(self, data: bytes) -> int:
        """As the base class."""
        return self._tls.send_nowait(data)

    async def send_some(self, data: memoryview) -> int:
        """As the base class."""
        return await self._tls.send_some(data)

    async def send_eof(self) -> None:
        """As the base class; like all that is sent, it has only so long to find room."""
        with trio.move_on_after(self._send_seconds):
            await self._tls.send_eof()

    def close(self) -> None:
        """As the base class."""
        self._tls.close()
