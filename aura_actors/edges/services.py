"""What the edges may reach of the runtime: references, cells with the latest state, and how to ask patiently.

Owns no state. Edges know actors by their messages only, and this is the list of them.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import trio

from aura_actors.domain.snapshot import Snapshot
from aura_actors.errors import AskTimeout, NotStarted
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.request import Request
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.admission_view import Totals
from aura_actors.messages.cleanup import CleanupMessage
from aura_actors.messages.gpu import GpuMessage
from aura_actors.messages.history import History
from aura_actors.messages.topics import Topics
from aura_actors.wire.actors import Actors
from aura_actors.wire.cleanup import CleanupState

M = TypeVar("M")
T = TypeVar("T")

ASK_SECONDS = 5.0


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime as its edges see it."""

    admission: Ref[AdmissionMessage]
    cleanup: Ref[CleanupMessage]
    gpu: Ref[GpuMessage]
    snapshots: Latest[Snapshot | None]
    totals: Latest[Totals]
    cleanup_state: Latest[CleanupState]
    topics: Topics
    history: History
    epoch: str
    actors: Callable[[], Actors]
    ready: Callable[[], bool]
    bytes_per_job: int
    """What a job asks for that names no size."""
    audit: Callable[[str, str, str | None], Awaitable[None]]
    """Write down that somebody did something to something."""
    clock: Callable[[], float]
    wall: Callable[[], float]


async def ask(ref: Ref[M], request: Request[T], *, within: float = ASK_SECONDS) -> T:
    """Ask, and ask again while the actor is being restarted: a question that nobody began is safe to repeat.

    Raises as `Ref.ask` does; `NotStarted` only once `within` seconds have passed.
    """
    deadline = trio.current_time() + within
    while True:
        left = deadline - trio.current_time()
        try:
            return await ref.ask(request, within=max(left, 0.001))
        except NotStarted as error:
            pause = error.retry_after_seconds
            if pause is None or left <= pause:
                raise
            await trio.sleep(pause)
        except AskTimeout:
            raise AskTimeout(f"{ref.name} did not answer within {within:g} s", retry_after_seconds=1.0) from None
