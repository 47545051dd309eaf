"""One admission actor over a real journal, to be asked, crashed, and fed with samples."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from aura_actors.actors.admission import Admission, AdmissionRule, Environment, Seen
from aura_actors.domain.accounts import Allowance
from aura_actors.domain.asked import TtlRule
from aura_actors.domain.attribution import Root
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.freshness import Freshness
from aura_actors.domain.leases import Lease
from aura_actors.domain.ledger import LedgerRule
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderLimits, Providers
from aura_actors.domain.reasons import Judgement
from aura_actors.domain.room import shape
from aura_actors.domain.slots import SlotRule
from aura_actors.domain.snapshot import CollectorHealth, CpuUse, MemoryUse, NetworkUse, ProcessUse, Snapshot
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.errors import NotStarted
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.permits import Permits
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.messages import admission as m
from aura_actors.messages.admission_view import AdmissionView, Totals
from aura_actors.stores.journal import Journal, Recovered

GIB = 2**30
TWO_SLOTS = ProviderLimits(max_concurrent=2)


def snapshot(number: int = 1, at: float = 0.0, used: int = 0) -> Snapshot:
    nothing = NetworkUse(
        interfaces=(),
        sent_bytes_total=None,
        received_bytes_total=None,
        sent_bytes_per_second=None,
        received_bytes_per_second=None,
    )
    return Snapshot(
        taken_at=at,
        timestamp=1000 + at,
        number=number,
        cpu=CpuUse(overall_percent=5, per_core_percent=None, logical_cores=8, physical_cores=8, process_percent=1),
        memory=MemoryUse(
            total_bytes=64 * GIB,
            available_bytes=64 * GIB - used,
            used_bytes=used,
            process_resident_bytes=1,
            process_private_bytes=1,
        ),
        disks=(),
        network=nothing,
        process=ProcessUse(open_descriptors=1, threads=1, cpu_seconds_total=1, started_at_seconds=1),
        collectors={
            "memory": CollectorHealth(
                success=True, duration_seconds=0.001, stale_since=None, error=None, read_at=at
            )
        },
    )


class FaultyJournal(Journal):
    """A journal that fails as the test says, before or after it has written, and counts what it writes."""

    before: Exception | None = None
    before_once: Exception | None = None
    after: Exception | None = None
    writes = 0
    recoveries = 0
    """How often it was tried."""

    def recover(self, now: float) -> Recovered:
        self.recoveries += 1
        if self.before is not None:
            raise self.before
        return super().recover(now)

    def write(self, leases: Sequence[Lease], erased: Sequence[int]) -> None:
        if self.before is not None:
            raise self.before
        if self.before_once is not None:
            error, self.before_once = self.before_once, None
            raise error
        super().write(leases, erased)
        self.writes += 1
        if self.after is not None:
            error, self.after = self.after, None
            raise error


class House:
    """One admission actor, its journal and what it is fed."""

    def __init__(
        self,
        folder: Path,
        *,
        session: str,
        boot: str,
        clock: Callable[[], float],
        slots: int,
        dead: frozenset[int],
        places: int,
        limits: ProviderLimits,
    ) -> None:
        numbers = itertools.count(1)
        self.snapshots: Latest[Snapshot | None] = Latest(None)
        self.snapshots.set(snapshot(at=clock()))
        self.totals = Latest(Totals(job_slots=0, active_jobs=0, reserved_bytes=0, active_providers=()))
        self.view: Latest[AdmissionView | None] = Latest(None)
        self.roots: Latest[tuple[Root, ...]] = Latest(())
        known = {"openai": limits}
        self.seen = Seen(
            gate=BusyGate(100),
            providers=Providers(
                ("OpenAI",), lambda name: known.get(name.casefold(), ProviderLimits(max_concurrent=5)), Permits
            ),
            queue=Queue(QueueRule(limit=places), shape=shape),
        )
        self.journal = FaultyJournal(folder / "journal.db", boot=boot, session=session)
        self.limiter = trio.CapacityLimiter(1)
        self.clock = clock
        self.slept = 0.0
        self.looks = 0
        self.wall_jump = 0.0
        self.dead = dead
        self.rule = AdmissionRule(
            ledger=LedgerRule(
                memory=Allowance(),
                memory_limit_bytes=8 * GIB,
                slots=SlotRule(fixed=slots, bytes_per_job=2 * GIB, max_jobs=10),
                freshness=Freshness(interval_seconds=1000),
            ),
            ttl=TtlRule(default_seconds=30, most_seconds=300),
        )
        self.environment = Environment(
            clock=clock,
            boot_clock=lambda: clock() + self.slept,
            wall=lambda: 1000 + clock() + self.wall_jump,
            secret=lambda: f"secret-{session}-{next(numbers)}",
            chance=lambda: 0.5,
            look_again=self.look_again,
            alive=lambda process: process.pid not in self.dead,
        )
        self.actor: Admission
        """The newest incarnation."""
        self.cell: Cell[m.AdmissionMessage] = Cell("admission", self.make)
        self.supervisor = Supervisor("root", [ChildSpec(name="admission", service=self.cell)], chance=lambda: 0.5)

    def look_again(self) -> None:
        self.looks += 1

    @property
    def ref(self) -> Ref[m.AdmissionMessage]:
        return self.cell.ref

    def make(self) -> Admission:
        self.actor = Admission(
            self.rule,
            journal=self.journal,
            snapshots=self.snapshots,
            totals=self.totals,
            view=self.view,
            roots=self.roots,
            seen=self.seen,
            limiter=self.limiter,
            environment=self.environment,
        )
        return self.actor

    async def crash(self) -> None:
        """Crash the actor and wait until it is back."""
        self.supervisor.crash("admission", RuntimeError("on purpose"))
        generation = self.cell.statistics().generation
        await self.wait_up(after_generation=generation)

    async def wait_up(self, after_generation: int) -> None:
        """Wait until a later incarnation answers."""
        for _ in range(500):
            with suppress(NotStarted):
                await self.cell.ref.ask(m.Describe(), within=1)
                if self.cell.statistics().generation > after_generation:
                    return
            await trio.sleep(0.01)
        raise TimeoutError


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    session: str = "one",
    boot: str = "boot",
    clock: Callable[[], float] = trio.current_time,
    slots: int = 1000,
    dead: frozenset[int] = frozenset(),
    places: int = 1024,
    limits: ProviderLimits = TWO_SLOTS,
) -> AsyncIterator[House]:
    house = House(
        folder, session=session, boot=boot, clock=clock, slots=slots, dead=dead, places=places, limits=limits
    )
    stopping = trio.Event()

    async def run(task_status: trio.TaskStatus[None]) -> None:
        await house.supervisor.run(stopping=stopping, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield house
        stopping.set()
    house.journal.close()


def acquire(job_id: str, memory: int = GIB, owner: str = "me", ttl: float | None = None) -> m.Acquire:
    return m.Acquire(job_id=job_id, owner=owner, spec=JobSpec(memory_bytes=memory), ttl_seconds=ttl)


async def ask(ref: Ref[m.AdmissionMessage], message: m.Acquire | m.AcquireSlot) -> m.Grant:
    answer = await ref.ask(message, within=60)
    assert isinstance(answer, m.Grant)
    return answer


async def forecast(house: House, message: m.Preflight) -> Judgement:
    return (await house.ref.ask(message, within=60)).judgement


async def jobs(house: House) -> dict[str, int]:
    view = await house.ref.ask(m.Describe(), within=60)
    return {job.lease.key: job.lease.fence for job in view.jobs}


class Clock:
    """Time that moves when the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
