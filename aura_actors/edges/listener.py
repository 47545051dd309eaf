"""The front door: one service that accepts connections and hands each to the feed or to the HTTP server.

Owns accepting, the choice by the first bytes, the guard that confines every failure to its connection, and the
orderly stop. Knows neither routes nor frames: HTTP is Hypercorn's per-connection server over the given ASGI
application, the feed is whatever implements `FeedHandler`. The listening sockets belong to the caller and outlive
an incarnation: this works on duplicates, so that clients only wait while it is restarted.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog
import trio
from hypercorn.typing import ASGIFramework

from aura_actors.edges.connection import Connection
from aura_actors.edges.head import MAX_HEAD_BYTES, Other, RequestHead, route
from aura_actors.edges.http_server import HttpServer, configure
from aura_actors.edges.tls import HandshakeFailed, TlsConnection

_OVERLOADED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_NO_HTTP2 = b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_OVERLOAD_PAUSE_SECONDS = 0.1


class FeedHandler(Protocol):
    """What the listener needs of the feed."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve sessions until cancelled."""

    async def handle(self, connection: Connection, head: RequestHead) -> None:
        """Carry one connection from its upgrade request to its end."""

    def stop(self) -> None:
        """Ask every client to go; take no new ones."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long things may take, in seconds. The three of the stop add up to less than two."""

    head: float = 5.0
    """From accept until it is clear who the connection is for, the handshake of TLS included."""
    send: float = 30.0
    """For a peer to take another 64 KiB of an HTTP answer."""
    keep_alive: float = 15.0
    """For the next request on an idle HTTP connection, and for the head of the first."""
    graceful: float = 1.0
    """For open requests and feed clients to finish after the stop."""
    lifespan: float = 0.5
    """For the application's own shutdown."""
    startup: float = 10.0


class ListenerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counted since construction, `connections` now."""

    connections: int
    accepted_total: int
    failures_total: int
    """Connections that ended with an exception, which went no further."""
    handshakes_failed_total: int
    """Connections that did not come to speak TLS."""
    overloads_total: int
    """Accepts that failed because the process or the machine was out of descriptors or memory."""


class Listener:
    """A supervised service over listening sockets (TCP and unix) that stay the caller's.

    `tls` is asked for each TCP connection: what it is to be encrypted with, None for not at all. `hypercorn`
    overrides attributes of Hypercorn's `Config`.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        app: ASGIFramework,
        feed: FeedHandler,
        *,
        root_path: str = "",
        timing: Timing | None = None,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        **hypercorn: Any,
    ) -> None:
        self._sockets = tuple(sockets)
        self._app = app
        self._feed = feed
        self._timing = timing or Timing()
        self._tls = tls
        self._config = configure(
            root_path=root_path,
            keep_alive_seconds=self._timing.keep_alive,
            startup_seconds=self._timing.startup,
            shutdown_seconds=self._timing.lifespan,
            overrides=hypercorn,
        )
        self._route = partial(route, feed_path=f"{self._config.root_path}/feed")
        self._open: set[Connection] = set()
        self._undecided: set[Connection] = set()
        self._one_closed = trio.Event()
        self._accepted = self._failures = self._handshakes_failed = self._overloads = 0
        self._log = structlog.get_logger("aura_actors.listener")

    def statistics(self) -> ListenerStatistics:
        """Counters for `/metrics`."""
        return ListenerStatistics(
            connections=len(self._open),
            accepted_total=self._accepted,
            failures_total=self._failures,
            handshakes_failed_total=self._handshakes_failed,
            overloads_total=self._overloads,
        )

    async def run(
        self, *, stopping: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until `stopping` is set; then let everybody finish for a bounded time, and return.

        The application's lifespan is started once and ended once in each run.
        """
        http = HttpServer(self._app, self._config)
        async with trio.open_nursery() as background:
            await http.start(background)
            await background.start(self._feed.run)
            await self._serve(http, stopping, task_status)
            if not await http.end():
                self._log.warning("application shutdown took too long", seconds=self._timing.lifespan)
            background.cancel_scope.cancel()

    async def _serve(self, http: HttpServer, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    for sock in self._sockets:
                        accepting.start_soon(self._accept, sock.dup(), connections, http)
                    task_status.started()
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
                await http.terminate()
                await self._say_goodbye()
            finally:
                # Hypercorn shields its sends: cancelling alone would wait for ever for a peer that does not read.
                for connection in tuple(self._open):
                    connection.abort()
                connections.cancel_scope.cancel()

    async def _say_goodbye(self) -> None:
        self._feed.stop()
        for connection in self._undecided:
            connection.close()
        with trio.move_on_after(self._timing.graceful):
            while self._open:
                await self._one_closed.wait()

    async def _accept(self, sock: socket.socket, connections: trio.Nursery, http: HttpServer) -> None:
        async with trio.SocketListener(trio.socket.from_stdlib_socket(sock)) as listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _OVERLOADED:
                        raise
                    await self._wait_for_room(error)
                else:
                    self._accepted += 1
                    connections.start_soon(self._guard, stream, http)

    async def _wait_for_room(self, error: OSError) -> None:
        self._overloads += 1
        if self._overloads % 100 == 1:
            self._log.error("cannot accept", error=str(error), open=len(self._open), times=self._overloads)
        await trio.sleep(_OVERLOAD_PAUSE_SECONDS)

    async def _guard(self, stream: trio.SocketStream, http: HttpServer) -> None:
        """Nothing that happens on one connection reaches the others."""
        try:
            connection = self._connection(stream)
        except HandshakeFailed:
            self._handshakes_failed += 1
            return
        self._open.add(connection)
        try:
            await self._dispatch(connection, http)
        except* Exception as group:  # noqa: BLE001 - the connection guard: a peer or a fault of a library ends here
            self._failures += 1
            self._log.warning("connection failed", error=_describe(group), peer=connection.host)
        finally:
            connection.close()
            self._open.discard(connection)
            closed, self._one_closed = self._one_closed, trio.Event()
            closed.set()

    def _connection(self, stream: trio.SocketStream) -> Connection:
        context = None if stream.socket.family == socket.AF_UNIX else self._tls()
        if context is None:
            return Connection(stream, send_seconds=self._timing.send)
        return TlsConnection(stream, context, send_seconds=self._timing.send)

    async def _dispatch(self, connection: Connection, http: HttpServer) -> None:
        answer = None
        self._undecided.add(connection)
        try:
            with trio.move_on_after(self._timing.head):
                answer = await connection.look_ahead(self._route, MAX_HEAD_BYTES)
        except HandshakeFailed:
            self._handshakes_failed += 1
            return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self._undecided.discard(connection)
        if isinstance(answer, RequestHead):
            await self._feed.handle(connection, answer)
        elif answer is Other.HTTP2:
            await connection.send_all(_NO_HTTP2)
        elif answer is not None:
            await http.serve(connection)


def _describe(group: BaseExceptionGroup[Exception]) -> str:
    """The innermost error and where it was raised: one line, because a peer may cause many."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else ""
    return f"{type(error).__name__}: {error}{where}"
