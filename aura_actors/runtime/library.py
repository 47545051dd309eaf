"""What a program that embeds the runtime holds: the latest values, reservations, provider slots, subscriptions.

Owns the scoped use of leases: taken at the start of a block, renewed while it runs, given back on every way out.
The decision is admission's, as for everybody else.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec
import structlog
import trio

from aura_actors.domain.ledger import JobSpec
from aura_actors.edges.services import ask
from aura_actors.errors import AuraError, Conflict, Foreign, Gone, InvalidValue, Unavailable
from aura_actors.kernel.bus import Bus
from aura_actors.kernel.cell import DeadLetter
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.request import Request
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.messages.sampler import CollectNow
from aura_actors.messages.topics import Publication
from aura_actors.runtime.parts import Parts
from aura_actors.wire import actors, metrics
from aura_actors.wire.admission import JobId, Lease, Name, Slot
from aura_actors.wire.units import parse_size

T = TypeVar("T")

log = structlog.get_logger("aura_actors.runtime")

OWNER = "embedded"
COLLECT_SECONDS = 10.0


class LatestValues:
    """The newest published values. Reading never samples and never waits; None before the first publication."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def system(self) -> metrics.SystemMetrics | None:
        """The last sample of the machine."""
        return self._decoded("system", metrics.SystemMetrics)

    @property
    def process(self) -> metrics.ProcessMetrics | None:
        """The runtime's own process."""
        return self._decoded("process", metrics.ProcessMetrics)

    @property
    def actors(self) -> actors.Actors:
        """The supervision tree."""
        return self._parts.actors()

    def _decoded(self, topic: str, kind: type[T]) -> T | None:
        publication = self._parts.topics[topic].value
        return None if publication is None else msgspec.json.decode(publication.data, type=kind)


class Frames:
    """An endless asynchronous iterator over one topic; nothing needs closing."""

    def __init__(self, cell: Latest[Publication | None]) -> None:
        self._cell = cell
        self._version = 0

    def __aiter__(self) -> "Frames":
        return self

    async def __anext__(self) -> Publication:
        """The next publication that was not seen: the first one is the newest there is."""
        while True:
            publication = await self._cell.wait_newer(self._version)
            self._version = self._cell.version
            if publication is not None:
                return publication


class Runtime:
    """A running runtime. Made by `open_runtime`."""

    def __init__(self, parts: Parts, nursery: trio.Nursery) -> None:
        self._parts = parts
        self._nursery = nursery
        self._reserved: set[str] = set()
        self.latest = LatestValues(parts)

    @property
    def parts(self) -> Parts:
        """The wired parts, for the daemon and for tests."""
        return self._parts

    @property
    def dead_letters(self) -> Bus[DeadLetter]:
        """Messages that no actor will handle, each with the reason, to whoever subscribes."""
        return self._parts.incidents.dead_letters

    async def wait_ready(self) -> None:
        """Wait until decisions rest on measurements: about 0.2 s after the start."""
        version = 0
        while not self._parts.ready():
            await self._parts.snapshots.wait_newer(version)
            version = self._parts.snapshots.version
            await self._parts.view.wait_newer(0)

    def utilization(self) -> metrics.Utilization:
        """Job slots and reservations now, with the last sample's percentages."""
        return public.utilization(self._parts.totals.value, self._parts.snapshots.value)

    async def collect_system_metrics(self) -> metrics.SystemMetrics:
        """Take a sample now and return it."""
        taken = await ask(self._parts.sampler.ref, CollectNow(), within=COLLECT_SECONDS)
        return public.system(taken, self._parts.epoch, taken.number)

    @asynccontextmanager
    async def reserve(
        self, job_id: str, *, memory: int | str | None = None, gpu: bool = False, kind: str | None = None
    ) -> AsyncIterator[Lease]:
        """Hold a lease for the time of the block.

        `memory` is bytes or a size such as `"2GiB"`; `[admission] bytes_per_job` where it is not given. Raises
        `Refused` with the reasons when there is no room now, `NeverFits` when there never will be, `Conflict`
        when another block or somebody else holds that id. The lease is renewed while the block runs.
        """
        if job_id in self._reserved:
            raise Conflict(f"job {job_id} is held by another block of this program")
        bytes_wanted = self._parts.settings.admission.bytes_per_job if memory is None else parse_size(memory)
        spec = JobSpec(memory_bytes=bytes_wanted, requires_gpu=gpu, kind=kind)
        request = m.Acquire(job_id=_checked(job_id, JobId, "job_id"), owner=OWNER, spec=spec, ttl_seconds=None)
        self._reserved.add(job_id)
        try:
            try:
                grant = await self._ask(request)
            except trio.Cancelled:
                self._nursery.start_soon(self._take_back, request)
                raise
            lease = public.lease(grant.lease, self._moment())
            key = {"job_id": job_id, "secret": lease.lease_id}
            async with self._kept(
                lease.ttl_seconds,
                lambda: self._ask(m.Renew(ttl_seconds=None, **key)),
                lambda: self._ask(m.Release(**key)),
            ):
                yield lease
        finally:
            self._reserved.discard(job_id)

    @asynccontextmanager
    async def provider(self, name: str) -> AsyncIterator[Slot]:
        """Hold a slot at a provider for the time of the block. Raises `Refused` when all are taken."""
        held = await self._ask(m.AcquireSlot(provider=_checked(name, Name, "name"), owner=OWNER, ttl_seconds=None))
        slot = public.slot(held, self._moment())
        key = {"provider": name, "slot_id": slot.slot_id, "secret": slot.lease_id}
        async with self._kept(
            slot.ttl_seconds,
            lambda: self._ask(m.RenewSlot(ttl_seconds=None, **key)),
            lambda: self._ask(m.ReleaseSlot(**key)),
        ):
            yield slot

    def subscribe(self, topic: str) -> "Frames":
        """Every publication of a topic, to iterate over; a slow reader skips to the newest."""
        if topic not in self._parts.topics:
            raise InvalidValue(f"there is no topic {topic!r}; there is {', '.join(self._parts.topics)}")
        return Frames(self._parts.topics[topic])

    @asynccontextmanager
    async def _kept(
        self, ttl_seconds: float, renew: Callable[[], Awaitable[object]], release: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[None]:
        renewing = trio.CancelScope()
        self._nursery.start_soon(_renew_until, renewing, ttl_seconds / 3, renew)
        try:
            yield
        finally:
            renewing.cancel()
            # On every way out; a lease that is gone already, or that ends by its time, needs no release.
            with trio.CancelScope(shield=True), suppress(Gone, Foreign, Unavailable):
                await release()

    async def _take_back(self, request: m.Acquire) -> None:
        """Nobody waits for this grant any more, and it may have been made: the same request finds it."""
        with suppress(AuraError):
            lease = (await self._ask(request)).lease
            await self._ask(m.Release(job_id=lease.key, secret=lease.secret))

    async def _ask(self, request: Request[T]) -> T:
        return await ask(self._parts.admission.ref, request)

    def _moment(self) -> public.Moment:
        return public.Moment(self._parts.surroundings.clock(), self._parts.surroundings.wall())


async def _renew_until(scope: trio.CancelScope, seconds: float, renew: Callable[[], Awaitable[object]]) -> None:
    with scope:
        while True:
            await trio.sleep(seconds)
            try:
                await renew()
            except Unavailable as error:
                log.warning("renewal failed, trying again", error=str(error))
            except (Gone, Foreign) as error:
                log.warning("lease lost while in use", error=str(error))
                return


def _checked(value: str, kind: object, name: str) -> str:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidValue(str(error), path=name) from None
    return value
