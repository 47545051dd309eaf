"""What a client has sent and nobody has looked at yet: read ahead, so much and no more.

Owns the bound, and the grouping: whoever looks gets all that is there by then. Where nobody looks, nothing is read.
"""

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from aura_actors.edges.feed.frames import Close

GROUP = 64


class Inbox:
    """Text frames of one connection, in order."""

    def __init__(self) -> None:
        self._into, self._out = trio.open_memory_channel[str](GROUP)
        self.ended: int = Close.LOST
        """Why nothing more comes, once `group` says so."""

    async def fill(self, websocket: WebSocketConnection) -> None:
        """Read until the connection ends, or something comes that is no text."""
        with self._into:
            try:
                while isinstance(message := await websocket.get_message(), str):
                    await self._into.send(message)
                self.ended = Close.TEXT_ONLY
            except ConnectionClosed as closed:
                if closed.reason is not None:
                    self.ended = closed.reason.code

    async def group(self) -> list[str]:
        """Wait for a frame, and take those behind it that are here already; empty at the end."""
        frames: list[str] = []
        try:
            frames.append(await self._out.receive())
            while len(frames) < GROUP:
                frames.append(self._out.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            pass
        return frames
