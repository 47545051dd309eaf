"""The feed: upgrades connections, keeps the list of clients, and greets and ends them.

Owns admission of clients (names, token, limits) and the end of a connection. What a client asks for is its
session's business, who gets which publication the relay's; what is published, and when, is the publisher's.
"""

from collections import Counter
from contextlib import suppress

import msgspec
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_server_stream

from aura_actors.edges.access import FEED_PROTOCOL, Access, judge_names
from aura_actors.edges.connection import Connection
from aura_actors.edges.feed import handshake
from aura_actors.edges.feed.agenda import Agenda
from aura_actors.edges.feed.desk import Desk
from aura_actors.edges.feed.frames import Close, close_frame, text_frame
from aura_actors.edges.feed.protocol import encode
from aura_actors.edges.feed.relay import Relay
from aura_actors.edges.feed.session import Session
from aura_actors.edges.feed.shared import MAX_INTERVAL_MS, Counters, Deadlines, Limits, Shared
from aura_actors.edges.feed.stream import FrameStream
from aura_actors.edges.head import RequestHead
from aura_actors.edges.peer import caller_of
from aura_actors.edges.refusing import refuse
from aura_actors.edges.tokens import STRANGER, Standing, authenticate
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.public.forms import utc
from aura_actors.wire import feed as wire


class FeedStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counted since construction, `clients` now."""

    clients: int
    accepted_total: int
    frames_sent_total: int
    """To all clients: snapshots, events, answers, heartbeats."""
    bytes_sent_total: int
    """Of them and of pings, with their headers."""
    waited_total: int
    """Frames that a client's socket did not take at once."""
    recovered_total: int
    """Topics that clients came back to without having missed anything."""
    unrecovered_total: int
    """Topics that they came back to, and were told that they have."""
    conflated_total: int
    """Snapshots that a client never saw because a newer one took their place."""
    slow_disconnects_total: int
    """Clients cut off because they took no data, no ping or too few events in time."""
    refused_total: int
    """Handshakes turned away: foreign, malformed, without token, too many."""


