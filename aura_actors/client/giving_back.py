"""Leases given back over HTTP, once or until the daemon can be told.

Owns how long that is tried: as long as the lease could live without it. Nobody waits for more than one attempt.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from aura_actors.client.calls import Calls
from aura_actors.client.tasks import Tasks
from aura_actors.errors import Unavailable, UsageError
from aura_actors.wire import admission as wire

RELEASE_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0
NOTHING_USED: Final = wire.SlotReleaseBody()


class GivingBack:
    """Of one program to one daemon."""

    def __init__(self, calls: Calls, tasks: Tasks) -> None:
        self._calls = calls
        self._tasks = tasks

    async def job(self, lease: wire.Lease) -> None:
        """On every way out, though the caller is cancelled."""
        await self._tell(lease, f"/api/admission/jobs/{lease.job_id}", None)

    async def slot(self, slot: wire.Slot, used: wire.SlotReleaseBody = NOTHING_USED) -> None:
        """The same, and say how the call went."""
        await self._tell(slot, f"/api/providers/{slot.provider}/slots/{slot.slot_id}", used)

    async def _tell(self, grant: wire.Lease | wire.Slot, path: str, body: wire.SlotReleaseBody | None) -> None:
        async def once() -> bool:
            try:
                secret = {"Aura-Lease": grant.lease_id}
                await self._calls.ask("DELETE", path, body=body, secret=secret, within=RELEASE_SECONDS)
            except UsageError:  # it has ended already
                return True
            except Unavailable:
                return False
            return True

        if not await self._tasks.complete(once):
            self._tasks.begin(lambda: _again(once, grant.ttl_seconds))


async def _again(once: Callable[[], Awaitable[bool]], seconds: float) -> None:
    with anyio.move_on_after(seconds):
        while True:
            await anyio.sleep(AGAIN_SECONDS)
            if await once():
                return
