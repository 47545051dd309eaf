"""Asking for room: the bodies of requests to `/api/admission/*` and `/api/providers/*`, and each field's limits.

Owns the public shape of what comes in; decides nothing.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

JOB_ID = r"^(?!\.\.?$)[A-Za-z0-9._:-]+$(?!\n)"
NAME = r"^(?!\.\.?$)[A-Za-z0-9._-]+$(?!\n)"
PATH = r"^/[^\x00]*$"
"""Patterns; `mismatch.py` says them in words."""

JobId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=JOB_ID,
        description="Letters, digits and ._:-, but neither . nor .. (clients leave them out of a path)",
    ),
]
Owner = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=NAME,
        description="Letters, digits and ._-, but neither . nor .. (clients leave them out of a path)",
    ),
]
Bytes = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
WaitSeconds = Annotated[float, Meta(ge=0, le=3_600)]
Cores = Annotated[float, Meta(ge=0, le=100_000)]
Tokens = Annotated[int, Meta(ge=0, le=2**53)]
Path = Annotated[str, Meta(min_length=1, max_length=4096, pattern=PATH)]
Priority = Literal["low", "normal", "high"]


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, gc=False):
    """Base of everything that comes in: an unknown field is refused, not ignored. A tree, as all that goes out."""


class GpuBody(Body, frozen=True, kw_only=True):
    """Graphics devices that a job needs."""

    required: bool = False
    """It does not start without."""
    preferred: bool = False
    """It takes what is free, and goes without where nothing is; give one of the two."""
    count: Annotated[int, Meta(ge=1, le=64)] = 1
    """How many devices."""
    memory_bytes: Bytes = 0
    """On each device."""
    exclusive: bool = False
    """No other job uses the device meanwhile."""


class ProviderBody(Body, frozen=True, kw_only=True):
    """A slot at a provider that a job holds while it runs."""

    name: Name
    """Of the provider, in any case."""
    tokens: Tokens = 0
    """What the job's calls are expected to use at a time."""


class NeedsBody(Body, frozen=True, kw_only=True):
    """What a job asks for: the part of a request that decides whether there is room."""

    job_id: JobId
    """While it lives, the same request from the same owner gets the same lease."""
    owner: Owner | None = None
    """Where no token and no unix socket tells who asks."""
    memory_bytes: Bytes | None = None
    """What the job will hold at most; `[admission] bytes_per_job` where it is not given."""
    estimated_memory_bytes: Bytes | None = None
    """The guide's name for `memoryBytes`; give one of the two."""
    cpu_cores: Cores = 0
    """Cores to reserve, to a thousandth."""
    requires_gpu: bool = False
    """Short for `gpu.required`."""
    gpu: GpuBody | None = None
    """Graphics devices; null where none is needed."""
    scratch_bytes: Bytes = 0
    """Space in the scratch directory."""
    units: Annotated[dict[Name, Annotated[int, Meta(ge=0, le=2**53)]], Meta(max_length=32)] = {}
    """Of dimensions that `[admission.units]` names."""
    providers: Annotated[tuple[ProviderBody, ...], Meta(max_length=16)] = ()
    """Slots at providers that the job holds while it runs."""
    priority: Priority = "normal"
    """Who goes first where jobs wait."""
    kind: Name | None = None
    """What sort of job this is, for statistics."""
    max_runtime_seconds: Seconds | None = None
    """The lease ends then even if it is renewed; who names it may pass a waiter that would not start sooner."""
    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """The lease ends with this process, and what its tree uses counts as the job's."""
    cgroup: Path | None = None
    """Directory of a control group that is the job's alone, `pid` in it: all that is in it counts as the job's."""
    hold_paths: Annotated[tuple[Path, ...], Meta(max_length=64)] = ()
    """Absolute paths that cleanup leaves alone while the job waits and while it runs."""


