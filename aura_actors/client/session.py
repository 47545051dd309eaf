"""A session: leases that end with one connection, asked for over the feed.

Owns the numbers of questions under way and who waits for which answer, and what is held until the connection ends.
The daemon keeps these leases alive itself; nothing is renewed here, and nothing survives the connection: neither a
restart of the daemon nor a loop that stands still for half a minute and answers no ping.
"""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar, Unpack

import anyio
import msgspec
from msgspec import UNSET

from aura_actors.client.answers import of_problem
from aura_actors.client.held import Held, Lease, Slot, held_once
from aura_actors.client.needs import job_body, slot_body
from aura_actors.client.process import Pid, Process
from aura_actors.client.tasks import Tasks
from aura_actors.client.websocket import WebSocket
from aura_actors.errors import AuraError, Gone, InvalidValue, Refused, Unavailable, Unreachable
from aura_actors.wire import admission, feed
from aura_actors.wire import session as wire
from aura_actors.wire.arguments import Duration, Needs, checked, seconds_of

ANSWER_SECONDS: Final = 15.0
OVERDUE_SECONDS: Final = 3.0
"""For the last answer to a question that is waited for no longer."""
LEAVE_SECONDS: Final = 5.0
MAX_WAIT_SECONDS: Final = 3600.0
"""Of one question; asking again keeps the place."""
AGAIN_SECONDS: Final = 0.1
"""Less than this is no time to wait for."""
NOTHING_USED: Final = admission.SlotReleaseBody()

_said = msgspec.json.Decoder(feed.Hello | wire.Answer | wire.Ended | feed.ErrorFrame | feed.Heartbeat)
Last = (
    wire.Granted | wire.Refused | wire.Renewed | wire.Released | wire.Left | wire.PreflightAnswer | feed.ErrorFrame
)
A = TypeVar("A", bound=Last)


