"""The admission actor: the one place where leases begin, are renewed and end.

Feeds requests and samples to the books in `domain/`, writes every change to the journal before it answers, and
shows the books to others. Decides nothing itself. After a crash, of the actor or of the program, the journal is
the one way back.
"""

from collections.abc import Callable
from typing import TypeVar, assert_never

import msgspec
import structlog
import trio

from aura_actors.domain.cpu_gate import CpuGate
from aura_actors.domain.headroom import Levels, MemoryRule
from aura_actors.domain.leases import Lease, renewed
from aura_actors.domain.ledger import JobLease, JobSpec, Ledger, SlotRule
from aura_actors.domain.machine import machine_of
from aura_actors.domain.providers import Provider, Providers, SlotLease, SlotSpec
from aura_actors.domain.reasons import HOLDERS_NAMED, Judgement, Outcome, Shortfall
from aura_actors.domain.snapshot import Snapshot
from aura_actors.errors import Conflict, NeverFits, Refused, SpecChanged, StoreUnavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.permits import Permits
from aura_actors.messages import admission as m
from aura_actors.stores.journal import Journal

log = structlog.get_logger("aura_actors.admission")

EXPIRY_SECONDS = 0.25
S = TypeVar("S")
T = TypeVar("T")


class AdmissionRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part of admission; percents are 0-100."""

    memory: MemoryRule
    slots: SlotRule
    cpu_threshold_percent: float
    lease_ttl_seconds: float
    max_lease_ttl_seconds: float
    providers: tuple[str, ...]
    """Those that are configured; any other name is a provider too."""
    provider_limit: Callable[[str], int]

    def ttl(self, asked_seconds: float | None) -> float:
        """The time to live that is granted."""
        return min(asked_seconds or self.lease_ttl_seconds, self.max_lease_ttl_seconds)


class Seen(msgspec.Struct, kw_only=True):
    """What was seen and counted since the program's start. It outlives an incarnation: a crash opens no gate."""

    cpu: CpuGate
    external: Levels
    granted: int = 0
    expired: int = 0
    denied: dict[str, int] = {}


