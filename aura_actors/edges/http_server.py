"""Hypercorn, one connection at a time: its configuration for us, and the cure of what it does wrong on Trio.

Owns every use of Hypercorn's insides (pinned to one minor version). Knows neither sockets nor the feed; routes are
the ASGI application's.
"""

import logging
from contextlib import suppress
from typing import Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState, LifespanState
from hypercorn.utils import LifespanTimeoutError

from aura_actors.edges.connection import Connection
from aura_actors.edges.head import MAX_HEAD_BYTES

PEER = "aura.peer"
"""In the state of each request's scope: the `Peer` of its connection."""
CLOSING = "closing"
"""In the state of every request's scope: a `trio.Event`, set when requests under way should come to their end."""

_BOOKKEEPING_SECONDS = 1.0
_PIECE_BYTES = 64 * 1024


class HttpServer:
    """One run of an ASGI application: `start`, `serve` each connection, `terminate`, `end`."""

    def __init__(self, app: ASGIFramework, config: Config) -> None:
        self._app = ASGIWrapper(app)
        self._config = config
        self._context = WorkerContext(None)
        self._closing = trio.Event()
        self._state: LifespanState = {CLOSING: self._closing}
        self._lifespan = Lifespan(self._app, config, self._state)

    async def start(self, nursery: trio.Nursery) -> None:
        """Start the application. Its failure to start is raised in `nursery`, where its lifespan runs."""
        await nursery.start(self._lifespan.handle_lifespan)
        # Closed where the application has returned already: it has no lifespan.
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            await self._lifespan.wait_for_startup()

    async def end(self) -> bool:
        """End the application; False if it took too long."""
        try:
            await self._lifespan.wait_for_shutdown()
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return True
        except LifespanTimeoutError:
            return False
        return True

    async def terminate(self) -> None:
        """From now on a connection ends after the request under way, which is told; idle ones end at once."""
        self._closing.set()
        await self._context.terminated.set()

    async def serve(self, connection: Connection) -> None:
        """Carry one connection to its end."""
        # TCPServer is annotated for TLS streams; what it uses of a plain one, Connection has.
        stream = cast("trio.SSLStream[trio.SocketStream]", connection)
        state = ConnectionState({**cast("dict[Any, Any]", self._state), PEER: connection.peer})
        await _Server(self._app, self._config, self._context, state, stream).run()


class _Server(TCPServer):
    """Hypercorn's server of one connection, with four cures.

    A peer that ends leaves the connection to the idle timer: here the timer is stopped.

    While a request is under way and another was sent behind it, nothing is read, so that a peer which goes is not
    missed until the first is answered, and that may wait for an hour: here a little is read ahead.

    A peer that resets while Hypercorn answers the first of several pipelined requests leaves it waiting for ever,
    its socket open: here a failed send ends the connection.

    When an answer is complete, Hypercorn tells the application so and only then closes the connection or starts
    the idle timer, in the application's task, which Quart-Trio cancels on hearing the former; so that
    `Connection: close` was not obeyed and idle connections stayed. Here that bookkeeping is shielded: it waits for
    nobody but us, and is bounded all the same.
    """

    async def run(self) -> None:
        """As the base class, until the peer is lost."""
        with trio.CancelScope() as self._life:
            await super().run()

    async def _read_data(self) -> None:
        self._ahead = b""
        while data := await self._receive():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_ahead)
                await self.protocol.handle(RawData(data))
                nursery.cancel_scope.cancel()
        if data is not None:
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    async def _receive(self) -> bytes | None:
        """What came, empty where the peer has ended; None where the connection is no more."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        try:
            return bytes(await self.stream.receive_some(_PIECE_BYTES))
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return None

    async def _read_ahead(self) -> None:
        """Until the data before it are handled; a peer that ends takes its requests along."""
        while len(self._ahead) < _PIECE_BYTES:
            try:
                data = await self.stream.receive_some(_PIECE_BYTES)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                data = b""
            if not data:
                self._life.cancel()
                return
            self._ahead += data

    async def protocol_send(self, event: Event) -> None:
        """As the base class, to the end."""
        if isinstance(event, RawData):
            await super().protocol_send(event)
            if cast("Connection", self.stream).lost:
                self._life.cancel()
            return
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _BOOKKEEPING_SECONDS):
            await super().protocol_send(event)


def configure(
    *,
    root_path: str,
    keep_alive_seconds: float,
    startup_seconds: float,
    shutdown_seconds: float,
    overrides: dict[str, Any],
) -> Config:
    """Hypercorn's configuration; `overrides` are attributes of it. Raises TypeError for one that it has not."""
    config = Config()
    config.root_path = root_path
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = keep_alive_seconds
    config.startup_timeout = startup_seconds
    config.shutdown_timeout = shutdown_seconds
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.websocket_max_message_size = MAX_HEAD_BYTES
    for name, value in overrides.items():
        if not hasattr(Config, name):
            raise TypeError(f"Hypercorn's configuration has no {name}")
        setattr(config, name, value)
    return config
