"""A probe: a real mailbox and a real reference, behind which a test sits instead of an actor.

Owns what a test may expect of the messages that arrive. A message that was told is received, one that was asked is
a question and wants an answer; taking one for the other fails. Knows nothing of who sends.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import trio

from aura_actors.errors import AuraError, Lost, NotStarted
from aura_actors.kernel.envelope import Envelope, ReplySlot
from aura_actors.kernel.mailbox import Mailbox, Overflow
from aura_actors.kernel.monitor import Down, Monitors
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.request import Request

M = TypeVar("M")
T = TypeVar("T")
Q = TypeVar("Q", covariant=True)
R = TypeVar("R")

WITHIN_SECONDS = 1.0
LAST_TURNS = 50


class Unexpected(AssertionError):
    """The actor under test sent something else, or nothing."""


class Question(Generic[Q]):
    """A message that was asked, and the way back to the asker."""

    def __init__(self, message: Q, slot: ReplySlot) -> None:
        self.message = message
        self._slot = slot

    @property
    def reply(self: "Question[Request[R]]") -> Callable[[R], None]:
        """Answer the asker: `question.reply(42)`, of the type that the request declares."""
        return self._slot.reply

    def refuse(self, error: AuraError) -> None:
        """Answer with an error, which is raised where it was asked."""
        self._slot.refuse(error)

    def settled(self) -> bool:
        """Whether it has its answer, or nobody waits for one any more."""
        return self._slot.filled


class Probe(Generic[M]):
    """Stands in for an actor that takes `M`. Give `probe.ref` to the actor under test.

    `within` and `for_seconds` are seconds of Trio's clock: what comes after just 60 s is still within 60, and
    nothing has come for 60. What is not as expected raises `Unexpected`.
    """

    def __init__(self, name: str = "probe", *, capacity: int = 256, overflow: Overflow = Overflow.BLOCK) -> None:
        self._mailbox = Mailbox(capacity=capacity, overflow=overflow, undeliverable=lambda message, reason: None)
        self._monitors = Monitors()
        self._generation = 1
        self._waiting: set[ReplySlot] = set()
        self._taken: set[ReplySlot] = set()
        self.ref: Ref[M] = Ref(
            name, self._mailbox, expect=self._expect, forget=self._waiting.discard, monitors=self._monitors
        )

    def _expect(self, slot: ReplySlot) -> bool:
        self._waiting.add(slot)
        return True

    @overload
    async def receive(self, *, within: float = WITHIN_SECONDS) -> M: ...
    @overload
    async def receive(self, kind: type[T], *, within: float = WITHIN_SECONDS) -> T: ...
    async def receive(self, kind: type[Any] = object, *, within: float = WITHIN_SECONDS) -> Any:
        """The next message, which must have been told, and be of `kind` where one is given."""
        envelope = await self._next(kind, within)
        if envelope.slot is not None:
            raise Unexpected(f"{self.ref.name} was asked {envelope.message!r}; take that with `question`")
        return envelope.message

    async def question(self, kind: type[T], *, within: float = WITHIN_SECONDS) -> Question[T]:
        """The next message, which must be a question of this `kind` that somebody still waits for."""
        envelope = await self._next(kind, within)
        if envelope.slot is None:
            raise Unexpected(f"{self.ref.name} was told {envelope.message!r}; nobody waits for an answer")
        self._taken.add(envelope.slot)
        return Question(envelope.message, envelope.slot)

    async def expect_nothing(self, for_seconds: float) -> None:
        """Nothing waits, and nothing arrives before so much time has passed."""
        envelope = self._take_nowait() or await self._take(for_seconds)
        if envelope is not None:
            verb = "told" if envelope.slot is None else "asked"
            raise Unexpected(
                f"{self.ref.name} expected nothing for {for_seconds:g} s and was {verb} {envelope.message!r}"
            )

    def crash(self, reason: str = "RuntimeError: crashed on purpose", *, again: bool = True) -> None:
        """Be an actor that crashes: the questions that were taken are `Lost`, the others `NotStarted`.

        Whoever monitors it is told, and it is back at once, as a supervisor would have it; unless `again` is False.
        """
        self._end(reason, again=again)

    def stop(self) -> None:
        """Be an actor that has stopped: tells are answered STOPPED, questions `NotStarted`."""
        self._end(None, again=False)

    def _end(self, reason: str | None, *, again: bool) -> None:
        name, generation = self.ref.name, self._generation
        for slot in self._taken:
            slot.refuse(Lost(f"{name} ended while it worked on this", generation=generation))
        for slot in self._waiting:
            slot.refuse(NotStarted(f"{name} ended before it began this"))
        self._taken.clear()
        if not again:
            self._mailbox.discard(f"{name} has stopped")
        self._monitors.down(Down(actor=name, generation=generation, reason=reason, again=again))
        if again:
            self._generation += 1
            self._monitors.up()

    async def _next(self, kind: type[Any], within: float) -> Envelope:
        envelope = await self._take(within) or await self._take_just_in_time()
        wanted = "a message" if kind is object else f"a {kind.__name__}"
        if envelope is None:
            raise Unexpected(f"{self.ref.name} expected {wanted} within {within:g} s and got none")
        if not isinstance(envelope.message, kind):
            raise Unexpected(f"{self.ref.name} expected {wanted} and got {envelope.message!r}")
        return envelope

    async def _take(self, within: float) -> Envelope | None:
        with trio.move_on_after(within):
            while (envelope := await self._mailbox.take()) is not None:
                if _wanted(envelope):
                    return envelope
        return None

    async def _take_just_in_time(self) -> Envelope | None:
        """What is sent at the very last moment of virtual time, which the deadline always wins.

        So many turns of the loop are enough for that, and not for ever where somebody is always busy.
        """
        for _ in range(LAST_TURNS):
            await trio.lowlevel.cancel_shielded_checkpoint()
            if (envelope := self._take_nowait()) is not None:
                return envelope
        return None

    def _take_nowait(self) -> Envelope | None:
        while (envelope := self._mailbox.take_nowait()) is not None:
            if _wanted(envelope):
                return envelope
        return None


def _wanted(envelope: Envelope) -> bool:
    """As an actor does, the probe passes over questions that nobody waits for any more."""
    return envelope.slot is None or not envelope.slot.filled
