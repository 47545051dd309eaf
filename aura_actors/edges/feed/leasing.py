"""What one session holds of admission: operations in groups, places in the queue, leases that are kept alive.

Owns the bounds on that, and the promise that all of it ends with the connection: admission is told of the end, and
told again until it knows. How a frame is said to admission is the desk's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
import trio

from aura_actors.domain.leases import Lease
from aura_actors.edges.feed.desk import Desk, Origin, failed
from aura_actors.edges.feed.places import Places, Waited
from aura_actors.edges.feed.shared import Limits
from aura_actors.edges.keeping import Keeper
from aura_actors.edges.peer import Caller, owner_of
from aura_actors.edges.services import ask
from aura_actors.errors import AuraError, Foreign, Gone, InvalidValue, NotStarted, Refused, Unavailable
from aura_actors.messages import admission as m
from aura_actors.wire import feed
from aura_actors.wire import session as wire

LEAVE_SECONDS = 30.0
"""For admission to hear of the end. After that what nobody renews ends by its time."""
AGAIN_SECONDS = 0.05

log = structlog.get_logger("aura_actors.feed")

Told = wire.Answer | wire.Ended | feed.ErrorFrame
Taking = wire.Acquire | wire.AcquireSlot
Asked = tuple[wire.Operation, m.Operation]


class Leasing:
    """Of one session. `tell` sends frames to the client, in order; what it raises ends the session."""

    def __init__(
        self, desk: Desk, caller: Caller, limits: Limits, tell: Callable[[Sequence[Told]], Awaitable[None]]
    ) -> None:
        self._desk = desk
        self.caller = caller
        """May be replaced: it is asked for each frame."""
        self._limits = limits
        self._tell = tell
        self._connection = desk.secret()
        self._keeper = Keeper(desk.admission, self._ended)
        self._places = Places(desk.admission)
        self._unanswered: set[wire.FrameId] = set()
        self._used = False
        self._leaving = trio.CancelScope(shield=True)
        self._nursery: trio.Nursery

    # --- life ---

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """For as long as the connection lasts; at the end admission knows that it is over."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._keeper.run)
                yield
                self._nursery.cancel_scope.cancel()
        finally:
            if self._used:
                await self._leave()

    def hurry(self, seconds: float) -> None:
        """The news of the connection's end has no longer than this, from now."""
        self._leaving.deadline = min(self._leaving.deadline, trio.current_time() + seconds)

    async def _leave(self) -> None:
        self.hurry(LEAVE_SECONDS)
        with self._leaving:
            while True:
                if await self._told_of_the_end():
                    return
                await trio.sleep(AGAIN_SECONDS)
        self._places.give_up()
        log.warning("the end of a connection could not be told: its leases end by their time")

    async def _told_of_the_end(self) -> bool:
        try:
            await ask(self._desk.admission, m.Disconnected(self._connection))
        except NotStarted as error:
            return error.retry_after_seconds is None  # admission has stopped for good, as everything does
        except Unavailable:
            return False  # not written, or lost with the incarnation that was at it
        return True

    # --- asking ---

    async def carry_out(self, frames: Sequence[wire.Asked]) -> None:
        """Carry out what is asked, in order and as one batch; answer it; go on with what has to wait."""
        asked: list[Asked] = []
        answers: list[Told] = []
        for frame in frames:
            try:
                asked += await self._prepare(frame)
            except AuraError as error:
                answers.append(failed(frame.id, error))
        replies = await self._ask([operation for _, operation in asked])
        queued: list[tuple[Taking, Waited]] = []
        for (frame, operation), reply in zip(asked, replies, strict=True):
            reply = self._settle(frame, operation, reply)
            answers.append(self._desk.answer(frame.id, reply))
            if isinstance(reply, m.Queued) and isinstance(frame, Taking) and isinstance(operation, Waited):
                queued.append((frame, operation))
            else:
                self._answered(frame.id)
        await self._tell(answers)
        for each in queued:
            self._nursery.start_soon(self._wait, *each)

    async def _prepare(self, frame: wire.Asked) -> Sequence[Asked]:
        """What to ask; nothing for `leave`. Raises what the frame is answered where it may not be asked."""
        if "admit" not in self.caller.scopes:
            raise Foreign("this token may not ask for leases: it has not the scope `admit`")
        if isinstance(frame, wire.Leave):
            if frame.id not in self._places:
                raise Gone(f"nothing with the id {frame.id} waits")
            self._places.leave(frame.id)
            return ()
        if frame.id in self._unanswered:
            raise InvalidValue("has not its last answer yet; take another id", path="/id")
        if isinstance(frame, Taking):
            self._check_room(frame)
        operation = self._desk.operation(frame, await self._origin(frame))
        self._unanswered.add(frame.id)
        if isinstance(operation, Waited) and operation.turn is not None:
            self._places.expect(frame.id, operation.turn)
        return ((frame, operation),)

    def _check_room(self, frame: Taking) -> None:
        if len(self._keeper) + len(self._unanswered) >= self._limits.max_leases:
            raise Refused(f"a session holds at most {self._limits.max_leases} leases")
        if frame.wait_seconds and len(self._places) >= self._limits.max_waiting:
            raise Refused(f"a session waits for at most {self._limits.max_waiting} leases")

    async def _origin(self, frame: wire.Operation) -> Origin:
        process = owner = None
        if isinstance(frame, Taking | wire.PreflightAsked):
            owner = frame.owner
            group = None if isinstance(frame, wire.AcquireSlot) else frame.cgroup
            if frame.pid is not None:
                claim, pid = self.caller.claim, frame.pid
                process = await trio.to_thread.run_sync(claim, pid, group, limiter=self._desk.threads)
            elif group is not None:
                raise InvalidValue("give pid too: a process in this group", path="/cgroup")
        return Origin(owner=owner_of(self.caller, owner), connection=self._connection, process=process)

    async def _ask(self, operations: Sequence[m.Operation]) -> Sequence[object]:
        """For each its reply or its error."""
        if not operations:
            return ()
        self._used = True
        released = [self._keeper.let_go(each) for each in operations if isinstance(each, m.Release)]
        try:
            return await ask(self._desk.admission, m.Batch(operations=tuple(operations)))
        except AuraError as error:
            for lease in released:
                if lease is not None:
                    self._keeper.keep(lease)
            return [error] * len(operations)

    def _settle(self, frame: wire.Operation, operation: m.Operation, reply: object) -> object:
        """What is to be answered, once what it says of a lease is taken note of."""
        if isinstance(reply, m.Grant):
            self._keeper.keep(reply.lease)
        elif isinstance(reply, Lease) and isinstance(operation, m.Renew | m.Ready):
            self._keeper.go_on(reply)
        elif isinstance(reply, m.Queued) and isinstance(frame, Taking) and not frame.wait_seconds:
            # Somebody else waits for this job, or another frame does: whoever does not wait is told why.
            seconds = reply.retry_after_seconds
            return Refused("it waits already", reasons=reply.reasons, retry_after_seconds=seconds)
        return reply

    def _answered(self, number: wire.FrameId) -> None:
        self._unanswered.discard(number)
        self._places.forget(number)

    async def _wait(self, frame: Taking, request: Waited) -> None:
        reply = await self._places.outcome(frame.id, request, frame.wait_seconds)
        if isinstance(reply, m.Grant):
            self._keeper.keep(reply.lease)
        # Before it is told: the client may use the id again as soon as it hears.
        self._answered(frame.id)
        await self._tell([wire.Left(id=frame.id) if reply is None else self._desk.answer(frame.id, reply)])

    def _ended(self, lease: Lease, why: Gone | Foreign) -> None:
        frame = wire.Ended(key=lease.key, fence=lease.fence, detail=str(why))
        self._nursery.start_soon(self._tell, [frame])
