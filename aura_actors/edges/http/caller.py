"""Who asks: the owner of what is granted, and the process that it shall end with.

Owns these two answers alone, one function each; every operation of admission takes them from here.
"""

import trio

from aura_actors.domain.needs import ProcessIdentity
from aura_actors.edges.http.api import Call
from aura_actors.edges.peer import owner_of
from aura_actors.errors import InvalidValue
from aura_actors.wire import admission as wire

_THREADS = trio.CapacityLimiter(2)

Asking = wire.NeedsBody | wire.SlotBody


def owner(call: Call, body: Asking | None = None) -> str:
    """In whose name it is asked."""
    return owner_of(call.caller, None if body is None else body.owner)


async def process(call: Call, body: Asking, *, at: str = "") -> ProcessIdentity | None:
    """The process that the body names, told from a later one. Raises InvalidValue if it is not believed."""
    group = body.cgroup if isinstance(body, wire.NeedsBody) else None
    if body.pid is None:
        if group is not None:
            raise InvalidValue("give pid too: a process in this group", path=f"{at}/cgroup")
        return None
    try:
        return await trio.to_thread.run_sync(call.caller.claim, body.pid, group, limiter=_THREADS)
    except InvalidValue as error:
        raise InvalidValue(str(error).removeprefix(f"{error.path}: "), path=f"{at}{error.path}") from None
