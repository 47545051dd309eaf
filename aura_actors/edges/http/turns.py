"""Long polls: a request that waits for its turn, until it has it, its time is up, its client goes, or we end.

Owns what a waiting request owes the daemon's end. The turn itself is `edges.waiting`'s; a client that goes away
cancels its request, which is the server's business.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from aura_actors.edges.http.api import Call
from aura_actors.edges.waiting import A, acquire
from aura_actors.errors import AuraError, Draining
from aura_actors.messages import admission as m

AGAIN_SECONDS = 1.0

T = TypeVar("T")


async def turn(call: Call, request: A, wait_seconds: float) -> m.Grant | m.Queued:
    """As `edges.waiting.acquire`, and raises `Draining` once the daemon ends."""
    if wait_seconds == 0:
        return await acquire(call.services.admission, request)
    return await _unless(call.closing, lambda: acquire(call.services.admission, request, wait_seconds=wait_seconds))


async def _unless(closing: trio.Event, work: Callable[[], Awaitable[T]]) -> T:
    outcome: list[T] = []
    refusal: AuraError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when, closing, nursery.cancel_scope)
        try:
            outcome.append(await work())
        except AuraError as error:
            refusal = error
        nursery.cancel_scope.cancel()
    if outcome:
        return outcome[0]
    raise refusal or Draining("the daemon ends; ask again when it is back", retry_after_seconds=AGAIN_SECONDS)


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
