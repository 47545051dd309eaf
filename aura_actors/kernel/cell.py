"""One actor's place in the program: the mailbox and the counts that outlive incarnations, and their loop.

Owns what happens to messages when an incarnation opens, crashes or stops. Each run of the service is one
incarnation, made fresh by the factory; whether there is a next one is the supervisor's decision.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import trio

from aura_actors.errors import AskTimeout, AuraError, Lost, MailboxFull, NotStarted, Unavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.envelope import Envelope, ReplySlot
from aura_actors.kernel.mailbox import Mailbox, MailboxStatistics, Overflow
from aura_actors.kernel.monitor import Down, Monitors
from aura_actors.kernel.ref import RETRY_SECONDS, Ref

M = TypeVar("M")

log = logging.getLogger(__name__)

TOGETHER = 64
"""Places in a step, for messages that are handled together: nobody else has the loop while they are."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that nobody will handle, and why."""

    actor: str
    message: Any
    reason: str


class CellStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A look at a cell. Counts are since the cell was made; `handler_seconds` is time inside `handle`."""

    generation: int
    handled: int
    handler_seconds: float
    mailbox: MailboxStatistics


class Cell(Generic[M]):
    """Runs incarnations of one actor, as a service under a supervisor.

    `capacity` and `overflow` shape the mailbox; `close_seconds` bounds `Actor.close`; `dead_letter` hears of
    every message that is lost.
    """

    def __init__(
        self,
        name: str,
        factory: Callable[[], Actor[M]],
        *,
        capacity: int = 256,
        overflow: Overflow = Overflow.BLOCK,
        close_seconds: float = 2.0,
        dead_letter: Callable[[DeadLetter], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._factory = factory
        self._close_seconds = close_seconds
        self._dead_letter = dead_letter
        self._mailbox = Mailbox(capacity=capacity, overflow=overflow, undeliverable=self._bury)
        self._generation = 0
        self._handled = 0
        self._handler_seconds = 0.0
        self._accepting = False
        self._burying = False
        # Invariant: a question is in `_questions` from before it is put until its asker stops waiting.
        self._questions: set[ReplySlot] = set()
        self._monitors = Monitors()
        self.ref: Ref[M] = Ref(
            name,
            self._mailbox,
            expect=self._expect,
            forget=self._questions.discard,
            monitors=self._monitors,
        )

    def statistics(self) -> CellStatistics:
        """Generation, counts and mailbox now."""
        return CellStatistics(
            generation=self._generation,
            handled=self._handled,
            handler_seconds=self._handler_seconds,
            mailbox=self._mailbox.statistics(),
        )

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """Run one incarnation: open, handle until `stopping` and drained, close."""
        self._generation += 1
        self._mailbox.reopen()
        self._monitors.up()
        actor = self._factory()
        try:
            async with trio.open_nursery() as nursery:
                context = Context(self.ref, nursery, self._mailbox)
                try:
                    await actor.open(context)
                    await self._serve_and_close(actor, stopping, nursery, task_status)
                finally:
                    context.end()
                nursery.cancel_scope.cancel()
        finally:
            self._fail_questions()

    def ended(self, reason: str | None, *, again: bool) -> None:
        """The incarnation is over. If none follows, what waits is buried, and whoever comes is told so."""
        if again:
            self._mailbox.reopen()  # what is told meanwhile waits for the next incarnation
        else:
            self._mailbox.discard(f"{self._name} has stopped")
        self._monitors.down(Down(actor=self._name, generation=self._generation, reason=reason, again=again))

    async def _serve_and_close(
        self, actor: Actor[M], stopping: trio.Event, nursery: trio.Nursery, task_status: trio.TaskStatus[None]
    ) -> None:
        crash: Exception | None = None
        try:
            self._accepting = True
            task_status.started()
            nursery.start_soon(self._close_when, stopping)
            await self._serve(actor)
        except Exception as error:  # raised again: a close that fails too is told beside it
            crash = error
            raise
        finally:
            self._accepting = False
            failure = await self._close(actor)
            if failure is not None:
                # A failed close must not hide the crash that led to it.
                raise (
                    failure if crash is None else ExceptionGroup("crash, and its close", [crash, failure])
                ) from None

    async def _close(self, actor: Actor[M]) -> Exception | None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._close_seconds) as scope:
            try:
                await actor.close()
            except Exception as error:  # noqa: BLE001  (raised again, in better company)
                return error
        return TimeoutError(f"not closed within {self._close_seconds:g} s") if scope.cancelled_caught else None

    async def _close_when(self, stopping: trio.Event) -> None:
        await stopping.wait()
        self._mailbox.close()

    async def _serve(self, actor: Actor[M]) -> None:
        while (envelope := await self._mailbox.take()) is not None:
            envelopes = [envelope]
            if places := actor.joins(envelope.message):
                envelopes += self._mailbox.take_more(actor.joins, TOGETHER - places)
            envelopes = [each for each in envelopes if each.slot is None or not each.slot.filled]
            if envelopes:
                await self._handle(actor, envelopes)

    async def _handle(self, actor: Actor[M], envelopes: Sequence[Envelope]) -> None:
        began = time.perf_counter()
        try:
            replies = await self._replies(actor, [envelope.message for envelope in envelopes])
        except BaseException:  # raised again: a cancellation ends the messages in flight as well
            for envelope in envelopes:
                self._lose(envelope)
            raise
        else:
            for envelope, reply in zip(envelopes, replies, strict=True):
                self._answer(envelope, reply)
        finally:
            self._handled += len(envelopes)
            self._handler_seconds += time.perf_counter() - began

    async def _replies(self, actor: Actor[M], messages: Sequence[M]) -> Sequence[object]:
        if len(messages) > 1:
            return await actor.handle_together(messages)
        try:
            return [await actor.handle(messages[0])]
        except AuraError as refusal:
            return [refusal]

    def _answer(self, envelope: Envelope, reply: object) -> None:
        slot = envelope.slot
        if not isinstance(reply, AuraError):
            if slot is not None:
                slot.reply(reply)
        elif slot is None:
            self._bury(envelope.message, f"refused: {reply}")
        else:
            # Without its traceback, which holds a frame, which holds the slot, which holds it.
            slot.refuse(self._in_own_name(reply).with_traceback(None))

    def _lose(self, envelope: Envelope) -> None:
        """A message in flight is never replayed: it may be what kills the actor."""
        if envelope.slot is not None:
            text = f"{self._name} ended while it worked on this"
            envelope.slot.refuse(Lost(text, generation=self._generation, retry_after_seconds=RETRY_SECONDS))
        self._bury(envelope.message, f"{self._name} ended while handling it")

    def _in_own_name(self, refusal: AuraError) -> AuraError:
        """What another actor said of a question of ours is not said of the question that we were asked."""
        if not isinstance(refusal, NotStarted | Lost | AskTimeout | MailboxFull):
            return refusal
        return Unavailable(f"{self._name} cannot answer now: {refusal}", retry_after_seconds=RETRY_SECONDS)

    def _expect(self, slot: ReplySlot) -> bool:
        if not self._accepting:
            return False
        self._questions.add(slot)
        return True

    def _fail_questions(self) -> None:
        for slot in self._questions:
            slot.refuse(NotStarted(f"{self._name} ended before it began this", retry_after_seconds=RETRY_SECONDS))

    def _bury(self, message: object, reason: str) -> None:
        if self._burying:  # by the listener itself, who would be told of that for ever
            return
        self._burying = True
        try:
            self._dead_letter(DeadLetter(actor=self._name, message=message, reason=reason))
        except Exception:  # reported: it is nobody's who sends, handles or supervises, and these must go on
            log.exception("the listener for dead letters of %s failed", self._name)
        finally:
            self._burying = False
