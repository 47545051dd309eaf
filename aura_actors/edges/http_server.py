"""Hypercorn, one connection at a time: its configuration for us, and the cure of what it does wrong on Trio.

Owns every use of Hypercorn's insides (pinned to one minor version). Knows neither sockets nor the feed; routes are
the ASGI application's.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import EventWrapper, TrioSingleTask, WorkerContext
from hypercorn.typing import AppWrapper, ASGIFramework, LifespanState, TaskGroup
from hypercorn.utils import LifespanTimeoutError

from aura_actors.edges.connection import Connection
from aura_actors.edges.head import MAX_HEAD_BYTES

PEER = "aura.peer"
"""In the state of each request's scope: the `Peer` of its connection."""
CLOSING = "closing"
"""In the state of every request's scope: a `trio.Event`, set when requests under way should come to their end."""

_GOODBYE_SECONDS = 0.5
_PIECE_BYTES = 64 * 1024
_UNFINISHED = {h11.SEND_BODY, h11.ERROR}
"""The peer has more to send of its request, or has sent what is none."""
_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 1"


class HttpServer:
    """One run of an ASGI application: `start`, `serve` each connection, `terminate`, `end`."""

    def __init__(self, app: ASGIFramework, config: Config) -> None:
        self._app = ASGIWrapper(app)
        self._config = config
        self._context = WorkerContext(None)
        self._closing = trio.Event()
        self._servers: set[_Server] = set()
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
        for server in self._servers:
            server.finish()

    async def serve(self, connection: Connection) -> None:
        """Carry one connection to its end."""
        state = {**self._state, PEER: connection.peer}
        server = _Server(self._app, self._config, self._context, state, connection)
        self._servers.add(server)
        try:
            if self._closing.is_set():
                server.finish()
            await server.run()
        finally:
            self._servers.discard(server)


class _Server(TCPServer):
    """Hypercorn's server of one connection, with six cures.

    A peer that ends, or that we end, takes its requests along: they are cancelled, and nobody waits for a timer.

    While a request is under way and another was sent behind it, nothing is read, so that a peer which goes is not
    missed until the first is answered, and that may wait for an hour: here a little is read ahead.

    What a peer still sends while we close made it lose the answer: here it is read and dropped, for a moment.

    A peer that resets while Hypercorn answers the first of several pipelined requests leaves it waiting for ever,
    its socket open: here a failed send ends the connection.

    The idle timer is a task that is started and ended for each request: here it is the deadline of the connection.

    An answer leaves in three writes, and its client may ask again before Hypercorn has done with it: here it
    leaves in one, when everything is ready for the next request. A larger one leaves in pieces.
    """

    def __init__(
        self, app: AppWrapper, config: Config, context: WorkerContext, state: LifespanState, connection: Connection
    ) -> None:
        # TCPServer is annotated for TLS streams; what it uses of a plain one, Connection has.
        stream = cast("trio.SSLStream[trio.SocketStream]", connection)
        super().__init__(app, config, context, state, stream)
        self._connection = connection
        self._life = trio.CancelScope()
        self._idle = _Idle(self._life, config.keep_alive_timeout)
        self.idle_task = cast("TrioSingleTask", self._idle)
        self._over = False
        """Nothing more is answered."""
        self._answer = b""
        self._ahead = b""

    async def run(self) -> None:
        """As the base class, until either side ends it. Our last word may have to wait for room."""
        with self._life:
            await super().run()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._connection.send_eof()
        await self._connection.aclose()

    async def _close(self) -> None:
        """Left to `run`: here the scope may have ended, and whoever is cancelled waits for nothing."""

    def finish(self) -> None:
        """End after the request under way; at once where there is none."""
        self._idle.seconds = 0.0
        if self._life.deadline < math.inf:
            self._life.cancel()

    async def _read_data(self) -> None:
        protocol = self.protocol.protocol
        # Hypercorn asks whether its stream is one of Trio's over TLS; ours says so itself.
        self.protocol.ssl = protocol.ssl = self._connection.scheme == "https"
        if isinstance(protocol, H11Protocol):
            protocol.can_read = _Pause(self._read_ahead)
        while data := await self._receive():
            if not self._over:
                await self.protocol.handle(RawData(data))
        if data is not None and not self._over:
            await self.protocol.handle(RawData(data))
        self._life.cancel()

    async def _receive(self) -> bytes | None:
        """What came, empty where the peer has ended; None where the connection is no more."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        try:
            return await self._connection.receive_some(_PIECE_BYTES)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return None

    async def _read_ahead(self) -> None:
        """While what was read waits for the request before it."""
        while len(self._ahead) < _PIECE_BYTES:
            try:
                data = await self._connection.receive_some(_PIECE_BYTES)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                data = b""
            if not data:
                self._life.cancel()
                return
            self._ahead += data

    async def protocol_send(self, event: Event) -> None:
        """As the base class; what is sent is sent to the end."""
        if isinstance(event, RawData):
            await self._send(event.data)
            return
        if isinstance(event, Updated):
            await super().protocol_send(event)
        await self._send_answer()
        if isinstance(event, Closed):
            await self._say_goodbye()

    async def _say_goodbye(self) -> None:
        """At once, or after a moment for what is still on its way: a reset would take our last words along."""
        protocol = self.protocol.protocol
        if not isinstance(protocol, H11Protocol) or protocol.connection.their_state not in _UNFINISHED:
            self._life.cancel()
            return
        self._over = True
        self._life.deadline = trio.current_time() + _GOODBYE_SECONDS
        try:
            await self._connection.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._life.cancel()

    async def _send(self, data: bytes) -> None:
        if self._answer or (data.startswith(_HEAD) and not data.startswith(_INTERIM)):
            self._answer += data
            if len(self._answer) > _PIECE_BYTES:
                await self._send_answer()
        else:
            await self._write(data)

    async def _send_answer(self) -> None:
        answer, self._answer = self._answer, b""
        await self._write(answer)

    async def _write(self, data: bytes) -> None:
        if data and not self.send_lock.locked():
            try:
                data = data[self._connection.send_nowait(data) :]
            except trio.BrokenResourceError:
                self._life.cancel()
                return
        if data:
            await super().protocol_send(RawData(data))
        if self._connection.lost:
            self._life.cancel()


class _Idle:
    """In the place of Hypercorn's timer: an idle connection has a deadline, a busy one none."""

    def __init__(self, life: trio.CancelScope, seconds: float) -> None:
        self._life = life
        self.seconds = seconds

    async def restart(self, task_group: TaskGroup, action: Callable[..., Any]) -> None:
        """Nothing is under way."""
        self._life.deadline = trio.current_time() + self.seconds

    async def stop(self) -> None:
        """A request is."""
        self._life.deadline = math.inf


class _Pause(EventWrapper):
    """Hypercorn's event, on which it waits before it reads the next request; `meanwhile` is run for so long."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def wait(self) -> None:
        """Until it is set."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._meanwhile)
            await super().wait()
            nursery.cancel_scope.cancel()


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