class _Question:
    """One frame that waits for its last answer."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.answer: Last | AuraError | None = None
        self.reasons: list[admission.Reason] = []
        """Why it is not granted yet."""

    def settle(self, answer: "Last | AuraError") -> None:
        self.answer = answer
        self.answered.set()


class Session:
    """The verbs of `connect`, over one connection. Made by `Aura.session`."""

    def __init__(
        self,
        socket: WebSocket,
        limits: feed.Limits,
        tasks: Tasks,
        process: Process,
        owner: str | None,
        taken: set[str],
    ) -> None:
        self._socket = socket
        self._tasks = tasks
        self._process = process
        self._owner = owner
        self._taken = taken
        self._numbers = itertools.count(1)
        self._questions: dict[int, _Question] = {}
        self._held: dict[int, Held[admission.Lease] | Held[admission.Slot]] = {}
        self._limits = limits
        self.lost: AuraError | None = None
        """Why the connection has ended, and all leases with it; None while it lasts."""

    @asynccontextmanager
    async def reserve(
        self,
        job_id: str,
        *,
        wait: Duration | None = None,
        ttl: Duration | None = None,
        pid: Pid = "own",
        **needs: Unpack[Needs],
    ) -> AsyncIterator[Lease]:
        """Hold a lease for the time of the block, and of the connection at most. As `Aura.reserve`."""
        body = job_body(job_id, owner=self._owner, ttl=ttl, **needs)
        with held_once(self._taken, job_id):
            granted = await self._process.named(body, pid, lambda asked: self._take(asked, None, seconds_of(wait)))
            assert isinstance(granted.lease, admission.Lease)
            lease = Lease(granted.lease, self)
            async with self._holding(lease):
                try:
                    yield lease
                finally:
                    await self._give_back(self._release(granted))

    @asynccontextmanager
    async def provider(
        self,
        name: str,
        *,
        tokens: int = 0,
        wait: Duration | None = None,
        ttl: Duration | None = None,
        pid: Pid = "own",
    ) -> AsyncIterator[Slot]:
        """Hold a slot at a provider for the time of the block. As `Aura.provider`."""
        body, name = slot_body(owner=self._owner, tokens=tokens, ttl=ttl), checked(name, admission.Name)
        granted = await self._process.named(body, pid, lambda asked: self._take(asked, name, seconds_of(wait)))
        assert isinstance(granted.slot, admission.Slot)
        slot = Slot(granted.slot)
        async with self._holding(slot):
            try:
                yield slot
            finally:
                await self._give_back(self._release(granted, slot.used))

    async def preflight(
        self, job_id: str = "preflight", *, pid: Pid = "own", **needs: Unpack[Needs]
    ) -> admission.Preflight:
        """What `reserve` would be answered now; takes nothing."""
        body = job_body(job_id, owner=self._owner, **needs)
        return await self._process.named(body, pid, self._preflight)

    # --- of a lease ---

    async def ready(self, lease: Lease) -> admission.Lease:
        """Say that the job uses what it will use."""
        frame = wire.Ready(id=next(self._numbers), job_id=lease.job_id, lease_id=lease.lease_id)
        return (await self._ask(frame, wire.Renewed)).lease

    async def resize(self, lease: Lease, body: admission.RenewBody) -> admission.Lease:
        """Change what is held."""
        changes = msgspec.structs.asdict(body)
        frame = wire.Renew(id=next(self._numbers), job_id=lease.job_id, lease_id=lease.lease_id, **changes)
        return (await self._ask(frame, wire.Renewed)).lease

    # --- asking ---

    async def _preflight(self, body: admission.AcquireBody) -> admission.Preflight:
        needs = {name: getattr(body, name) for name in admission.NeedsBody.__struct_fields__}
        return (
            await self._ask(wire.PreflightAsked(id=next(self._numbers), **needs), wire.PreflightAnswer)
        ).preflight

    async def _take(
        self, body: admission.AcquireBody | admission.SlotBody, provider: str | None, wait_seconds: float
    ) -> wire.Granted:
        """Ask, and wait. The daemon is asked for longer than that, and left: so no place is kept for us."""
        until = anyio.current_time() + wait_seconds
        fields = msgspec.structs.asdict(body) | {"wait_seconds": MAX_WAIT_SECONDS if wait_seconds else 0}
        while True:
            number = next(self._numbers)
            frame: wire.Acquire | wire.AcquireSlot
            if provider is None:
                frame = wire.Acquire(id=number, **fields)
            else:
                frame = wire.AcquireSlot(id=number, provider=provider, **fields)
            try:
                return await self._granted(frame, until, wait_seconds)
            except Refused:
                if until - anyio.current_time() <= AGAIN_SECONDS:
                    raise

    async def _granted(
        self, frame: wire.Acquire | wire.AcquireSlot, until: float, wait_seconds: float
    ) -> wire.Granted:
        question = await self._say(frame)
        try:
            if frame.wait_seconds:
                with anyio.move_on_after(until - anyio.current_time()):
                    await question.answered.wait()
                if not question.answered.is_set():
                    await self._send(wire.Leave(id=frame.id))
            within = OVERDUE_SECONDS if frame.wait_seconds else ANSWER_SECONDS
            return await self._answer(question, wire.Granted, within=within, waited_seconds=wait_seconds)
        except anyio.get_cancelled_exc_class():
            undoing = self._tasks.begin(lambda: self._undo(frame, question))
            with anyio.move_on_after(LEAVE_SECONDS, shield=True):
                await undoing.ended()
            raise
        except Unreachable:
            self._tasks.begin(lambda: self._undo(frame, question))
            raise

    async def _undo(self, frame: wire.Acquire | wire.AcquireSlot, question: _Question) -> None:
        """Stop waiting; what is granted all the same is given back, however late that is heard."""
        with suppress(Unreachable):
            if frame.wait_seconds and not question.answered.is_set():
                await self._send(wire.Leave(id=frame.id))
            await question.answered.wait()
        if isinstance(question.answer, wire.Granted):
            await self._give_back(self._release(question.answer))

    def _release(
        self, granted: wire.Granted, used: admission.SlotReleaseBody = NOTHING_USED
    ) -> wire.Release | wire.ReleaseSlot:
        number = next(self._numbers)
        if isinstance(granted.lease, admission.Lease):
            lease = granted.lease
            return wire.Release(id=number, job_id=lease.job_id, lease_id=lease.lease_id)
        assert isinstance(granted.slot, admission.Slot)
        slot, told = granted.slot, msgspec.structs.asdict(used)
        return wire.ReleaseSlot(
            id=number, provider=slot.provider, slot_id=slot.slot_id, lease_id=slot.lease_id, **told
        )

    async def _give_back(self, frame: wire.Release | wire.ReleaseSlot) -> None:
        """On every way out; where the connection has ended, so has what was held."""
        with suppress(AuraError):
            await self._tasks.complete(lambda: self._ask(frame, wire.Released))

    async def _ask(self, frame: wire.Operation, kind: type[A]) -> A:
        return await self._answer(await self._say(frame), kind)

    async def _say(self, frame: wire.Operation) -> _Question:
        if self.lost is not None:
            raise self.lost
        question = self._questions[frame.id] = _Question()
        try:
            await self._send(frame)
        except AuraError:
            del self._questions[frame.id]
            raise
        return question

    async def _send(self, frame: wire.Asked) -> None:
        text = msgspec.json.encode(frame)
        if len(text) > self._limits.max_message_bytes:
            raise InvalidValue(
                f"a session takes {self._limits.max_message_bytes} bytes at a time, and this is {len(text)}: "
                "ask for less at once, or reserve without a session"
            )
        await self._socket.send(text.decode())

    async def _answer(
        self, question: _Question, kind: type[A], *, within: float | None = None, waited_seconds: float = 0
    ) -> A:
        within = ANSWER_SECONDS if within is None else within
        with anyio.move_on_after(within):
            await question.answered.wait()
        match question.answer:
            case None:
                raise Unreachable(f"the daemon did not answer within {waited_seconds + within:.3g} s", sent=True)
            case AuraError() as error:
                raise error
            case wire.Left():
                raise Refused(f"there was no room within {waited_seconds:g} s", reasons=tuple(question.reasons))
            case wire.Refused() as refused:
                raise of_problem(refused.problem)
            case feed.ErrorFrame() as error_frame:
                raise _error_of(error_frame)
            case answer if isinstance(answer, kind):
                return answer
            case _:
                raise Unavailable("the daemon answered something that this version does not know")

    # --- the connection ---

    @asynccontextmanager
    async def _holding(self, held: Held[admission.Lease] | Held[admission.Slot]) -> AsyncIterator[None]:
        if self.lost is not None:
            held.lose(self.lost)
        self._held[held.fence] = held
        try:
            yield
        finally:
            del self._held[held.fence]

    async def listen(self) -> None:
        """Hand answers to whoever waits for them, until the connection ends."""
        try:
            while True:
                self._hear(_said.decode(await self._socket.receive()))
        except AuraError as error:
            self.end(error)
        except msgspec.DecodeError as error:
            self.end(Unavailable(f"the feed said something that this version does not know: {error}"))

    def end(self, why: AuraError) -> None:
        """The connection is over, and all that was held on it."""
        if self.lost is None:
            self.lost = why
        for question in self._questions.values():
            question.settle(self.lost)
        self._questions.clear()
        for held in self._held.values():
            held.lose(self.lost)

    def _hear(self, frame: feed.Hello | wire.Answer | wire.Ended | feed.ErrorFrame | feed.Heartbeat) -> None:
        match frame:
            case wire.Ended():
                if frame.fence in self._held:
                    self._held[frame.fence].lose(Gone(frame.detail))
            case wire.Queued() if frame.id in self._questions:
                self._questions[frame.id].reasons = frame.reasons
            case feed.Hello() | feed.Heartbeat() | wire.Queued():
                pass
            case feed.ErrorFrame() if frame.id is UNSET:
                self.end(Unavailable(f"the daemon did not understand a frame of ours: {frame.detail}"))
            case _:
                question = self._questions.pop(frame.id, None)  # type: ignore[arg-type]  # no id: no question
                if question is not None:
                    question.settle(frame)


def _error_of(frame: feed.ErrorFrame) -> AuraError:
    return InvalidValue(frame.detail, path=frame.pointer) if frame.problem is UNSET else of_problem(frame.problem)


@asynccontextmanager
async def open_session(
    socket: WebSocket, tasks: Tasks, process: Process, owner: str | None, taken: set[str]
) -> AsyncIterator[Session]:
    """For the time of a block; what is held at its end is free when the daemon sees the connection end.

    `taken`: the jobs that the program holds, here or without a session.
    """
    try:
        hello = _said.decode(await socket.receive())
        if not isinstance(hello, feed.Hello):
            raise Unavailable("the feed did not greet as this version expects")
        session = Session(socket, hello.limits, tasks, process, owner, taken)
        listening = tasks.begin(session.listen)
        try:
            yield session
        finally:
            session.end(Unavailable("the session is over"))
            listening.cut_off()
    finally:
        await socket.aclose()
