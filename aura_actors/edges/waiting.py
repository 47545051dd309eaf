"""Waiting for a lease on somebody's behalf: asks, waits for the turn, and leaves nothing behind.

Owns what a waiting client is owed on every way out: its time is up, it goes away, the admission actor is restarted
meanwhile. The order in the queue is admission's.
"""

import math
from typing import TypeVar

import msgspec
import trio

from aura_actors.edges.services import ask
from aura_actors.errors import AskTimeout, AuraError, NotStarted
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.messages import admission as m

LEAVE_SECONDS = 5.0
AGAIN_SECONDS = 0.05
A = TypeVar("A", bound=m.Acquire | m.AcquireSlot)


async def acquire(
    admission: Ref[m.AdmissionMessage], request: A, *, wait_seconds: float = 0.0
) -> m.Grant | m.Queued:
    """Ask for a lease and wait for it up to `wait_seconds` (`math.inf`: as long as it takes).

    Returns the grant, or the place that is kept for a while once the time is up. Whoever is cancelled gives up its
    place, and the lease if it was granted in that moment. Raises what the request raises.
    """
    deadline = math.inf if wait_seconds == math.inf else trio.current_time() + wait_seconds
    while True:
        turn: m.Turn = Latest(None)
        asked = msgspec.structs.replace(request, turn=turn, wait=wait_seconds > 0)
        try:
            return await _once(admission, asked, deadline)
        except (trio.Cancelled, AskTimeout):
            with trio.CancelScope(shield=True, deadline=trio.current_time() + LEAVE_SECONDS):
                await _forsake(admission, turn)
            raise
        except NotStarted:
            # Told to a turn: the actor is another one now, and says at once what became of the place.
            if turn.value is None and trio.current_time() + AGAIN_SECONDS >= deadline:
                raise
            await trio.sleep(AGAIN_SECONDS)


async def _once(admission: Ref[m.AdmissionMessage], request: A, deadline: float) -> m.Grant | m.Queued:
    answer = await ask(admission, request)
    if isinstance(answer, m.Grant):
        return answer
    assert request.turn is not None, "only who brings a turn is queued"
    with trio.move_on_at(deadline):
        outcome = await request.turn.wait_newer(0)
        if isinstance(outcome, m.Grant):
            return outcome
        assert outcome is not None, "a turn is set once, to what became of it"
        raise outcome
    return await ask(admission, m.Abandon(turn=request.turn))


async def _forsake(admission: Ref[m.AdmissionMessage], turn: m.Turn) -> None:
    try:
        await ask(admission, m.Forsake(turn=turn))
    except AuraError:
        # It cannot be told now: what it would take back ends by its time to live.
        return
