"""The admission actor over a real journal: what holders of leases can rely on."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from aura_actors.actors.admission import Admission, AdmissionRule, Seen
from aura_actors.domain.cpu_gate import CpuGate
from aura_actors.domain.headroom import Levels, MemoryRule
from aura_actors.domain.ledger import JobLease, JobSpec, SlotRule
from aura_actors.domain.reasons import Outcome
from aura_actors.domain.snapshot import CollectorHealth, CpuUse, MemoryUse, NetworkUse, ProcessUse, Snapshot
from aura_actors.errors import Conflict, Foreign, Gone, Lost, NotStarted, Refused, SpecChanged, StoreUnavailable
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.messages import admission as m
from aura_actors.stores.journal import Journal

GIB = 2**30


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
        collectors={"memory": CollectorHealth(success=True, duration_seconds=0.001, stale_since=None, error=None)},
    )


class FaultyJournal(Journal):
    """A journal that fails as the test says, before or after it has written."""

    before: Exception | None = None
    after: Exception | None = None

    def erase(self, fences: Sequence[int]) -> None:
        if self.before is not None:
            raise self.before
        super().erase(fences)

    def record_job(self, lease: JobLease) -> None:
        if self.before is not None:
            raise self.before
        super().record_job(lease)
        if self.after is not None:
            error, self.after = self.after, None
            raise error


class House:
    """One admission actor, its journal and what it is fed."""

    def __init__(
        self, folder: Path, *, session: str = "one", boot: str = "boot", clock: Callable[[], float]
    ) -> None:
        numbers = itertools.count(1)
        self.snapshots: Latest[Snapshot | None] = Latest(None)
        self.snapshots.set(snapshot(at=clock()))
        self.totals = Latest(m.Totals(job_slots=0, active_jobs=0, reserved_bytes=0, active_providers=()))
        self.view: Latest[m.AdmissionView | None] = Latest(None)
        self.seen = Seen(cpu=CpuGate(100), external=Levels())
        self.journal = FaultyJournal(folder / "journal.db", boot=boot, session=session)
        self.limiter = trio.CapacityLimiter(1)
        self.clock = clock
        self.rule = AdmissionRule(
            memory=MemoryRule(reserved_for_ui_bytes=0, threshold_percent=100, limit_bytes=8 * GIB),
            slots=SlotRule(fixed=1000, bytes_per_job=2 * GIB, max_jobs=10),
            cpu_threshold_percent=100,
            lease_ttl_seconds=30,
            max_lease_ttl_seconds=300,
            providers=("OpenAI",),
            provider_limit=lambda name: 2 if name == "OpenAI" else 5,
        )
        self.secret = lambda: f"secret-{session}-{next(numbers)}"
        self.cell: Cell[m.AdmissionMessage] = Cell("admission", self.make)
        self.supervisor = Supervisor("root", [ChildSpec(name="admission", service=self.cell)], chance=lambda: 0.5)

    def make(self) -> Admission:
        return Admission(
            self.rule,
            journal=self.journal,
            snapshots=self.snapshots,
            totals=self.totals,
            view=self.view,
            seen=self.seen,
            limiter=self.limiter,
            clock=self.clock,
            wall=lambda: 1000 + self.clock(),
            secret=self.secret,
            chance=lambda: 0.5,
        )

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
    folder: Path, *, session: str = "one", boot: str = "boot", clock: Callable[[], float] = trio.current_time
) -> AsyncIterator[House]:
    house = House(folder, session=session, boot=boot, clock=clock)
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


async def ask(ref: Ref[m.AdmissionMessage], message: m.Acquire) -> m.Grant:
    return await ref.ask(message, within=60)


async def jobs(house: House) -> dict[str, int]:
    view = await house.cell.ref.ask(m.Describe(), within=60)
    return {lease.key: lease.fence for lease in view.jobs}


async def test_two_hundred_concurrent_acquires_never_grant_more_than_fits(tmp_path: Path) -> None:
    granted: list[int] = []
    refused: list[Refused] = []
    async with open_house(tmp_path) as house:

        async def one(n: int) -> None:
            try:
                granted.append((await ask(house.cell.ref, acquire(f"job-{n}"))).lease.fence)
            except Refused as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for n in range(200):
                nursery.start_soon(one, n)
        assert (len(granted), len(refused)) == (8, 192)
        assert {reason.dimension for error in refused for reason in error.reasons} == {"memory_limit"}
        assert house.totals.value.reserved_bytes == 8 * GIB


async def test_the_same_request_gets_the_same_lease_renewed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first = await ask(house.cell.ref, acquire("a"))
        again = await ask(house.cell.ref, acquire("a"))
        assert (first.again, again.again) == (False, True)
        assert (again.lease.fence, again.lease.secret) == (first.lease.fence, first.lease.secret)
        assert house.totals.value.reserved_bytes == GIB


async def test_a_held_id_is_a_conflict_for_others_and_for_another_specification(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.cell.ref, acquire("a"))
        with pytest.raises(Conflict):
            await ask(house.cell.ref, acquire("a", owner="somebody else"))
        with pytest.raises(SpecChanged):
            await ask(house.cell.ref, acquire("a", memory=2 * GIB))
        with pytest.raises(Conflict):
            await house.cell.ref.ask(
                m.Preflight(job_id="a", owner="somebody else", spec=JobSpec(memory_bytes=GIB)), within=60
            )


async def test_a_foreign_release_changes_nothing_and_a_second_one_is_harmless(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        grant = await ask(house.cell.ref, acquire("a"))
        for secret in (None, "wrong"):
            with pytest.raises(Foreign):
                await house.cell.ref.ask(m.Release(job_id="a", secret=secret), within=60)
        assert house.totals.value.reserved_bytes == GIB
        await house.cell.ref.ask(m.Release(job_id="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == 0
        with pytest.raises(Gone):
            await house.cell.ref.ask(m.Release(job_id="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == 0


async def test_an_ended_id_may_be_used_again_with_a_larger_fence(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first = await ask(house.cell.ref, acquire("a"))
        await house.cell.ref.ask(m.Release(job_id="a", secret=first.lease.secret), within=60)
        second = await ask(house.cell.ref, acquire("a", memory=2 * GIB))
        assert second.lease.fence > first.lease.fence
        with pytest.raises(Foreign):
            await house.cell.ref.ask(m.Renew(job_id="a", secret=first.lease.secret, ttl_seconds=None), within=60)


class Clock:
    """Time that moves when the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_an_expired_lease_frees_its_bytes_once(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        grant = await ask(house.cell.ref, acquire("a", ttl=5))
        await ask(house.cell.ref, acquire("b", ttl=60))
        clock.now += 5.1
        assert await jobs(house) == {"b": 2}
        assert house.totals.value.reserved_bytes == GIB
        with pytest.raises(Gone):
            await house.cell.ref.ask(m.Release(job_id="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == GIB


async def test_an_expired_lease_goes_without_anybody_asking(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.cell.ref, acquire("a", ttl=5))
        clock.now += 6
        with trio.fail_after(5):
            await house.totals.wait_newer(house.totals.version)
        assert house.totals.value.active_jobs == 0


async def test_leases_of_an_ended_incarnation_and_later_ones_expire_without_anybody_asking(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.cell.ref, acquire("a", ttl=5))
        await ask(house.cell.ref, acquire("b", ttl=60))
        await house.crash()
        for seconds, active in ((6, 1), (60, 0)):
            clock.now += seconds
            with trio.fail_after(5):
                while house.totals.value.active_jobs != active:
                    await house.totals.wait_newer(house.totals.version)


async def test_a_renewal_counts_from_now_and_never_beyond_the_longest_time(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        grant = await ask(house.cell.ref, acquire("a", ttl=5))
        clock.now += 4
        renewed = await house.cell.ref.ask(
            m.Renew(job_id="a", secret=grant.lease.secret, ttl_seconds=None), within=60
        )
        assert renewed.expires_at == clock.now + 5
        longest = await house.cell.ref.ask(
            m.Renew(job_id="a", secret=grant.lease.secret, ttl_seconds=99999), within=60
        )
        assert longest.ttl_seconds == 300


async def test_a_clock_that_goes_back_frees_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.cell.ref, acquire("a", ttl=60))
        clock.now -= 90
        assert await jobs(house) == {"a": 1}


async def test_preflight_answers_as_acquire_would_and_takes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for memory, outcome in ((GIB, Outcome.GRANT), (9 * GIB, Outcome.NEVER)):
            judged = await house.cell.ref.ask(
                m.Preflight(job_id="a", owner="me", spec=JobSpec(memory_bytes=memory)), within=60
            )
            assert judged.outcome is outcome
        assert house.totals.value.active_jobs == 0
        await ask(house.cell.ref, acquire("b", memory=8 * GIB))
        judged = await house.cell.ref.ask(
            m.Preflight(job_id="a", owner="me", spec=JobSpec(memory_bytes=GIB)), within=60
        )
        assert (judged.outcome, judged.reasons[0].holders) == (Outcome.WAIT, ("b",))


async def test_a_crash_of_the_actor_loses_no_lease(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        before = {f"job-{n}": (await ask(house.cell.ref, acquire(f"job-{n}"))).lease for n in range(5)}
        slot = await house.cell.ref.ask(m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=None), within=60)
        await house.crash()
        assert await jobs(house) == {key: lease.fence for key, lease in before.items()}
        again = await ask(house.cell.ref, acquire("job-3"))
        assert again.lease.secret == before["job-3"].secret
        with pytest.raises(Refused):
            await ask(house.cell.ref, acquire("too much", memory=4 * GIB))
        await house.cell.ref.ask(m.ReleaseSlot(provider="OpenAI", slot_id=slot.key, secret=slot.secret), within=60)
        assert (await ask(house.cell.ref, acquire("next"))).lease.fence > slot.fence


async def test_counts_go_on_after_a_crash(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.cell.ref, acquire("a"))
        house.snapshots.set(snapshot(2, at=trio.current_time()))
        await house.view.wait_newer(house.view.version)
        await house.crash()
        view = await house.cell.ref.ask(m.Describe(), within=60)
        assert view.granted == 1


async def test_a_restart_of_the_program_keeps_the_fences_and_gives_time_to_renew(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, session="one", clock=clock) as house:
        fences = {
            f"j{n}": (await ask(house.cell.ref, acquire(f"j{n}", 1000, ttl=5))).lease.fence for n in range(50)
        }
    clock.now += 60  # longer than the leases live: nobody could renew while nobody listened
    async with open_house(tmp_path, session="two", clock=clock) as house:
        assert await jobs(house) == fences
        clock.now += 5.1
        assert await jobs(house) == {}
        assert (await ask(house.cell.ref, acquire("new"))).lease.fence == 51


async def test_what_was_released_or_expired_does_not_come_back_and_renewals_do(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, session="one", clock=clock) as house:
        released = (await ask(house.cell.ref, acquire("released"))).lease
        renewed = (await ask(house.cell.ref, acquire("renewed", ttl=10))).lease
        await ask(house.cell.ref, acquire("expired", ttl=5))
        slot = await house.cell.ref.ask(m.AcquireSlot(provider="P", owner="me", ttl_seconds=10), within=60)
        clock.now += 6
        await house.cell.ref.ask(m.Release(job_id="released", secret=released.secret), within=60)
        await house.cell.ref.ask(m.Renew(job_id="renewed", secret=renewed.secret, ttl_seconds=200), within=60)
        await house.cell.ref.ask(
            m.RenewSlot(provider="P", slot_id=slot.key, secret=slot.secret, ttl_seconds=200), within=60
        )
        await house.crash()
        assert await jobs(house) == {"renewed": 2}
    async with open_house(tmp_path, session="two", clock=clock) as house:
        assert await jobs(house) == {"renewed": 2}
        clock.now += 150
        assert await jobs(house) == {"renewed": 2}
        assert house.totals.value.active_providers == ("P",)
        clock.now += 60
        assert await jobs(house) == {}
        assert not house.totals.value.active_providers


async def test_a_crash_opens_no_gate(tmp_path: Path) -> None:
    """What was seen of external use and of the processor is older than the incarnation, and stays."""
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        house.snapshots.set(snapshot(2, at=clock(), used=63 * GIB))
        await ask_until_seen(house)
        clock.now += 1
        house.snapshots.set(snapshot(3, at=clock(), used=0))
        await ask_until_seen(house)
        await house.crash()
        with pytest.raises(Refused):
            await ask(house.cell.ref, acquire("a", memory=2 * GIB))


async def ask_until_seen(house: House) -> None:
    await house.cell.ref.ask(m.Describe(), within=60)


async def test_a_reboot_ends_every_lease_and_fences_go_on(tmp_path: Path) -> None:
    async with open_house(tmp_path, boot="one") as house:
        await ask(house.cell.ref, acquire("a"))
    async with open_house(tmp_path, boot="two", session="two") as house:
        assert await jobs(house) == {}
        assert (await ask(house.cell.ref, acquire("a"))).lease.fence == 2


async def test_what_cannot_be_journalled_is_not_granted(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.cell.ref, acquire("a"))
        house.journal.before = StoreUnavailable("no space left on device")
        with pytest.raises(StoreUnavailable):
            await ask(house.cell.ref, acquire("b"))
        assert await jobs(house) == {"a": 1}
        assert house.totals.value.reserved_bytes == GIB


async def test_while_an_end_cannot_be_journalled_one_can_look_but_not_acquire(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.cell.ref, acquire("a", ttl=5))
        house.journal.before = StoreUnavailable("no space left on device")
        clock.now += 6
        assert await jobs(house) == {"a": 1}
        with pytest.raises(StoreUnavailable):
            await ask(house.cell.ref, acquire("b"))
        house.journal.before = None
        assert await jobs(house) == {}


async def test_provider_slots_are_leases_too(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        take = m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=10)
        first = await house.cell.ref.ask(take, within=60)
        await house.cell.ref.ask(take, within=60)
        with pytest.raises(Refused):
            await house.cell.ref.ask(take, within=60)
        assert house.totals.value.active_providers == ("OpenAI",)
        with pytest.raises(Foreign):
            await house.cell.ref.ask(m.ReleaseSlot(provider="OpenAI", slot_id=first.key, secret="no"), within=60)
        with pytest.raises(Gone):
            await house.cell.ref.ask(
                m.ReleaseSlot(provider="Other", slot_id=first.key, secret=first.secret), within=60
            )
        clock.now += 11
        assert (await house.cell.ref.ask(take, within=60)).fence == 3


async def test_how_long_calls_take_is_learned_from_slots_that_are_given_back_and_survives_a_crash(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:

        async def call(seconds: float) -> None:
            slot = await house.cell.ref.ask(m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=10), within=60)
            clock.now += seconds
            if seconds < 10:
                give_back = m.ReleaseSlot(provider="OpenAI", slot_id=slot.key, secret=slot.secret)
                await house.cell.ref.ask(give_back, within=60)

        async def mean() -> float | None:
            (provider,) = (await house.cell.ref.ask(m.Describe(), within=60)).providers
            return provider.mean_call_seconds

        await call(11)
        assert await mean() is None, "nobody said when that call was over"
        await call(2)
        assert await mean() == 2
        await call(4)
        assert await mean() == pytest.approx(2.2)
        version = house.view.version
        house.cell.ref.tell(m.Sampled())
        await house.view.wait_newer(version)
        await house.crash()
        assert await mean() == pytest.approx(2.2)


async def test_an_asker_in_flight_during_a_crash_finds_its_lease_by_asking_again(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.journal.after = ZeroDivisionError("between the journal and the answer")
        with pytest.raises(Lost):
            await ask(house.cell.ref, acquire("a"))
        await house.wait_up(after_generation=1)
        again = await ask(house.cell.ref, acquire("a"))
        assert again.again
        assert house.totals.value.reserved_bytes == GIB
