"""What the admission actor shows of its books: to HTTP, to the feed, to Prometheus, to whoever asks.

No secret is in it but those inside leases, which their records need; who shows a lease leaves them out.
"""

from math import inf

import msgspec

from aura_actors.domain.accounts import Account, Measured
from aura_actors.domain.books import Books
from aura_actors.domain.changes import How
from aura_actors.domain.holding import Holding
from aura_actors.domain.learning import Learned
from aura_actors.domain.leases import Lease
from aura_actors.domain.providers import Provider
from aura_actors.domain.reasons import Shortfall

EXPLAINED = 16
"""How many places say why they wait: the first in line."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The few numbers that everybody wants at once. Set on every change."""

    job_slots: int
    active_jobs: int
    reserved_bytes: int
    active_providers: tuple[str, ...]
    queued_jobs: int = 0
    draining: bool = False


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """One live job, and what was measured of its group where that is known."""

    lease: Lease
    measured_bytes: int | None
    """Memory of its whole group."""
    attribution: str
    """`tree`, `cgroup`, `credit` (told from total use) or `none`."""


class WaiterView(msgspec.Struct, frozen=True, kw_only=True):
    """One place in the queue."""

    key: str
    owner: str
    priority: str
    kind: str | None
    memory_bytes: int
    position: int
    waited_seconds: float
    attended: bool
    """Somebody waits for it now; a place that nobody attends is passed over."""
    protected: bool
    """What it needs is kept free for it."""
    reasons: tuple[Shortfall, ...]


class DimensionView(msgspec.Struct, frozen=True, kw_only=True):
    """One dimension: headroom = allowed - external - ghosts - promised, the least over its levels."""

    name: str
    unit: str
    """`bytes`, `millicores` or `units`."""
    capacity: int | None
    allowed: int | None
    external: int
    """The highest use of the last 30 s by nobody who was admitted."""
    ghosts: int
    """Held by jobs that ended a moment ago and not given back yet."""
    promised: int
    headroom: int | None


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider as it is now; counts are since start."""

    name: str
    size: int
    used: int
    granted: int
    denied: int
    waiting: int
    mean_call_seconds: float | None
    requests_per_minute: float | None
    requests_available: int | None
    tokens_per_minute: float | None
    tokens_available: int | None
    adaptive: bool


class AdmissionView(msgspec.Struct, frozen=True, kw_only=True):
    """The books as they are now. `taken_at` (monotonic) and `timestamp` (Unix) are the same moment."""

    taken_at: float
    timestamp: float
    totals: Totals
    jobs: tuple[JobView, ...]
    queue: tuple[WaiterView, ...]
    dimensions: tuple[DimensionView, ...]
    """Memory is the first."""
    providers: tuple[ProviderView, ...]
    draining: bool
    brake: str | None
    """Why nothing is granted for now, whoever asks: memory pressure, or too little free memory."""
    stale_since_seconds: float | None
    """How long memory was not measured, once that is more than three samples."""
    limit_bytes: int | None
    granted: int
    denied: dict[str, int]
    """Refusals since start, by binding dimension."""
    ended: dict[str, int]
    """Leases that ended since start, by how: released, expired, exited, disconnected, revoked, runtime."""
    kinds: tuple[Learned, ...] = ()
    """What past runs of each kind were seen to need."""

    @property
    def memory(self) -> DimensionView:
        """The books over main memory."""
        return self.dimensions[0]


# --- made from the books ---------------------------------------------------------------------------------------


class Counts(msgspec.Struct, kw_only=True):
    """What was counted since the program's start."""

    granted: int = 0
    denied: dict[str, int] = {}
    ended: dict[How, int] = {}


def totals_of(books: Books) -> Totals:
    """The few numbers."""
    return Totals(
        job_slots=books.ledger.slots.size,
        active_jobs=books.ledger.slots.used,
        reserved_bytes=books.ledger.reserved_bytes,
        active_providers=tuple(books.ledger.providers.active()),
        queued_jobs=len(books.queue),
        draining=books.draining,
    )


def view_of(
    books: Books, counts: Counts, now: float, timestamp: float, kinds: tuple[Learned, ...] = ()
) -> AdmissionView:
    """Everything."""
    ledger = books.ledger
    jobs = [holding for holding in ledger.holdings.values() if holding.lease.is_job]
    unmeasured = now - ledger.memory.looked_at
    stale = ledger.memory.looked_at > -inf and unmeasured > ledger.rule.freshness.full_seconds
    return AdmissionView(
        taken_at=now,
        timestamp=timestamp,
        totals=totals_of(books),
        jobs=tuple(_job(holding, ledger.memory) for holding in jobs),
        queue=_queue(books, now),
        dimensions=tuple(_dimension(account) for account in ledger.accounts),
        providers=tuple(_provider(provider, books, now) for provider in ledger.providers),
        draining=books.draining,
        brake=ledger.brake,
        stale_since_seconds=unmeasured if stale else None,
        limit_bytes=ledger.rule.memory_limit_bytes,
        granted=counts.granted,
        denied=dict(counts.denied),
        ended={str(how): count for how, count in counts.ended.items()},
        kinds=kinds,
    )


def _job(holding: Holding, memory: Measured) -> JobView:
    if holding.group is None:
        credit = memory.credit_of(holding.lease.fence)
        return JobView(
            lease=holding.lease, measured_bytes=credit or None, attribution="credit" if credit else "none"
        )
    use = memory.use_of(holding.group.key)
    process = holding.lease.process
    told_by = "tree" if process is None or process.own_group is None else "cgroup"
    return JobView(
        lease=holding.lease,
        measured_bytes=None if use is None else use.most,
        attribution=told_by if use else "none",
    )


def _queue(books: Books, now: float) -> tuple[WaiterView, ...]:
    protected = books.queue.protected
    return tuple(
        WaiterView(
            key=waiter.key,
            owner=waiter.owner,
            priority=waiter.spec.priority,
            kind=waiter.spec.kind,
            memory_bytes=waiter.spec.memory_bytes,
            position=position,
            waited_seconds=max(0.0, now - waiter.since),
            attended=books.queue.attended(waiter.key),
            protected=waiter is protected,
            reasons=books.reasons(waiter, now) if position <= EXPLAINED else (),
        )
        for position, waiter in enumerate(books.queue.line(now), 1)
    )


def _dimension(account: Account) -> DimensionView:
    return DimensionView(
        name=account.name,
        unit=account.unit,
        capacity=account.capacity,
        allowed=account.most,
        external=account.external,
        ghosts=account.ghosts,
        promised=account.promised,
        headroom=None if account.room == -inf else int(account.room),
    )


def _provider(provider: Provider, books: Books, now: float) -> ProviderView:
    name = provider.name.casefold()
    return ProviderView(
        name=provider.name,
        size=provider.slots.size,
        used=provider.slots.used,
        granted=provider.granted,
        denied=provider.denied,
        waiting=sum(any(n.name.casefold() == name for n in w.spec.providers) for w in books.queue.line(now)),
        mean_call_seconds=provider.mean_call_seconds,
        requests_per_minute=provider.limits.requests_per_minute,
        requests_available=provider.available_requests(now),
        tokens_per_minute=provider.limits.tokens_per_minute,
        tokens_available=provider.available_tokens(now),
        adaptive=provider.limits.adaptive,
    )
