"""What a block holds: a job's lease, or a slot at a provider, and the news that it has been lost.

Owns what the holder sees. Who keeps it alive, and how a change of it reaches the daemon, is the business of whoever
made it: requests with a thread that renews, or a session.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

from aura_actors.client.needs import resize_body
from aura_actors.errors import AuraError, Conflict
from aura_actors.wire import admission as wire
from aura_actors.wire.arguments import Size, checked

G = TypeVar("G", bound=wire.Lease | wire.Slot)


class Held(Generic[G]):
    """A grant in use. Its time is renewed behind it: `grant` is the newest form of it that is known."""

    def __init__(self, grant: G) -> None:
        self.grant = grant
        self.lost: AuraError | None = None
        """Why it is no longer certain that this is held; None while it is.

        `Gone` or `Foreign`: the daemon says that it has ended, for good. `Unavailable`: no daemon could be asked
        for as long as it lives without a renewal; it is asked on, and this is None again if it knows the lease
        still. The block is not cancelled: what losing it means only the job can say.
        """
        self._changed = anyio.Event()
        self._soon = caller_in_this_loop()

    @property
    def fence(self) -> int:
        """Grows with every grant, across restarts: whoever has a larger one came later."""
        return self.grant.fence

    @property
    def lease_id(self) -> str:
        """The secret. Whoever shows it may renew and release."""
        return self.grant.lease_id

    @property
    def owner(self) -> str:
        """In whose name it was granted."""
        return self.grant.owner

    @property
    def granted_at(self) -> dt.datetime:
        """When it was granted first."""
        return self.grant.granted_at

    @property
    def expires_at(self) -> dt.datetime:
        """When it ends without another renewal."""
        return self.grant.expires_at

    @property
    def ttl_seconds(self) -> float:
        """How long a renewal keeps it."""
        return self.grant.ttl_seconds

    async def wait_lost(self) -> AuraError:
        """Wait until it is lost, and say why."""
        while self.lost is None:
            await self._changed.wait()
        return self.lost

    def renewed(self, grant: G) -> None:
        """Go on with its newer form. From any thread."""
        self.grant = grant
        self.lost = None

    def lose(self, why: AuraError) -> None:
        """It is lost, or may be. From any thread."""
        self.lost = why
        self._soon(self._wake)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


class Acts(Protocol):
    """How a lease's holder reaches the daemon."""

    async def ready(self, lease: "Lease") -> wire.Lease:
        """Say that the job uses what it will use."""

    async def resize(self, lease: "Lease", body: wire.RenewBody) -> wire.Lease:
        """Change what is held."""


class Lease(Held[wire.Lease]):
    """The right to run one job, while its block runs."""

    def __init__(self, grant: wire.Lease, acts: Acts) -> None:
        super().__init__(grant)
        self._acts = acts

    @property
    def job_id(self) -> str:
        """As it was asked for."""
        return self.grant.job_id

    @property
    def memory_bytes(self) -> int:
        """Reserved memory."""
        return self.grant.memory_bytes

    @property
    def cpu_cores(self) -> float:
        """Reserved cores."""
        return self.grant.cpu_cores

    @property
    def gpus(self) -> list[wire.AssignedGpu]:
        """The devices that the job may use; none where a preferred one was not free."""
        return self.grant.gpus

    async def ready(self) -> None:
        """Say that the job uses what it will use, so that what was measured counts as its own."""
        self.renewed(await self._acts.ready(self))

    async def resize(
        self,
        *,
        memory: Size | None = None,
        cpu: float | None = None,
        scratch: Size | None = None,
        units: Mapping[str, int] | None = None,
    ) -> None:
        """Hold more or less from now on; what is not given stays. What falls is free at once.

        Raises `Refused` or `NeverFits`, and then nothing has changed.
        """
        body = resize_body(memory=memory, cpu=cpu, scratch=scratch, units=units)
        self.renewed(await self._acts.resize(self, body))

    def __repr__(self) -> str:
        """Without the secret."""
        return f"<Lease {self.job_id} fence={self.fence}>"


class Slot(Held[wire.Slot]):
    """The right to make one call at a provider, while its block runs."""

    def __init__(self, grant: wire.Slot) -> None:
        super().__init__(grant)
        self.used = wire.SlotReleaseBody()
        """What is told at the end of the block."""

    @property
    def provider(self) -> str:
        """As it was asked for."""
        return self.grant.provider

    @property
    def slot_id(self) -> str:
        """Of the slot, without its secret."""
        return self.grant.slot_id

    def settle(self, *, tokens: int | None = None, outcome: str | None = None) -> None:
        """What the call really used, and how it ended: "ok", "throttled" or "timeout". Told at the block's end."""
        given = {
            "tokens": self.used.tokens if tokens is None else tokens,
            "outcome": self.used.outcome if outcome is None else outcome,
        }
        self.used = checked(given, wire.SlotReleaseBody)

    def __repr__(self) -> str:
        """Without the secret."""
        return f"<Slot {self.provider}/{self.slot_id} fence={self.fence}>"


@contextmanager
def held_once(taken: set[str], job_id: str) -> Iterator[None]:
    """For one block: two that held the same lease would each give it back. Raises Conflict for the second one."""
    if job_id in taken:
        raise Conflict(f"job {job_id} is held by another block of this program")
    taken.add(job_id)
    try:
        yield
    finally:
        taken.discard(job_id)


def caller_in_this_loop() -> Callable[[Callable[[], None]], object]:
    """A function that any thread may call: it has another one called soon in the loop that runs now."""
    loop: Any = anyio.lowlevel.current_token().native_token  # Trio's token, or asyncio's loop
    soon: Callable[[Callable[[], None]], object] = getattr(loop, "run_sync_soon", None) or loop.call_soon_threadsafe
    return soon