class Feed:
    """Serves the topics of `backlog` over WebSocket. `desk` is where clients ask for leases.

    `epoch` is random per start of the runtime. `sampler_interval_seconds` is the distance of two publications that
    a client's `intervalMs` is measured in.
    """

    def __init__(
        self,
        *,
        epoch: str,
        backlog: Backlog,
        access: Access,
        desk: Desk,
        sampler_interval_seconds: float,
        limits: Limits | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        limits, deadlines = limits or Limits(), deadlines or Deadlines()
        hello = wire.Hello(
            epoch=epoch,
            topics=backlog.topics,
            limits=wire.Limits(
                max_message_bytes=limits.max_message_bytes,
                min_interval_ms=max(1, round(sampler_interval_seconds * 1000)),
                max_interval_ms=MAX_INTERVAL_MS,
                heartbeat_seconds=deadlines.heartbeat,
                max_waiting=limits.max_waiting,
                max_leases=limits.max_leases,
            ),
        )
        self._access = access
        self._shared = Shared(
            epoch=epoch,
            backlog=backlog,
            sampler_interval_seconds=sampler_interval_seconds,
            deadlines=deadlines,
            limits=limits,
            hello=lambda: text_frame(encode(msgspec.structs.replace(hello, ts=utc(desk.wall())))),
            heartbeat=text_frame(encode(wire.Heartbeat())),
            counters=Counters(),
            agenda=Agenda(),
            desk=desk,
            subscribers={topic: {} for topic in backlog.topics},
        )
        self._relay = Relay(self._shared)
        self._clients: dict[Session, RequestHead] = {}
        """Each with the request that it came with."""
        self._per_address: Counter[str] = Counter()
        self._stopping = False

    @property
    def access(self) -> Access:
        """The rules for who may connect. May be replaced: then they hold for the tokens of who is connected too.

        Whose token opens the feed no more is sent away, and what it held ends with its connection.
        """
        return self._access

    @access.setter
    def access(self, access: Access) -> None:
        self._access = access
        for session, head in tuple(self._clients.items()):
            standing = self._standing(head)
            refused = _may_not_read(standing)
            if refused is not None:
                session.end(*refused)
            elif standing is not None:
                session.stand(standing)

    def statistics(self) -> FeedStatistics:
        """Counters for `/metrics`."""
        counters = self._shared.counters
        return FeedStatistics(
            clients=len(self._clients),
            accepted_total=counters.accepted,
            frames_sent_total=counters.frames_sent,
            bytes_sent_total=counters.bytes_sent,
            waited_total=counters.waited,
            recovered_total=counters.recovered,
            unrecovered_total=counters.unrecovered,
            conflated_total=counters.conflated,
            slow_disconnects_total=counters.slow,
            refused_total=counters.refused,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Offer publications to sessions until cancelled."""
        self._stopping = False
        await self._relay.run(task_status=task_status)

    def stop(self) -> None:
        """Close every session with 1001, and those that still come."""
        self._stopping = True
        for session in tuple(self._clients):
            session.end(Close.GOING_AWAY, "shutting down")

    async def handle(self, connection: Connection, head: RequestHead) -> None:
        """Carry one connection from its upgrade request to its end; what the peer does raises nothing here."""
        names = judge_names(self.access, headers=head.headers, scheme=connection.scheme)
        refusal = names or handshake.check(head)
        deadlines, limits = self._shared.deadlines, self._shared.limits
        if refusal is not None:
            self._shared.counters.refused += 1
            await refuse(connection, refusal, within_seconds=deadlines.close)
            return
        connection.limit_send_buffer(limits.send_buffer_bytes)
        stream = FrameStream(
            connection,
            head_bytes=head.size,
            send_seconds=deadlines.send,
            max_message_bytes=limits.max_message_bytes,
        )
        code, reason = await self._converse(connection, stream, head)
        self._shared.counters.slow += stream.stalled
        await _say_goodbye(connection, stream, code, reason, deadlines.close)

    async def _converse(self, connection: Connection, stream: FrameStream, head: RequestHead) -> tuple[int, str]:
        """Everything between the request and the close frame; returns what the close frame shall say."""
        session: Session | None = None
        try:
            async with trio.open_nursery() as nursery:
                websocket = await self._upgrade(nursery, stream, head)
                if websocket is not None:
                    standing = self._standing(head)
                    caller = caller_of(
                        standing or STRANGER, connection.peer, head.headers, self.access.trusted_proxies
                    )
                    session = Session(websocket, stream, nursery, self._shared, caller)
                    await self._admit(session, head, standing)
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the library's reader says so when the peer goes away in the middle of something
        if session is None or session.code is None:
            return Close.LOST, ""
        return session.code, session.reason

    async def _upgrade(
        self, nursery: trio.Nursery, stream: FrameStream, head: RequestHead
    ) -> WebSocketConnection | None:
        """Answer 101; None if the peer went away or took too long."""
        offered = FEED_PROTOCOL in head.tokens(b"sec-websocket-protocol")
        with trio.move_on_after(self._shared.deadlines.handshake):
            request = await wrap_server_stream(
                nursery, stream, max_message_size=self._shared.limits.max_message_bytes
            )
            websocket = await request.accept(subprotocol=FEED_PROTOCOL if offered else None)
            stream.upgraded()
            return websocket
        return None

    def _standing(self, head: RequestHead) -> Standing | None:
        """What the client's token opens; None where it is missing or wrong."""
        protocols = head.tokens(b"sec-websocket-protocol")
        return authenticate(self.access.accepted, headers=head.headers, subprotocols=protocols)

    async def _admit(self, session: Session, head: RequestHead, standing: Standing | None) -> None:
        address = session.caller.host
        refused = self._turned_away(address, standing)
        if refused is not None:
            self._shared.counters.refused += 1
            session.end(*refused)
            return
        self._shared.counters.accepted += 1
        self._clients[session] = head
        self._per_address[address] += 1
        try:
            await session.run()
        finally:
            del self._clients[session]
            self._per_address[address] -= 1
            self._per_address += Counter()  # drops what is zero

    def _turned_away(self, address: str, standing: Standing | None) -> tuple[Close, str] | None:
        limits = self._shared.limits
        if self._stopping:
            return Close.GOING_AWAY, "shutting down"
        if (refused := _may_not_read(standing)) is not None:
            return refused
        if len(self._clients) >= limits.max_clients:
            return Close.TRY_LATER, "too many clients"
        if address and self._per_address[address] >= limits.max_clients_per_address:
            return Close.TRY_LATER, "too many clients from this address"
        return None


def _may_not_read(standing: Standing | None) -> tuple[Close, str] | None:
    if standing is None:
        return Close.TOKEN_REFUSED, "token missing or wrong"
    if "read" not in standing.scopes:
        return Close.SCOPE_REFUSED, "this token may not read"
    return None


async def _say_goodbye(
    connection: Connection, stream: FrameStream, code: int, reason: str, within_seconds: float
) -> None:
    """Send the close frame where there is anybody to read it, and end the connection in order."""
    stream.hurry(within_seconds)
    if code != Close.LOST and not stream.stalled:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_close(close_frame(code, reason))
    await connection.finish(within_seconds)
