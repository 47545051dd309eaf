"""A message on its way, with the place where its reply goes.

Owns the reply slot: filled once, by whoever is first (the handler, the actor's death or the asker's deadline).
Replies never ride in the message itself, so messages stay plain data. Knows neither mailbox nor actor.
"""

from typing import Any

import trio

from aura_actors.errors import AuraError


class ReplySlot:
    """Where the answer to one question appears. Invariant: filled at most once; later fillings are ignored."""

    __slots__ = ("_filled", "_value", "entering", "error")

    def __init__(self) -> None:
        self._filled = trio.Event()
        self._value: Any = None
        self.error: AuraError | None = None
        self.entering: trio.CancelScope | None = None
        """What to cancel on a refusal while the question still waits for room in the mailbox."""

    @property
    def filled(self) -> bool:
        """True once there is an answer, or nobody waits for one any more."""
        return self._filled.is_set()

    def reply(self, value: object) -> None:
        """Answer the asker."""
        if not self.filled:
            self._value = value
            self._filled.set()

    def refuse(self, error: AuraError) -> None:
        """Answer the asker with an error, which is raised where the question was asked."""
        if not self.filled:
            self.error = error
            self._filled.set()
            if self.entering is not None:
                self.entering.cancel()

    def abandon(self) -> None:
        """Nobody waits any more: the message is skipped when its turn comes."""
        self._filled.set()

    async def wait(self) -> Any:
        """Wait for the answer; raise it where it is an error."""
        try:
            await self._filled.wait()
            if self.error is not None:
                raise self.error
            return self._value
        finally:
            del self  # the error holds this frame


class Lifetime:
    """Of one incarnation. What it sent to itself is void once it is `over`: the next one has its own timers."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class Envelope:
    """One message in a mailbox; `within` is the lifetime outside of which it means nothing.

    `taken` tells a timer whether its last tick still waits.
    """

    __slots__ = ("message", "slot", "taken", "within")

    def __init__(self, message: Any, slot: ReplySlot | None = None, *, within: Lifetime | None = None) -> None:
        self.message = message
        self.slot = slot
        self.taken = False
        self.within = within

    @property
    def void(self) -> bool:
        """True for what nobody is to handle any more."""
        return self.within is not None and self.within.over
