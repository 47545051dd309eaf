"""The acquires of one session that wait for their turn, each until it comes, the time is up, or the client leaves.

Owns what becomes of a place on each of these ways. It is taken, and the grant kept alive, by others; a place whose
connection ends is admission's to give up, if that can be written.
"""

from contextlib import suppress

import trio

from aura_actors.edges import waiting
from aura_actors.edges.services import ask
from aura_actors.errors import AuraError, NotStarted, Refused
from aura_actors.kernel.ref import Ref
from aura_actors.messages import admission as m
from aura_actors.wire.session import FrameId

Waited = m.Acquire | m.AcquireSlot


class Places:
    """By the id of the frame that asked."""

    def __init__(self, admission: Ref[m.AdmissionMessage]) -> None:
        self._admission = admission
        self._leaving: dict[FrameId, trio.CancelScope] = {}
        self._turns: dict[FrameId, m.Turn] = {}

    def __len__(self) -> int:
        return len(self._leaving)

    def __contains__(self, number: FrameId) -> bool:
        return number in self._leaving

    def expect(self, number: FrameId, turn: m.Turn) -> None:
        """It is about to be asked for: from now on it can be left."""
        self._leaving[number] = trio.CancelScope()
        self._turns[number] = turn

    def leave(self, number: FrameId) -> None:
        """The client waits no more."""
        self._leaving[number].cancel()

    def forget(self, number: FrameId) -> None:
        """It has its last answer."""
        self._leaving.pop(number, None)
        self._turns.pop(number, None)

    def give_up(self) -> None:
        """Nobody waits at any of them: that needs not be written, as the end of a connection must be."""
        for turn in self._turns.values():
            self._admission.tell(m.Forsake(turn=turn))

    async def outcome(self, number: FrameId, request: Waited, wait_seconds: float) -> m.Grant | AuraError | None:
        """Wait in a place that was given: the grant, why there is none, or None where the client left."""
        with self._leaving[number]:
            try:
                reply = await self._turn(request, trio.current_time() + wait_seconds)
            except AuraError as error:
                return error
            if isinstance(reply, m.Grant):
                return reply
            text, seconds = f"there was no room within {wait_seconds:g} s", reply.retry_after_seconds
            return Refused(text, reasons=reply.reasons, retry_after_seconds=seconds)
        assert request.turn is not None, "only who brings a turn is queued"
        with suppress(AuraError):  # what cannot be told now ends with the connection
            await ask(self._admission, m.Forsake(turn=request.turn))
        return None

    async def _turn(self, request: Waited, deadline: float) -> m.Grant | m.Queued:
        assert request.turn is not None, "only who brings a turn is queued"
        with trio.move_on_at(deadline) as patience:
            outcome = await request.turn.wait_newer(0)
        if patience.cancelled_caught:
            return await ask(self._admission, m.Abandon(turn=request.turn))
        if isinstance(outcome, m.Grant):
            return outcome
        if isinstance(outcome, NotStarted):  # admission is another one now, and has kept the place
            left = max(0.0, deadline - trio.current_time())
            return await waiting.acquire(self._admission, request, wait_seconds=left)
        assert outcome is not None, "a turn is set once, to what became of it"
        raise outcome
