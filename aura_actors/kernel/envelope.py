"""A message on its way, with the place where its reply goes.

Owns the reply slot: filled once, by whoever is first (the handler, the actor's death or the asker's deadline).
Replies never ride in the message itself, so messages stay plain data.
"""

from typing import Any

import trio

from aura_actors.errors import AuraError


class ReplySlot:
    """Where the answer to one question appears. Invariant: filled at most once; later fillings are ignored."""

    __slots__ = ("_error", "_filled", "_value")

    def __init__(self) -> None:
        self._filled = trio.Event()
        self._value: Any = None
        self._error: AuraError | None = None

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
            self._error = error
            self._filled.set()

    def abandon(self) -> None:
        """Nobody waits any more: the message is skipped when its turn comes."""
        self._filled.set()

    async def wait(self) -> Any:
        """Wait for the answer; raise it where it is an error."""
        await self._filled.wait()
        if self._error is not None:
            raise self._error
        return self._value


class Envelope:
    """One message in a mailbox.

    `taken` tells a timer whether its last tick still waits; a `void` one is passed over, because the timer that
    sent it is gone.
    """

    __slots__ = ("message", "slot", "taken", "void")

    def __init__(self, message: Any, slot: ReplySlot | None = None) -> None:
        self.message = message
        self.slot = slot
        self.taken = False
        self.void = False
