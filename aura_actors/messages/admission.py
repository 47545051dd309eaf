"""What the admission actor is asked. Replies are domain data; secrets are in the leases, so log none of it."""

import msgspec

from aura_actors.domain.ledger import JobLease, JobSpec
from aura_actors.domain.providers import SlotLease
from aura_actors.domain.reasons import Judgement
from aura_actors.kernel.request import Request


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an acquire: a lease, and whether it is the one that was held already."""

    lease: JobLease
    again: bool


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider as it is now; counts are since start."""

    name: str
    size: int
    used: int
    granted: int
    denied: int
    mean_call_seconds: float | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The few numbers that everybody wants at once. Set on every change."""

    job_slots: int
    active_jobs: int
    reserved_bytes: int
    active_providers: tuple[str, ...]


class AdmissionView(msgspec.Struct, frozen=True, kw_only=True):
    """The books as they are now. `taken_at` (monotonic) and `timestamp` (Unix) are the same moment."""

    taken_at: float
    timestamp: float
    totals: Totals
    jobs: tuple[JobLease, ...]
    providers: tuple[ProviderView, ...]
    capacity_bytes: int | None
    allowed_bytes: int | None
    external_bytes: int | None
    headroom_bytes: int | None
    limit_bytes: int | None
    granted: int
    denied: dict[str, int]
    """Refusals since start, by binding dimension."""
    expired: int


class Acquire(Request[Grant], frozen=True, kw_only=True, tag=True):
    """Grant a job's lease. Raises `Conflict`, `SpecChanged`, `NeverFits`, `Refused` or `StoreUnavailable`."""

    job_id: str
    owner: str
    spec: JobSpec
    ttl_seconds: float | None


class Preflight(Request[Judgement], frozen=True, kw_only=True, tag=True):
    """What the same acquire would be answered. Raises `Conflict` or `SpecChanged` as it would."""

    job_id: str
    owner: str
    spec: JobSpec


class Renew(Request[JobLease], frozen=True, kw_only=True, tag=True):
    """Extend a lease. Raises `Gone` or `Foreign`."""

    job_id: str
    secret: str | None
    ttl_seconds: float | None


class Release(Request[None], frozen=True, kw_only=True, tag=True):
    """End a lease. Raises `Gone` or `Foreign`."""

    job_id: str
    secret: str | None


class AcquireSlot(Request[SlotLease], frozen=True, kw_only=True, tag=True):
    """Grant a slot at a provider. Raises `Refused` or `StoreUnavailable`."""

    provider: str
    owner: str
    ttl_seconds: float | None


class ReleaseSlot(Request[None], frozen=True, kw_only=True, tag=True):
    """End a slot. Raises `Gone` or `Foreign`."""

    provider: str
    slot_id: str
    secret: str | None


class RenewSlot(Request[SlotLease], frozen=True, kw_only=True, tag=True):
    """Extend a slot. Raises `Gone` or `Foreign`."""

    provider: str
    slot_id: str
    secret: str | None
    ttl_seconds: float | None


class Describe(Request[AdmissionView], frozen=True, tag=True):
    """The books as they are now."""


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """There is a newer snapshot."""


class Expire(msgspec.Struct, frozen=True, tag=True):
    """A lease's time may be over."""


AdmissionMessage = (
    Acquire | Preflight | Renew | Release | AcquireSlot | ReleaseSlot | RenewSlot | Describe | Sampled | Expire
)
