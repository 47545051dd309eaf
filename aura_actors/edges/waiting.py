"""Waiting for a lease on somebody's behalf: asks, waits for the turn, and leaves nothing behind.

Owns what a waiting client is owed on every way out: its time is up, it goes away, the admission actor is restarted
meanwhile. The order in the queue is admission's.
"""

import math
from contextlib import suppress
from typing import TypeVar

import msgspec
import trio

from aura_actors.edges.services import ask
from aura_actors.errors import AskTimeout, AuraError, NotStarted, StoreUnavailable, Unavailable
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
        waits = False
        try:
            answer = await ask(admission, asked)
            waits = isinstance(answer, m.Queued)
            return await _outcome(admission, turn, deadline) if waits else answer
        except (trio.Cancelled, AskTimeout):
            await _forsake(admission, turn)
            raise
        except AuraError as error:
            # Told to a turn: the actor is another one now, and says at once what became of the place.
            in_time = turn.value is not None or trio.current_time() + AGAIN_SECONDS < deadline
            if isinstance(error, NotStarted) and in_time:
                await trio.sleep(AGAIN_SECONDS)
                continue
            if waits and turn.value is None:
                await _forsake(admission, turn)
            raise


async def _outcome(admission: Ref[m.AdmissionMessage], turn: m.Turn, deadline: float) -> m.Grant | m.Queued:
    with trio.move_on_at(deadline):
        outcome = await turn.wait_newer(0)
        if isinstance(outcome, m.Grant):
            return outcome
        assert outcome is not None, "a turn is set once, to what became of it"
        raise outcome
    return await ask(admission, m.Abandon(turn=turn))


async def _forsake(admission: Ref[m.AdmissionMessage], turn: m.Turn) -> None:
    """Nobody waits there: admission hears it now, or when it is back."""
    deadline = trio.current_time() + LEAVE_SECONDS
    with trio.CancelScope(shield=True, deadline=deadline), suppress(Unavailable):
        with suppress(StoreUnavailable):  # even so nobody waits there any more
            await ask(admission, m.Forsake(turn=turn))
        return
    admission.tell(m.Forsake(turn=turn))