class Admission(Actor[m.AdmissionMessage]):
    """`clock` is monotonic and the same in every process of this boot; `secret` makes lease ids."""

    def __init__(
        self,
        rule: AdmissionRule,
        *,
        journal: Journal,
        snapshots: Latest[Snapshot | None],
        totals: Latest[m.Totals],
        view: Latest[m.AdmissionView | None],
        seen: Seen,
        limiter: trio.CapacityLimiter,
        clock: Callable[[], float],
        wall: Callable[[], float],
        secret: Callable[[], str],
        chance: Callable[[], float],
    ) -> None:
        self._rule = rule
        self._journal = journal
        self._snapshots = snapshots
        self._totals = totals
        self._view = view
        self._limiter = limiter
        self._clock = clock
        self._wall = wall
        self._secret = secret
        self._chance = chance
        self._seen_version = 0
        self._fence = 0
        self._seen = seen
        self._unwritable = False
        self._context: Context[m.AdmissionMessage]
        self._armed = False
        self._ledger = Ledger(rule.memory, rule.slots, seen.cpu, Permits(1), seen.external)
        self._providers = Providers(rule.providers, rule.provider_limit, Permits)

    # --- life ---

    async def open(self, context: Context[m.AdmissionMessage]) -> None:
        """Take over what the journal holds; only then is anybody answered."""
        self._context = context
        now = self._clock()
        recovered = await self._in_thread(lambda: self._journal.recover(now))
        self._fence = recovered.fence
        self._ledger.slots.resize(self._rule.slots.fixed or 1)
        for job in recovered.jobs:
            self._ledger.enter(job)
        for slot in recovered.slots:
            self._providers.enter(slot)
        for known in self._view.value.providers if self._view.value is not None else ():
            provider = self._providers.find(known.name)
            provider.granted, provider.denied = known.granted, known.denied
            provider.mean_call_seconds = known.mean_call_seconds
        self._look()
        self._show()
        context.nursery.start_soon(self._follow_samples, context)
        self._arm()

    async def _follow_samples(self, context: Context[m.AdmissionMessage]) -> None:
        version = self._snapshots.version
        while True:
            await self._snapshots.wait_newer(version)
            version = self._snapshots.version
            context.ref.tell(m.Sampled(), control=True)

    async def handle(self, message: m.AdmissionMessage) -> object:
        """Answer one message."""
        try:
            return await self._answer(message)
        finally:
            self._arm()

    def _arm(self) -> None:
        """Look for what has expired in a moment, as long as there is anything that can: nobody else may come by."""
        if not self._armed and (self._ledger.leases or self._providers.leases):
            self._armed = True
            self._context.after(EXPIRY_SECONDS, m.Expire())

    async def _answer(self, message: m.AdmissionMessage) -> object:
        self._look()
        if isinstance(message, m.Expire):
            self._armed = False
        try:
            await self._end_expired()
        except StoreUnavailable:
            # What only looks is answered all the same; what would be granted must wait for what has ended.
            if not isinstance(message, m.Describe | m.Sampled | m.Expire):
                raise
        match message:
            case m.Acquire():
                return await self._acquire(message)
            case m.Preflight():
                return self._preflight(message)
            case m.Renew(job_id=job_id, secret=secret, ttl_seconds=ttl):
                return await self._renew(self._ledger.leases.check(job_id, secret), ttl)
            case m.Release(job_id=job_id, secret=secret):
                await self._end_job(self._ledger.leases.check(job_id, secret))
            case m.AcquireSlot():
                return await self._acquire_slot(message)
            case m.RenewSlot(ttl_seconds=ttl):
                return await self._renew_slot(self._check_slot(message), ttl)
            case m.ReleaseSlot():
                await self._end_slot(self._check_slot(message))
            case m.Describe():
                return self._describe()
            case m.Sampled():
                self._show()
            case m.Expire():
                pass
            case _:
                assert_never(message)
        return None

    # --- jobs ---

    async def _acquire(self, message: m.Acquire) -> m.Grant:
        held = self._held_by(message.job_id, message.owner, message.spec)
        if held is not None:
            return m.Grant(lease=await self._renew(held, message.ttl_seconds), again=True)
        judgement = self._ledger.judge(message.spec, self._clock())
        if judgement.outcome is not Outcome.GRANT:
            self._deny(judgement)
        lease = self._new_lease(message.job_id, message.owner, message.spec, message.ttl_seconds)
        await self._in_thread(lambda: self._journal.record_job(lease))
        self._ledger.enter(lease)
        self._seen.granted += 1
        self._changed()
        return m.Grant(lease=lease, again=False)

    def _preflight(self, message: m.Preflight) -> Judgement:
        if self._held_by(message.job_id, message.owner, message.spec) is not None:
            return Judgement(outcome=Outcome.GRANT)
        return self._ledger.judge(message.spec, self._clock())

    def _held_by(self, job_id: str, owner: str, spec: JobSpec) -> JobLease | None:
        held = self._ledger.leases.find(job_id)
        if held is None:
            return None
        if held.owner != owner:
            raise Conflict(f"job {job_id} is held by another owner")
        if held.spec != spec:
            raise SpecChanged(f"job {job_id} is held with another specification; release it first")
        return held

    def _deny(self, judgement: Judgement) -> None:
        first = judgement.reasons[0]
        self._seen.denied[first.dimension] = self._seen.denied.get(first.dimension, 0) + 1
        text = "; ".join(f"{r.dimension}: {r.text}" for r in judgement.reasons)
        if judgement.outcome is Outcome.NEVER:
            raise NeverFits(text, reasons=judgement.reasons)
        raise Refused(text, reasons=judgement.reasons, retry_after_seconds=self._later())

    def _later(self) -> float:
        """Between one and three seconds: those who were refused together do not come back together."""
        return 1.0 + 2.0 * self._chance()

    async def _renew(self, lease: JobLease, ttl_seconds: float | None) -> JobLease:
        fresh = renewed(lease, self._clock(), self._rule.ttl(ttl_seconds or lease.ttl_seconds))
        await self._in_thread(lambda: self._journal.record_job(fresh))
        self._ledger.renew(fresh)
        return fresh

    async def _end_job(self, lease: JobLease) -> None:
        await self._in_thread(lambda: self._journal.erase([lease.fence]))
        self._ledger.end(lease.key)
        self._changed()

    # --- provider slots ---

    async def _acquire_slot(self, message: m.AcquireSlot) -> SlotLease:
        provider = self._providers.find(message.provider)
        if not provider.free:
            provider.denied += 1
            text = f"all {provider.slots.size} slots at {provider.name} are taken"
            holders = tuple(lease.key for lease in self._providers.leases if lease.spec.provider == provider.name)
            short = Shortfall(
                dimension=f"provider:{provider.name}",
                needed=1,
                available=0,
                holders=holders[:HOLDERS_NAMED],
                external=False,
                text=text,
            )
            raise Refused(text, reasons=(short,), retry_after_seconds=self._later())
        slot_id = f"{provider.name}-{self._fence + 1}"
        lease = self._new_lease(slot_id, message.owner, SlotSpec(provider=provider.name), message.ttl_seconds)
        await self._in_thread(lambda: self._journal.record_slot(lease))
        self._providers.enter(lease)
        provider.granted += 1
        self._changed()
        return lease

    def _check_slot(self, message: m.ReleaseSlot | m.RenewSlot) -> SlotLease:
        return self._providers.check(message.provider, message.slot_id, message.secret)

    async def _renew_slot(self, lease: SlotLease, ttl_seconds: float | None) -> SlotLease:
        fresh = renewed(lease, self._clock(), self._rule.ttl(ttl_seconds or lease.ttl_seconds))
        await self._in_thread(lambda: self._journal.record_slot(fresh))
        self._providers.leases.put(fresh)
        return fresh

    async def _end_slot(self, lease: SlotLease) -> None:
        await self._in_thread(lambda: self._journal.erase([lease.fence]))
        self._providers.end(lease.key)
        self._providers.find(lease.spec.provider).finished(self._clock() - lease.granted_at)
        self._changed()

    # --- both ---

    def _new_lease(self, key: str, owner: str, spec: S, ttl_seconds: float | None) -> Lease[S]:
        now, ttl = self._clock(), self._rule.ttl(ttl_seconds)
        self._fence += 1
        return Lease(
            key=key,
            owner=owner,
            secret=self._secret(),
            fence=self._fence,
            spec=spec,
            ttl_seconds=ttl,
            granted_at=now,
            expires_at=now + ttl,
            granted_timestamp=self._wall(),
        )

    async def _end_expired(self) -> None:
        now = self._clock()
        jobs, slots = self._ledger.leases.expired(now), self._providers.leases.expired(now)
        if not jobs and not slots:
            return
        fences = [job.fence for job in jobs] + [slot.fence for slot in slots]
        await self._in_thread(lambda: self._journal.erase(fences))
        for job in jobs:
            self._ledger.end(job.key)
        for slot in slots:
            self._providers.end(slot.key)
        self._seen.expired += len(jobs) + len(slots)
        self._changed()

    def _look(self) -> None:
        """Take in the newest sample, if there is one that was not seen."""
        if self._snapshots.version == self._seen_version:
            return
        self._seen_version = self._snapshots.version
        machine = machine_of(self._snapshots.value)
        if machine is not None:
            self._ledger.observe(machine)

    # --- showing ---

    def _changed(self) -> None:
        self._totals.set(
            m.Totals(
                job_slots=self._ledger.slots.size,
                active_jobs=len(self._ledger.leases),
                reserved_bytes=self._ledger.reserved_bytes,
                active_providers=tuple(self._providers.active()),
            )
        )

    def _show(self) -> None:
        self._changed()
        self._view.set(self._describe())

    def _describe(self) -> m.AdmissionView:
        self._changed()
        return m.AdmissionView(
            taken_at=self._clock(),
            timestamp=self._wall(),
            totals=self._totals.value,
            jobs=tuple(sorted(self._ledger.leases, key=lambda lease: lease.fence)),
            providers=tuple(_view_of(provider) for provider in self._providers),
            capacity_bytes=self._ledger.capacity_bytes,
            allowed_bytes=self._ledger.allowed_bytes,
            external_bytes=self._ledger.external_bytes,
            headroom_bytes=self._ledger.headroom_bytes,
            limit_bytes=self._rule.memory.limit_bytes,
            granted=self._seen.granted,
            denied=dict(self._seen.denied),
            expired=self._seen.expired,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            result = await trio.to_thread.run_sync(work, limiter=self._limiter)
        except StoreUnavailable as error:
            if not self._unwritable:
                log.warning("nothing is granted until the journal can be written", error=str(error))
            self._unwritable = True
            raise
        if self._unwritable:
            log.info("the journal can be written again")
        self._unwritable = False
        return result


def _view_of(provider: Provider) -> m.ProviderView:
    return m.ProviderView(
        name=provider.name,
        size=provider.slots.size,
        used=provider.slots.used,
        granted=provider.granted,
        denied=provider.denied,
        mean_call_seconds=provider.mean_call_seconds,
    )
