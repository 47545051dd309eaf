"""What a program that embeds the runtime holds: the latest values, reservations, provider slots, subscriptions.

Owns these verbs and their arguments; how a lease is taken, kept and given back is `reservation`'s.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from os import PathLike
from typing import TypeVar

import msgspec

from aura_actors.domain.needs import ProcessIdentity
from aura_actors.edges.http.needs import job_spec
from aura_actors.edges.services import ask
from aura_actors.errors import InvalidValue
from aura_actors.kernel.bus import Bus
from aura_actors.kernel.cell import DeadLetter
from aura_actors.kernel.latest import Latest
from aura_actors.messages import public
from aura_actors.messages.sampler import CollectNow
from aura_actors.messages.topics import Publication
from aura_actors.runtime.parts import Parts
from aura_actors.runtime.reservation import HeldSlot, Reservations
from aura_actors.wire import actors, metrics
from aura_actors.wire.admission import Lease, NeedsBody, ProviderBody
from aura_actors.wire.arguments import Duration, Gpu, Providers, Size, checked, needs_fields, seconds_of

T = TypeVar("T")

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

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        ttl_seconds = parts.settings.admission.max_lease_ttl
        self._reservations = Reservations(parts.admission.ref, ttl_seconds=ttl_seconds)
        self.latest = LatestValues(parts)

    @property
    def parts(self) -> Parts:
        """The wired parts, for the daemon and for tests."""
        return self._parts

    @property
    def reservations(self) -> Reservations:
        """What this program holds, for whoever opens and closes the runtime."""
        return self._reservations

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
        self,
        job_id: str,
        *,
        memory: Size | None = None,
        cpu: float = 0,
        gpu: Gpu = False,
        gpu_memory: Size | None = None,
        scratch: Size | None = None,
        units: Mapping[str, int] | None = None,
        providers: Providers = (),
        priority: str = "normal",
        kind: str | None = None,
        wait: Duration | None = None,
        max_runtime: Duration | None = None,
        hold_paths: Sequence[str | PathLike[str]] = (),
        process: bool | ProcessIdentity = False,
    ) -> AsyncIterator[Lease]:
        """Hold a lease for the time of the block.

        Sizes are bytes or texts such as `"2GiB"`, durations seconds or texts such as `"10m"`. `memory` is what the
        job uses at most (`[admission] bytes_per_job` where it is not given), `cpu` counts cores, `gpu_memory` is on
        each device; `gpu=GpuNeed(required=False)` takes a device only where one is free. With `wait` the block
        begins when there is room; `math.inf` waits as long as it takes. `max_runtime` ends the lease though the
        block goes on. `process` says whose memory is the job's, and the lease ends with it: a child process, or
        True for this one and its children. By default nobody's is, which is safe: what the jobs use is held twice
        until admission learns whose it is. This process counts once for all the jobs that name it, its own memory
        included: reserve for that as well.

        Raises `Refused` with the reasons when there is no room (in time), `NeverFits` when there never will be,
        `Conflict` when another block or somebody else holds that id, `Draining` when nothing is admitted,
        `InvalidValue` for a wrong argument. Whoever is cancelled leaves nothing behind.
        """
        needs = needs_fields(
            memory=memory,
            cpu=cpu,
            gpu=gpu,
            gpu_memory=gpu_memory,
            scratch=scratch,
            units=units,
            providers=providers,
            priority=priority,
            kind=kind,
            max_runtime=max_runtime,
            hold_paths=hold_paths,
        )
        body = checked({"jobId": job_id} | needs, NeedsBody)
        spec = job_spec(body, bytes_per_job=self._parts.settings.admission.bytes_per_job)
        async with self._reservations.job(job_id, spec, wait_seconds=seconds_of(wait), process=process) as held:
            yield public.lease(held, self._moment(), public.gpu_indexes(self._parts.snapshots.value))

    @asynccontextmanager
    async def provider(
        self, name: str, *, tokens: int = 0, wait: Duration | None = None
    ) -> AsyncIterator[HeldSlot]:
        """Hold a slot at a provider for the time of the block, and `tokens` of its budget.

        `slot.settle(tokens=731)` corrects the estimate at the end of the block. Raises as `reserve` does.
        """
        need = checked({"name": name, "tokens": tokens}, ProviderBody)
        async with self._reservations.slot(
            need.name, need.tokens, lambda held: public.slot(held, self._moment()), wait_seconds=seconds_of(wait)
        ) as slot:
            yield slot

    def subscribe(self, topic: str) -> "Frames":
        """Every publication of a topic, to iterate over; a slow reader skips to the newest."""
        if topic not in self._parts.topics:
            raise InvalidValue(f"there is no topic {topic!r}; there is {', '.join(self._parts.topics)}")
        return Frames(self._parts.topics[topic])

    def _moment(self) -> public.Moment:
        return public.Moment(self._parts.surroundings.clock(), self._parts.surroundings.wall())
