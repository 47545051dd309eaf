"""What a daemon publishes, as an endless iterator that outlives the connection and the daemon.

Owns connecting again and going on where it left off: the daemon is told what was seen last, and nothing is handed
out twice. There is no task behind it: it reads when it is asked for the next frame.
"""

import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import anyio
import msgspec

from aura_actors.client.absence import Absence
from aura_actors.client.websocket import WebSocket
from aura_actors.errors import InvalidValue, Unavailable, Unreachable
from aura_actors.wire import feed as wire

AGAIN_SECONDS: Final = (0.1, 5.0)
"""The first pause before connecting again, and the longest; each is shortened by chance to a half at least."""

Frame = wire.Snapshot | wire.Event
_frames = msgspec.json.Decoder(wire.Hello | wire.Subscribed | wire.Heartbeat | wire.ErrorFrame | Frame)


class Frames:
    """Every publication of some topics; a slow reader skips to the newest snapshots, and misses no event for it.

    The first connection is made by the first step, and raises what is wrong. From then on a daemon that cannot be
    reached is waited for. Closed with `connect`'s block, or by `aclose`, or as an `async with`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[WebSocket]],
        topics: tuple[str, ...],
        interval_ms: int | None,
        all_open: "set[Frames]",
    ) -> None:
        self._connect = connect
        self._all_open = all_open
        all_open.add(self)
        self._topics = topics
        self._interval_ms = interval_ms
        self._socket: WebSocket | None = None
        self._seen: dict[str, wire.Since] = {}
        self._was_connected = False
        self._closed = False
        self._pause = AGAIN_SECONDS[0]
        self._absence = Absence()
        self.trouble: str | None = None
        """Why there is no connection now, in a sentence; None while there is one, and before the first."""

    def __aiter__(self) -> "Frames":
        return self

    async def __anext__(self) -> Frame:
        """The next frame that was not seen; `data` is JSON, for `msgspec.json.decode`."""
        while not self._closed:
            try:
                socket = await self._open() if self._socket is None else self._socket
                frame = _frames.decode(await socket.receive())
            except Unreachable as error:
                if not self._was_connected:
                    raise
                await self._disconnect()
                await self._rest(error)
                continue
            except msgspec.DecodeError as error:
                raise Unavailable(f"the feed said something that this version does not know: {error}") from error
            if isinstance(frame, wire.ErrorFrame):
                raise InvalidValue(frame.detail, path=frame.pointer)
            self._pause = AGAIN_SECONDS[0]
            if isinstance(frame, wire.Snapshot | wire.Event) and self._is_new(frame):
                return frame
        await self._disconnect()  # it was closed while this connected
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the subscription."""
        self._closed = True
        self._all_open.discard(self)
        await self._disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _open(self) -> WebSocket:
        while True:
            try:
                socket = await self._connect()
                break
            except Unavailable as error:
                if not self._was_connected:
                    raise
                await self._rest(error)
        try:
            await socket.send(self._subscription())
        except BaseException:  # cancelled before it went out: a connection without it would say nothing for ever
            await socket.aclose()
            raise
        self._socket = socket
        self._was_connected = True
        self.trouble = None
        self._absence.is_over()
        return socket

    async def _rest(self, why: Unavailable) -> None:
        self.trouble, since = str(why), anyio.current_time()
        await anyio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - spreads clients, hides nothing
        self._pause = min(2 * self._pause, AGAIN_SECONDS[1])
        self._absence.goes_on(why, since)

    def _subscription(self) -> str:
        frame = wire.Subscribe(
            topics=list(self._topics),
            interval_ms=msgspec.UNSET if self._interval_ms is None else self._interval_ms,
            since=self._seen or msgspec.UNSET,
        )
        return msgspec.json.encode(frame).decode()

    def _is_new(self, frame: Frame) -> bool:
        seen = self._seen.get(frame.topic)
        if seen is not None and seen.epoch == frame.epoch and frame.seq <= seen.seq:
            return False
        self._seen[frame.topic] = wire.Since(epoch=frame.epoch, seq=frame.seq)
        return True

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.aclose()
