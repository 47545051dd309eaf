"""One feed client after its upgrade: greets it, carries out what it asks, and keeps it up to date.

Owns the client's subscriptions and the one way on which all that we say goes out: written at once as far as the
socket takes it; a task that writes the rest exists only while there is one. Publications are offered to it and kept
in bounded places, so that nobody ever waits for it. Who may connect, and who else is connected, is the feed's; what
the client holds of admission is `leasing`'s.
"""

import math
from collections import deque
from collections.abc import Sequence

import msgspec
import trio
from trio_websocket import WebSocketConnection

from aura_actors.edges.feed.frames import PING, Close, Framed, framed, text_frame
from aura_actors.edges.feed.held import Held, Offer
from aura_actors.edges.feed.inbox import Inbox
from aura_actors.edges.feed.leasing import Leasing
from aura_actors.edges.feed.protocol import Mistake, decode, encode, error_frame
from aura_actors.edges.feed.pulse import Pulse
from aura_actors.edges.feed.shared import Shared
from aura_actors.edges.feed.stream import FrameStream
from aura_actors.edges.peer import Caller
from aura_actors.edges.tokens import Standing
from aura_actors.wire import feed as wire
from aura_actors.wire.session import Asked


class Session:
    """`nursery` holds the connection's tasks, the library's reader among them; ending the session cancels it.

    `caller` is who connected, and what they may do beyond reading.
    """

    __slots__ = (
        "_draining",
        "_held",
        "_inbox",
        "_leasing",
        "_nursery",
        "_own",
        "_ping",
        "_pulse",
        "_sent_at",
        "_shared",
        "_stream",
        "_websocket",
        "code",
        "reason",
    )

    def __init__(
        self,
        websocket: WebSocketConnection,
        stream: FrameStream,
        nursery: trio.Nursery,
        shared: Shared,
        caller: Caller,
    ) -> None:
        self._websocket = websocket
        self._stream = stream
        self._nursery = nursery
        self._shared = shared
        self._held = Held(shared.sampler_interval_seconds, shared.limits.event_capacity)
        self._pulse = Pulse(shared.deadlines, trio.current_time())
        self._sent_at = trio.current_time()
        """When the client was last sent something that it can see."""
        self._inbox = Inbox()
        self._leasing = Leasing(shared.desk, caller, shared.limits, self._tell)
        self._own: deque[_Own] = deque()
        """Our answers; whoever gives one waits for its turn, so that they stay few."""
        self._ping = False
        """A ping is to be sent."""
        self._draining = False
        self.code: int | None = None
        """Why the session ended; None while it runs."""
        self.reason = ""

    @property
    def caller(self) -> Caller:
        """Who connected, as it stands now."""
        return self._leasing.caller

    def stand(self, standing: Standing) -> None:
        """What its token opens from now on."""
        self._leasing.caller = msgspec.structs.replace(
            self.caller, token_name=standing.token_name, scopes=standing.scopes
        )

    async def run(self) -> None:
        """Serve the client until it goes or the session is ended."""
        shared = self._shared
        try:
            shared.agenda.at(self, self.look(trio.current_time()))
            await self._say(shared.hello())
            self._nursery.start_soon(self._inbox.fill, self._websocket)
            async with self._leasing.open():
                await self._serve()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Close.LOST)
        finally:
            self.end(Close.LOST)
            shared.agenda.forget(self)
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

    def offer(self, publication: Framed, now: float) -> bool:
        """Send a newer publication of a topic, or keep it until the socket takes more.

        True if it was sent at once: whoever offers it to thousands counts that, once for all.
        """
        if self.code is not None:
            return False
        if not self._stream.busy and self._held.passes(publication, now):
            self._sent_at = now
            if self._put(publication.frame):
                return True
            self._count(publication.frame, 1, now)
            return False
        outcome = self._held.offer(publication)
        if outcome is Offer.KEPT:
            self._pump()
        elif outcome is Offer.CONFLATED:
            self._shared.counters.conflated += 1
        elif outcome is Offer.SKIPPED:
            self._shared.agenda.at(self, self._held.next_due())
        elif outcome is Offer.MISSED:
            self.miss()
        return False

    def miss(self) -> None:
        """An event was published that this client will not get: it must know."""
        if self.code is None:
            self._shared.counters.slow += 1
        self.end(Close.MISSED_EVENTS, "events were missed")

    def look(self, now: float) -> float:
        """Send what is due by time: a heartbeat, a ping, a skipped publication; cut off a client that is gone."""
        if self.code is not None:
            return math.inf
        if self._pulse.lost(now, self._stream.pongs):
            self._shared.counters.slow += 1
            self._stream.abort()
            self.end(Close.LOST)
            return math.inf
        self._ping |= self._pulse.ping_due(now, self._stream.pongs)
        if self._pulse.heartbeat_due(now, self._sent_at):
            self._sent_at = now
            self._own.append(_Own(self._shared.heartbeat, 1))
        self._pump()
        # What is due while the socket takes nothing goes out behind what it has not taken.
        return min(self._pulse.next_look(self._sent_at), math.inf if self._stream.busy else self._held.next_due())

    # --- reading -------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while group := await self._inbox.group():
            about_leases: list[Asked] = []
            for text in group:
                match decode(text, self._shared.subscribers):
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
        recovered = dict.fromkeys(since, False)
        for topic in frame.topics:
            if self._held.hold(topic, every):
                recovered |= self._begin(topic, since.get(topic))
        self._pulse.begin_heartbeats()
        # Nothing of this was sent yet: the answer goes out first.
        await self._tell([wire.Subscribed(topics=self._held.topics, recovered=recovered)])
        self._shared.agenda.at(self, self._pulse.next_look(self._sent_at))

    def _begin(self, topic: str, since: wire.Since | None) -> dict[str, bool]:
        """From now on the client gets what is published; first what it has missed, else what is true now."""
        shared = self._shared
        shared.subscribers[topic][self] = None
        missed = None if since is None else shared.missed(topic, since)
        if since is not None and missed is not None:
            self._held.resume(topic, since.seq, [framed(each) for each in missed])
        elif (known := shared.backlog.snapshot(topic)) is not None:
            self._held.offer(framed(known))
        if since is None:
            return {}
        shared.counters.count_resumed(missed is not None)
        return {topic: missed is not None}

    async def _unsubscribe(self, frame: wire.Unsubscribe) -> None:
        for topic in frame.topics:
            self._held.drop(topic)
            self._shared.subscribers[topic].pop(self, None)
        await self._tell([wire.Subscribed(topics=self._held.topics, recovered={})])

    # --- writing -------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Write what is due, as far as the socket takes it at once."""
        while self.code is None and not self._stream.busy:
            now = trio.current_time()
            data, frames = self._next(now)
            if not data:
                return
            self._count(data, frames, now)
            self._put(data)
        self._begin_to_drain()

    def _put(self, data: bytes) -> bool:
        """Write frames. True if the socket took them all at once; if not, the rest is `_drain`'s."""
        try:
            if self._stream.put(data):
                return True
        except trio.BrokenResourceError:
            self.end(Close.LOST)
        else:
            self._shared.counters.waited += 1
            self._begin_to_drain()
        return False

    def _begin_to_drain(self) -> None:
        if self.code is None and not self._draining:
            self._draining = True
            self._nursery.start_soon(self._drain)

    async def _drain(self) -> None:
        """Write, as the socket takes it, until nothing is left."""
        try:
            await self._stream.write(self._next_waiting)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Close.LOST)
        finally:
            self._draining = False

    def _next_waiting(self) -> bytes:
        now = trio.current_time()
        data, frames = self._next(now)
        if data:
            self._count(data, frames, now)
            self._shared.counters.waited += 1
        return data

    def _count(self, data: bytes, frames: int, now: float) -> None:
        if frames:
            self._sent_at = now
        counters = self._shared.counters
        counters.frames_sent += frames
        counters.bytes_sent += len(data)

    def _next(self, now: float) -> tuple[bytes, int]:
        """What is to be written next, and how many frames that are; nothing if there is nothing to say.

        Our answers come first, then events and what is sent again, then the newest states.
        """
        if self._ping:
            self._ping = False
            self._shared.agenda.at(self, self._pulse.pinged(now, self._stream.pongs))
            return PING, 0  # the client does not see it
        if self._own:
            own = self._own.popleft()
            own.begun.set()
            return own.data, own.frames
        publication = self._held.take(now)
        return (b"", 0) if publication is None else (publication.frame, 1)

    async def _tell(self, frames: Sequence[msgspec.Struct]) -> None:
        """Frames of this client alone, written at once; waits until what was before them is taken."""
        if frames:
            await self._say(b"".join(text_frame(encode(frame)) for frame in frames), len(frames))

    async def _say(self, data: bytes, frames: int = 1) -> None:
        own = _Own(data, frames)
        self._own.append(own)
        self._pump()
        await own.begun.wait()


class _Own:
    """Frames for one client alone, written in one go. `begun` once it is their turn."""

    __slots__ = ("begun", "data", "frames")

    def __init__(self, data: bytes, frames: int) -> None:
        self.data = data
        self.frames = frames
        self.begun = trio.Event()
