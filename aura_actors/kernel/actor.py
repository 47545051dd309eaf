"""What an author writes: an actor, which handles one message at a time.

Owns the contract between an actor and the cell that runs it. State that must survive a restart belongs in
a store; everything an actor keeps in itself is gone with the incarnation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from aura_actors.kernel.envelope import Envelope
from aura_actors.kernel.mailbox import Mailbox, Verdict
from aura_actors.kernel.ref import RETRY_SECONDS, Ref

M = TypeVar("M")


class Context(Generic[M]):
    """What an incarnation may use: its own reference, a nursery as long-lived as itself, and timers."""

    def __init__(self, ref: Ref[M], nursery: trio.Nursery, mailbox: Mailbox) -> None:
        self.ref = ref
        self.nursery = nursery
        self._mailbox = mailbox
        self._sent: dict[object, Envelope] = {}

    def forget(self) -> None:
        """The incarnation is over: its ticks that still wait are not for the next one, which has its own timers."""
        for envelope in self._sent.values():
            envelope.void = True

    def every(self, seconds: float, message: M, *, immediately: bool = False) -> None:
        """Put `message` into the control lane every `seconds`.

        A tick that still waits is not doubled, and ticks that a slow handler missed are not made up for.
        """
        self.nursery.start_soon(self._tick, seconds, message, immediately)

    async def _tick(self, seconds: float, message: M, immediately: bool) -> None:
        timer = object()
        due = trio.current_time() + (0 if immediately else seconds)
        while True:
            await trio.sleep_until(due)
            last = self._sent.get(timer)
            if last is None or last.taken:
                tick = Envelope(message)
                if self._mailbox.put_nowait(tick, control=True) is Verdict.DELIVERED:
                    self._sent[timer] = tick
            due = max(due + seconds, trio.current_time())

    def after(self, seconds: float, message: M) -> Callable[[], None]:
        """Put `message` into the control lane once, in `seconds`; call what is returned to take it back."""
        scope = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await trio.sleep(seconds)
                tick = self._sent[scope] = Envelope(message)
                while True:
                    if self._mailbox.put_nowait(tick, control=True) is not Verdict.FULL:
                        return
                    await trio.sleep(RETRY_SECONDS)

        self.nursery.start_soon(wait)
        return scope.cancel


class Actor(ABC, Generic[M]):
    """Base of every actor. `M` is the union of its messages: the type of its mailbox."""

    async def open(self, context: Context[M]) -> None:
        """Get ready. Runs before the actor counts as started; an exception fails the start."""

    @abstractmethod
    async def handle(self, message: M) -> object:
        """Deal with one message; the return value answers a request.

        An `AuraError` raised here answers the asker and the actor lives. Anything else is a crash.
        """

    async def close(self) -> None:
        """Let go of what `open` took. Runs shielded from cancellation, for the grace period at most."""
