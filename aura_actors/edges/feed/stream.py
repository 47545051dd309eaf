"""The stream below one WebSocket: where the library's frames and our shared ones meet, each written whole.

Owns the order on the wire, the rest of a frame of which the kernel took a part, the send deadline, and what the
library may do to the socket: nothing. It cannot close it and sends no close frame, so that what the client asked
before its own can still be answered; and it reads no further than the request head until the upgrade is answered,
so that bytes sent too early are frames and not lost.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from aura_actors.edges.connection import Connection
from aura_actors.edges.feed.inbound import InboundLimit

_CLOSE = b"\x88"
_PIECE_BYTES = 64 * 1024


class FrameStream(trio.abc.Stream):
    """Handed to `trio_websocket.wrap_server_stream`.

    `head_bytes` is the size of the request head; `send_seconds` how long the peer may take for another 64 KiB of a
    frame before the connection is aborted; `max_message_bytes` the most that one message may have.
    """

    __slots__ = (
        "_connection",
        "_head_left",
        "_hurried",
        "_limit",
        "_rest",
        "_send_seconds",
        "_turn",
        "_upgraded",
        "_writing",
        "busy",
        "given_up",
        "stalled",
        "too_big",
    )

    def __init__(
        self, connection: Connection, *, head_bytes: int, send_seconds: float, max_message_bytes: int
    ) -> None:
        self._connection = connection
        self._head_left = head_bytes
        self._send_seconds = send_seconds
        self._hurried = False
        self._limit = InboundLimit(max_message_bytes)
        self._upgraded = trio.Event()
        self._turn = trio.StrictFIFOLock()
        self._rest = memoryview(b"")
        """Of a frame that was put; whoever has the turn writes it before anything else."""
        self.busy = False
        """A frame is under way, or waits for its turn: nothing can be put before it is through."""
        self._writing: trio.CancelScope | None = None
        self.given_up = trio.Event()
        """The library is done with the connection."""
        self.too_big = False
        self.stalled = False
        """The peer did not take a frame in time, and was cut off."""

    @property
    def pongs(self) -> int:
        """How many the peer has sent."""
        return self._limit.pongs

    def upgraded(self) -> None:
        """The answer to the upgrade is sent: what comes now are frames."""
        self._upgraded.set()

    def hurry(self, seconds: float) -> None:
        """From now on a whole frame, also the one being written, has only so long."""
        self._hurried = True
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

    def put(self, frame: bytes) -> bool:
        """Write a frame, as far as the kernel takes it at once. True if that was all of it.

        The rest, if there is one, is the next thing on the wire: somebody has to `write` it. Only where the stream
        is not busy. Raises `trio.BrokenResourceError`.
        """
        taken = self._connection.send_nowait(frame)
        if taken == len(frame):
            return True
        self._rest, self.busy = memoryview(frame)[taken:], True
        return False

    async def write(self, next_frame: Callable[[], bytes]) -> None:
        """Wait until what is under way is through, then for frame after frame, until there is none (no bytes).

        Others have their turn after each. Raises as `send_all` does.
        """
        more = True
        while more:
            async with self._my_turn():
                frame = next_frame()
                if more := bool(frame):
                    await self._write_whole(frame)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write one whole frame (or the upgrade's answer), after those asked for before.

        The library's own close frame is dropped: see `send_close`. Once begun, a frame is finished even if the
        caller is cancelled, because half a frame would spoil the stream. A peer that does not take another 64 KiB
        within the send deadline is cut off, and `trio.BrokenResourceError` raised.
        """
        if self._upgraded.is_set() and bytes(data[:1]) == _CLOSE:
            await trio.lowlevel.checkpoint()
            return
        await self._send_whole(data)

    async def send_close(self, frame: bytes) -> None:
        """Write the close frame, as `send_all` writes others; nothing may follow it."""
        await self._send_whole(frame)

    async def _send_whole(self, data: bytes | bytearray | memoryview) -> None:
        async with self._my_turn():
            await self._write_whole(data)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """What was under way is through, and nobody else writes."""
        self.busy = True
        try:
            async with self._turn:
                if self._rest:
                    await self._write_whole(self._rest)
                    self._rest = memoryview(b"")
                yield
        finally:
            self.busy = bool(self._rest) or self._turn.locked()

    async def _write_whole(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        owed = len(left) - _PIECE_BYTES
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._send_seconds) as self._writing:
            while left:
                left = left[await self._connection.send_some(left) :]
                if len(left) <= owed and not self._hurried:  # slow, but it reads
                    owed = len(left) - _PIECE_BYTES
                    self._writing.deadline = trio.current_time() + self._send_seconds
        writing, self._writing = self._writing, None
        if writing.cancelled_caught:
            self.stalled = True
            self._connection.abort()
            raise trio.BrokenResourceError("the peer does not read")

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
