"""Asking for room, and the answers: bodies of `/api/admission/*` and `/api/providers/*`.

Owns the public shape of requests, leases and reasons, and the limits of each field; decides nothing.
"""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aura_actors.wire.metrics import Wire

JobId = Annotated[
    str,
    Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)", description="Letters, digits and ._:-"),
]
Owner = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$(?!\n)")]
Bytes = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Priority = Literal["low", "normal", "high"]


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of everything that comes in: an unknown field is refused, not ignored."""


class AcquireBody(Body, frozen=True, kw_only=True):
    """Ask for the right to start one job."""

    job_id: JobId
    owner: Owner | None = None
    memory_bytes: Bytes | None = None
    """What the job will hold at most; `[admission] bytes_per_job` where it is not given."""
    estimated_memory_bytes: Bytes | None = None
    """The guide's name for `memoryBytes`; give one of the two."""
    cpu_cores: Annotated[float, Meta(ge=0)] = 0
    """Cores to reserve; only 0 in this version."""
    requires_gpu: bool = False
    priority: Priority = "normal"
    kind: Name | None = None
    """What sort of job this is, for statistics."""
    wait_seconds: Annotated[float, Meta(ge=0, le=3_600)] = 0
    ttl_seconds: Seconds | None = None
    """How long the lease lives without a renewal; shortened to `[admission] max_lease_ttl`."""


class RenewBody(Body, frozen=True, kw_only=True):
    """Keep a lease for another `ttlSeconds`."""

    ttl_seconds: Seconds | None = None


class SlotBody(Body, frozen=True, kw_only=True):
    """Ask for one slot at a provider."""

    owner: Owner | None = None
    tokens: Annotated[int, Meta(ge=0, le=2**53)] = 0
    """What the call is expected to use; without effect until providers have token limits."""
    wait_seconds: Annotated[float, Meta(ge=0, le=3_600)] = 0
    ttl_seconds: Seconds | None = None


class Reason(Wire, frozen=True, kw_only=True):
    """Why a request was not granted, in one dimension."""

    dimension: str
    needed: float
    available: float
    shortfall: float
    holders: list[str]
    """Jobs that hold this dimension, the largest first."""
    external: bool
    """True where what is missing is used by nobody that was admitted."""
    text: str


class AssignedGpu(Wire, frozen=True, kw_only=True):
    """A graphics processor that a job may use."""

    index: int
    uuid: str


class Lease(Wire, frozen=True, kw_only=True):
    """A grant. `leaseId` is a secret: whoever shows it may renew and release."""

    job_id: str
    lease_id: str
    fence: int
    """Grows with every grant, across restarts; a newer holder of an id has a larger one."""
    owner: str
    memory_bytes: int
    cpu_cores: float
    gpus: list[AssignedGpu]
    granted_at: dt.datetime
    expires_at: dt.datetime
    ttl_seconds: float


class ActiveJob(Wire, frozen=True, kw_only=True):
    """A live lease, without its secret."""

    job_id: str
    fence: int
    owner: str
    memory_bytes: int
    priority: Priority
    kind: str | None
    granted_at: dt.datetime
    expires_at: dt.datetime
    ttl_seconds: float


class Jobs(Wire, frozen=True, kw_only=True):
    """`GET /api/admission/jobs` and part of the feed topic `admission`."""

    active: list[ActiveJob]
    queue: list[ActiveJob]


class MemoryBooks(Wire, frozen=True, kw_only=True):
    """How the room for new jobs is worked out, in bytes: headroom = allowed - external - reserved."""

    capacity_bytes: int | None
    allowed_bytes: int | None
    external_bytes: int | None
    reserved_bytes: int
    headroom_bytes: int | None
    limit_bytes: int | None
    """`[admission] memory_limit`, or null."""


class AdmissionState(Wire, frozen=True, kw_only=True):
    """The feed topic `admission`."""

    max_concurrent_jobs: int
    active_jobs: int
    memory: MemoryBooks
    active: list[ActiveJob]
    granted_total: int
    denied_total: int
    expired_total: int


class Preflight(Wire, frozen=True, kw_only=True):
    """What an acquire with the same body would be answered now."""

    decision: Literal["grant", "wait", "never"]
    reasons: list[Reason]
    position: int | None
    bound_seconds: float | None


class Slot(Wire, frozen=True, kw_only=True):
    """One provider slot, held under the same rules as a job's lease."""

    provider: str
    slot_id: str
    lease_id: str
    fence: int
    owner: str
    granted_at: dt.datetime
    expires_at: dt.datetime
    ttl_seconds: float


class Provider(Wire, frozen=True, kw_only=True):
    """One provider's slots."""

    name: str
    max_concurrent: int
    active: int
    available: int
    granted_total: int
    denied_total: int


class Providers(Wire, frozen=True, kw_only=True):
    """`GET /api/providers` and the feed topic `providers`."""

    providers: list[Provider]


class Problem(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem: why a request was not carried out."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str | UnsetType = UNSET
    """JSON pointer into the body, where one value is at fault."""
    reasons: list[Reason] | UnsetType = UNSET
    retry_after_seconds: float | UnsetType = UNSET
