"""One feed client after its upgrade: greets it, carries out what it asks, and keeps it up to date.

Owns the client's subscriptions and its tasks: one reads, one carries out, one writes, one pings, one collects
events. It never makes anybody wait: publications are offered to it and kept in bounded places. Who may connect, and
who else is connected, is the feed's; what the client holds of admission is `leasing`'s.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from aura_actors.edges.feed.frames import Close, text_frame
from aura_actors.edges.feed.held import Held, Offer
from aura_actors.edges.feed.inbox import Inbox
from aura_actors.edges.feed.leasing import Leasing
from aura_actors.edges.feed.protocol import Mistake, decode, encode, error_frame
from aura_actors.edges.feed.shared import Shared
from aura_actors.edges.feed.stream import FrameStream
from aura_actors.edges.peer import Caller
from aura_actors.kernel.bus import Overflowed, Subscription
from aura_actors.messages.topics import Publication
from aura_actors.wire import feed as wire
from aura_actors.wire.session import Asked


class Session:
    """`nursery` holds the connection's tasks, the library's reader among them; ending the session cancels it.

    `caller` is who connected, and what they may do beyond reading.
    """

    def __init__(
        self,
        websocket: WebSocketConnection,
        stream: FrameStream,
        nursery: trio.Nursery,
        shared: Shared,
        caller: Caller,
    ) -> None:
        self.caller = caller
        self._websocket = websocket
        self._stream = stream
        self._nursery = nursery
        self._shared = shared
        self._held = Held(shared.sampler_interval_seconds)
        self._inbox = Inbox()
        self._leasing = Leasing(shared.desk, caller, shared.limits, self._tell)
        self._events: deque[Publication] = deque()
        self._wake = trio.Event()
        self._sent_at = -math.inf
        self._subscribed = False
        """The client has subscribed once: from then on it hears at least heartbeats, and nothing before."""
        self.code: int | None = None
        """Why the session ended; None while it runs."""
        self.reason = ""

    async def run(self) -> None:
        """Serve the client until it goes or the session is ended."""
        shared = self._shared
        try:
            with shared.events.subscribe(shared.limits.event_capacity) as events:
                await self._send(shared.hello)
                for work in (self._write, self._ping):
                    self._nursery.start_soon(self._until_lost, work)
                self._nursery.start_soon(self._collect, events)
                self._nursery.start_soon(self._inbox.fill, self._websocket)
                async with self._leasing.open():
                    await self._serve()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Close.LOST)
        finally:
            for topic in self._held.topics:
                shared.subscribers[topic].pop(self, None)

    def end(self, code: int, reason: str = "") -> None:
        """End the session; the first code counts. Returns at once."""
        if self.code is None:
            self.code, self.reason = code, reason
            self._stream.hurry(self._shared.deadlines.close)
            self._nursery.cancel_scope.cancel()
        if code == Close.GOING_AWAY:
            self._leasing.hurry(self._shared.deadlines.leave)

    def offer(self, publication: Publication) -> None:
        """Keep a newer publication of a topic, in place of an unsent one."""
        outcome = self._held.offer(publication)
        if outcome is Offer.CONFLATED:
            self._shared.counters.conflated += 1
        self._wake.set()

    # --- reading -------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while group := await self._inbox.group():
            about_leases: list[Asked] = []
            for text in group:
                match decode(text, self._shared.topics):
                    case Mistake() as mistake:
                        await self._tell([error_frame(mistake)])
                    case wire.Subscribe() as frame:
                        await self._subscribe(frame)
                    case wire.Unsubscribe() as frame:
                        await self._unsubscribe(frame)
                    case frame:
                        about_leases.append(frame)
            if about_leases:
                await self._leasing.carry_out(about_leases)
        self.end(Close.TOO_BIG if self._stream.too_big else self._inbox.ended)

    async def _subscribe(self, frame: wire.Subscribe) -> None:
        every = self._shared.every(frame.interval_ms) if isinstance(frame.interval_ms, int) else 1
        since = frame.since if isinstance(frame.since, dict) else {}
        held = list(dict.fromkeys([*self._held.topics, *frame.topics]))
        # The answer goes out before anything is registered, so that no snapshot can overtake it.
        await self._tell([wire.Subscribed(topics=held, recovered=dict.fromkeys(since, False))])
        for topic in frame.topics:
            new = self._held.hold(topic, every)
            self._shared.subscribers[topic][self] = None
            known = self._shared.topics[topic].value
            if new and known is not None:
                self._held.offer(known)
        self._subscribed = True
        self._wake.set()

    async def _unsubscribe(self, frame: wire.Unsubscribe) -> None:
        for topic in frame.topics:
            self._held.drop(topic)
            self._shared.subscribers[topic].pop(self, None)
        await self._tell([wire.Subscribed(topics=self._held.topics, recovered={})])

    # --- writing -------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            frame = self._next_frame()
            if frame is not None:
                await self._send(frame)
                continue
            heartbeat_at = self._heartbeat_at()
            if trio.current_time() >= heartbeat_at:
                await self._send(self._shared.heartbeat)
                continue
            with trio.move_on_at(min(self._held.next_due(), heartbeat_at)):
                await self._wake.wait()
            self._wake = trio.Event()

    def _heartbeat_at(self) -> float:
        return self._sent_at + self._shared.deadlines.heartbeat if self._subscribed else math.inf

    def _next_frame(self) -> bytes | None:
        """Events first: a snapshot of the same topic was published after them."""
        while self._events:
            event = self._events.popleft()
            if event.topic in self._held:
                return self._shared.frames.event(event)
        publication = self._held.take(trio.current_time())
        return None if publication is None else self._shared.frames.snapshot(publication)

    async def _tell(self, frames: Sequence[msgspec.Struct]) -> None:
        """Frames of this client alone; several are written at once."""
        await self._send(b"".join(text_frame(encode(frame)) for frame in frames), len(frames))

    async def _send(self, data: bytes, frames: int = 1) -> None:
        await self._stream.send_all(data)
        self._sent_at = trio.current_time()
        self._shared.counters.frames_sent += frames

    # --- beside --------------------------------------------------------------------------------------------

    async def _ping(self) -> None:
        deadlines = self._shared.deadlines
        while True:
            await trio.sleep(deadlines.ping)
            with trio.move_on_after(deadlines.pong) as scope:
                await self._websocket.ping()
            if scope.cancelled_caught:
                self._shared.counters.slow += 1
                self._stream.abort()
                raise trio.BrokenResourceError("no pong")

    async def _collect(self, events: Subscription[Publication]) -> None:
        while len(self._events) < self._shared.limits.event_capacity:
            try:
                event = await events.receive()
            except Overflowed:
                break
            if event.topic in self._held:
                self._events.append(event)
                self._wake.set()
        self._shared.counters.slow += 1
        self.end(Close.MISSED_EVENTS, "events were missed")

    async def _until_lost(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Close.LOST)
