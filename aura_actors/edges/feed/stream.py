"""The stream below one WebSocket: where the library's frames and our shared ones meet, each written whole.

Owns the order on the wire, the send deadline, and what the library may do to the socket: nothing. It cannot close
it and sends no close frame, so that what the client asked before its own can still be answered; and it reads no
further than the request head until the upgrade is answered, so that bytes sent too early are frames and not lost.
"""

import trio

from aura_actors.edges.connection import Connection
from aura_actors.edges.feed.inbound import InboundLimit

_CLOSE = b"\x88"


class FrameStream(trio.abc.Stream):
    """Handed to `trio_websocket.wrap_server_stream`.

    `head_bytes` is the size of the request head; `send_seconds` how long one frame may take before the connection
    is aborted; `max_message_bytes` the most that one message may have.
    """

    def __init__(
        self, connection: Connection, *, head_bytes: int, send_seconds: float, max_message_bytes: int
    ) -> None:
        self._connection = connection
        self._head_left = head_bytes
        self._send_seconds = send_seconds
        self._limit = InboundLimit(max_message_bytes)
        self._upgraded = trio.Event()
        self._turn = trio.StrictFIFOLock()
        self._writing: trio.CancelScope | None = None
        self.given_up = trio.Event()
        """The library is done with the connection."""
        self.too_big = False
        self.stalled = False
        """The peer did not take a frame in time, and was cut off."""

    def upgraded(self) -> None:
        """The answer to the upgrade is sent: what comes now are frames."""
        self._upgraded.set()

    def hurry(self, seconds: float) -> None:
        """From now on a frame, also the one being written, has only so long."""
        self._send_seconds = min(self._send_seconds, seconds)
        if self._writing is not None:
            self._writing.deadline = min(self._writing.deadline, trio.current_time() + seconds)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """For the library: the head, then, once upgraded, frames within the limit."""
        if self._head_left:
            data = await self._connection.receive_some(min(max_bytes or self._head_left, self._head_left))
            self._head_left -= len(data)
            return data
        await self._upgraded.wait()
        data = await self._connection.receive_some(max_bytes)
        if not self._limit.admits(data):
            self.too_big = True
            raise trio.BrokenResourceError("message too big")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write one whole frame (or the upgrade's answer), after those asked for before.

        The library's own close frame is dropped: see `send_close`. Once begun, a frame is finished even if the
        caller is cancelled, because half a frame would spoil the stream; it takes at most the send deadline, after
        which the connection is aborted and `trio.BrokenResourceError` raised.
        """
        if self._upgraded.is_set() and bytes(data[:1]) == _CLOSE:
            await trio.lowlevel.checkpoint()
            return
        await self._send_whole(data)

    async def send_close(self, frame: bytes) -> None:
        """Write the close frame, as `send_all` writes others; nothing may follow it."""
        await self._send_whole(frame)

    async def _send_whole(self, data: bytes | bytearray | memoryview) -> None:
        async with self._turn:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self._send_seconds) as self._writing:
                await self._write(memoryview(data))
            writing, self._writing = self._writing, None
            if writing.cancelled_caught:
                self.stalled = True
                self._connection.abort()
                raise trio.BrokenResourceError("the peer does not read")

    async def _write(self, left: memoryview) -> None:
        while left:
            left = left[await self._connection.send_some(left) :]

    def abort(self) -> None:
        """Cut the connection; whoever reads or writes gets an error."""
        self._connection.abort()

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream`."""
        await self._connection.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """The library closes: note it. The connection's end is the session's business."""
        self.given_up.set()
        await trio.lowlevel.checkpoint()