class AcquireBody(NeedsBody, frozen=True, kw_only=True):
    """Ask for the right to start one job."""

    wait_seconds: WaitSeconds = 0
    """How long to wait for room; then the answer is a ticket, or 429 where this is 0."""
    ttl_seconds: Seconds | None = None
    """How long the lease lives without a renewal; shortened to `[admission] max_lease_ttl`."""


class RenewBody(Body, frozen=True, kw_only=True):
    """Keep a lease for another `ttlSeconds`, and change what it holds; what is not given stays."""

    ttl_seconds: Seconds | None = None
    """Shortened to `[admission] max_lease_ttl`; what it was granted for where it is not given."""
    memory_bytes: Bytes | None = None
    """What the job will hold at most from now on."""
    cpu_cores: Cores | None = None
    """Cores to reserve from now on."""
    scratch_bytes: Bytes | None = None
    """Space in the scratch directory from now on."""
    units: Annotated[dict[Name, Annotated[int, Meta(ge=0, le=2**53)]], Meta(max_length=32)] | None = None
    """Of dimensions that `[admission.units]` names, all of them from now on."""


class ReleaseBody(Body, frozen=True, kw_only=True):
    """What the run was seen to use, for the statistics of its `kind`."""

    peak_bytes: Bytes | None = None
    """Memory at its peak."""
    oom_killed: bool = False
    """The kernel killed a process of it for want of memory."""


class SlotRenewBody(Body, frozen=True, kw_only=True):
    """Keep a slot for another `ttlSeconds`."""

    ttl_seconds: Seconds | None = None
    """Shortened to `[admission] max_lease_ttl`; what it was granted for where it is not given."""


class SlotReleaseBody(Body, frozen=True, kw_only=True):
    """How the call at the provider went."""

    outcome: Literal["ok", "throttled", "timeout"] | None = None
    """`throttled`: the provider answered 429 or 503."""
    tokens: Tokens | None = None
    """What it really used; the estimate is settled to it."""


class DrainBody(Body, frozen=True, kw_only=True):
    """Admit nothing new, or begin again."""

    on: bool
    """true: admit nothing new; false: admit again."""


class SlotBody(Body, frozen=True, kw_only=True):
    """Ask for one slot at a provider."""

    owner: Owner | None = None
    """Where no token and no unix socket tells who asks."""
    tokens: Tokens = 0
    """What the call is expected to use."""
    wait_seconds: WaitSeconds = 0
    """How long to wait for a slot; 429 where none was free by then. No place is kept."""
    ttl_seconds: Seconds | None = None
    """How long the lease lives without a renewal; shortened to `[admission] max_lease_ttl`."""
    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """The lease ends with this process."""


class AcquireOperation(NeedsBody, frozen=True, kw_only=True, tag_field="op", tag="acquire"):
    """As `POST /api/admission/jobs`; nothing in a batch waits."""

    ttl_seconds: Seconds | None = None
    """How long the lease lives without a renewal; shortened to `[admission] max_lease_ttl`."""


class PreflightOperation(NeedsBody, frozen=True, kw_only=True, tag_field="op", tag="preflight"):
    """As `POST /api/admission/preflight`."""


class RenewOperation(RenewBody, frozen=True, kw_only=True, tag_field="op", tag="renew"):
    """As `POST .../renew`."""

    job_id: JobId
    """Whose lease."""
    lease_id: str
    """The leaseId that the grant answered with."""


class ReleaseOperation(Body, frozen=True, kw_only=True, tag_field="op", tag="release"):
    """As `DELETE ...`."""

    job_id: JobId
    """Whose lease."""
    lease_id: str
    """The leaseId that the grant answered with."""


Operation = AcquireOperation | PreflightOperation | RenewOperation | ReleaseOperation


class BatchBody(Body, frozen=True, kw_only=True):
    """Several operations, carried out in order and written at once."""

    operations: Annotated[list[Operation], Meta(max_length=256)]
    """In the order in which they are carried out."""
