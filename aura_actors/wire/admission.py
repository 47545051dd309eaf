"""Leases, places in the queue, reasons and the books: the answers of `/api/admission/*` and `/api/providers/*`.

Owns the public shape of what goes out; requests and problems have files of their own and are found here too.
"""

import datetime as dt
from typing import Literal

from msgspec import UNSET, UnsetType

from aura_actors.wire.metrics import Wire
from aura_actors.wire.problems import Problem as Problem
from aura_actors.wire.problems import Reason as Reason
from aura_actors.wire.requests import (
    AcquireBody as AcquireBody,
)
from aura_actors.wire.requests import (
    AcquireOperation as AcquireOperation,
)
from aura_actors.wire.requests import (
    BatchBody as BatchBody,
)
from aura_actors.wire.requests import (
    Body as Body,
)
from aura_actors.wire.requests import (
    Bytes as Bytes,
)
from aura_actors.wire.requests import (
    Cores as Cores,
)
from aura_actors.wire.requests import (
    DrainBody as DrainBody,
)
from aura_actors.wire.requests import (
    GpuBody as GpuBody,
)
from aura_actors.wire.requests import (
    JobId as JobId,
)
from aura_actors.wire.requests import (
    Name as Name,
)
from aura_actors.wire.requests import (
    NeedsBody as NeedsBody,
)
from aura_actors.wire.requests import (
    Operation as Operation,
)
from aura_actors.wire.requests import (
    Owner as Owner,
)
from aura_actors.wire.requests import (
    Path as Path,
)
from aura_actors.wire.requests import (
    PreflightOperation as PreflightOperation,
)
from aura_actors.wire.requests import (
    Priority as Priority,
)
from aura_actors.wire.requests import (
    ProviderBody as ProviderBody,
)
from aura_actors.wire.requests import (
    ReleaseBody as ReleaseBody,
)
from aura_actors.wire.requests import (
    ReleaseOperation as ReleaseOperation,
)
from aura_actors.wire.requests import (
    RenewBody as RenewBody,
)
from aura_actors.wire.requests import (
    RenewOperation as RenewOperation,
)
from aura_actors.wire.requests import (
    Seconds as Seconds,
)
from aura_actors.wire.requests import (
    SlotBody as SlotBody,
)
from aura_actors.wire.requests import (
    SlotReleaseBody as SlotReleaseBody,
)
from aura_actors.wire.requests import (
    SlotRenewBody as SlotRenewBody,
)
from aura_actors.wire.requests import (
    Tokens as Tokens,
)
from aura_actors.wire.requests import (
    WaitSeconds as WaitSeconds,
)


class AssignedGpu(Wire, frozen=True, kw_only=True):
    """A graphics processor that a job may use."""

    index: int | None
    """Its place in `gpus` of `/api/metrics/system`; null while it is not listed there."""
    uuid: str
    """The vendor's identity of the device, as its tools and CUDA_VISIBLE_DEVICES take it."""


class Lease(Wire, frozen=True, kw_only=True):
    """A grant. `leaseId` is a secret: whoever shows it may renew and release."""

    job_id: str
    """As it was asked for."""
    lease_id: str
    """The secret for the header Aura-Lease."""
    fence: int
    """Grows with every grant, across restarts; a newer holder of an id has a larger one."""
    owner: str
    """In whose name it was granted."""
    memory_bytes: int
    """Reserved memory."""
    cpu_cores: float
    """Reserved cores."""
    gpus: list[AssignedGpu]
    """The devices that the job may use; none where a preferred one was not free."""
    granted_at: dt.datetime
    """When it was granted first."""
    expires_at: dt.datetime
    """When it ends without a renewal."""
    ttl_seconds: float
    """How long a renewal keeps it."""


class Ticket(Wire, frozen=True, kw_only=True):
    """A place in the queue. Posting the same request again waits on; the secret `ticket` gives the place up."""

    job_id: str
    """As it was asked for."""
    ticket: str
    """The secret for the header Aura-Ticket."""
    position: int
    """1 for whoever is next."""
    reasons: list[Reason]
    """What is in the way now."""
    retry_after_seconds: float
    """When asking for the state makes sense; to wait on, ask again at once."""
    bound_seconds: float | None
    """It starts within this; null where that cannot be said."""
    expires_at: dt.datetime
    """The place is kept until then; asking again keeps it longer."""


class ActiveJob(Wire, frozen=True, kw_only=True):
    """A live lease, without its secret."""

    job_id: str
    """As it was asked for."""
    fence: int
    """Grows with every grant, across restarts."""
    owner: str
    """In whose name it was granted."""
    memory_bytes: int
    """Reserved memory."""
    measured_bytes: int | None
    """What the job's processes use now, together with other jobs of the same processes."""
    attribution: str
    """Where that is from: `cgroup`, `tree`, `credit` (told from total use) or `none`."""
    cpu_cores: float
    """Reserved cores."""
    gpus: list[AssignedGpu]
    """The devices that the job may use."""
    scratch_bytes: int
    """Reserved space in the scratch directory."""
    units: dict[str, int]
    """Reserved of each dimension that the configuration names."""
    providers: list[str]
    """Where it holds a slot."""
    priority: Priority
    """As it was asked for."""
    kind: str | None
    """What sort of job it is."""
    pid: int | None
    """The process that it ends with; null where none was named."""
    max_runtime_seconds: float | None
    """It ends then even if it is renewed; null where it may run for ever."""
    granted_at: dt.datetime
    """When it was granted first."""
    expires_at: dt.datetime
    """When it ends without a renewal."""
    ttl_seconds: float
    """How long a renewal keeps it."""


class QueuedJob(Wire, frozen=True, kw_only=True):
    """A place in the queue, without its secret."""

    job_id: str
    """As it was asked for."""
    owner: str
    """In whose name it waits."""
    priority: Priority
    """Who goes first."""
    kind: str | None
    """What sort of job it is."""
    memory_bytes: int
    """What it will reserve."""
    position: int
    """1 for whoever is next."""
    waited_seconds: float
    """Since it took its place."""
    attended: bool
    """Somebody waits for it now; a place that nobody attends is passed over."""
    protected: bool
    """What it needs is kept free for it."""
    reasons: list[Reason]
    """What is in the way now."""


class Jobs(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /api/admission/jobs`."""

    active: list[ActiveJob]
    """Jobs that hold a lease, the oldest first."""
    queue: list[QueuedJob]
    """Jobs that wait, the next one first."""
    draining: bool = False
    """Nothing new is admitted, because an operator said so; only there while that is so."""


class MemoryBooks(Wire, frozen=True, kw_only=True):
    """How the room for new jobs is worked out, in bytes: headroom = allowed - external - ghosts - reserved."""

    capacity_bytes: int | None
    """What there is: the machine's memory, or less where a control group limits it."""
    allowed_bytes: int | None
    """What may be used, all in all."""
    external_bytes: int | None
    """The highest use of the last 30 s by nobody who was admitted."""
    ghost_bytes: int
    """Held by jobs that ended a moment ago and not given back yet."""
    reserved_bytes: int
    """The larger of what was declared and what is used, over all groups of jobs."""
    headroom_bytes: int | None
    """What is left for new jobs."""
    limit_bytes: int | None
    """`[admission] memory_limit`, or null."""


class Dimension(Wire, frozen=True, kw_only=True):
    """One dimension of the books: headroom = allowed - external - ghosts - promised, the least over its levels."""

    name: str
    """Of the dimension, as in reasons."""
    unit: str
    """`bytes`, `millicores` or `units`."""
    capacity: int | None
    """What there is; null where it is not known."""
    allowed: int | None
    """What may be used, all in all."""
    external: int
    """Used by nobody who was admitted."""
    ghosts: int
    """Held by jobs that ended a moment ago and not given back yet."""
    promised: int
    """The larger of what was declared and what is used, over all groups of jobs."""
    headroom: int | None
    """What is left for new jobs; null where it is not known."""


class AdmissionState(Wire, frozen=True, kw_only=True):
    """The feed topic `admission`."""

    max_concurrent_jobs: int
    """Job slots."""
    active_jobs: int
    """Job slots in use."""
    queued_jobs: int
    """How many wait."""
    draining: bool
    """Nothing new is admitted."""
    brake: str | None
    """Why nothing is granted for now, whoever asks; null while the brake is off."""
    memory: MemoryBooks
    """The books over main memory."""
    dimensions: list[Dimension]
    """The books over everything that is shared."""
    active: list[ActiveJob]
    """Jobs that hold a lease."""
    queue: list[QueuedJob]
    """Jobs that wait, the next one first."""
    granted_total: int
    """Since start."""
    denied_total: int
    """Since start."""
    expired_total: int
    """Leases that ended by their time to live, since start."""


class Preflight(Wire, frozen=True, kw_only=True):
    """What an acquire with the same body would be answered now."""

    decision: Literal["grant", "wait", "never"]
    """grant: it would start; wait: there is no room now; never: it does not fit this machine."""
    reasons: list[Reason]
    """What is in the way; none for a grant."""
    position: int | None
    """The place that it would get or has in the queue."""
    bound_seconds: float | None
    """It would start within this; null where that cannot be said."""


class Drained(Wire, frozen=True, kw_only=True):
    """Whether nothing new is admitted."""

    on: bool
    """Nothing new is admitted."""


class Slot(Wire, frozen=True, kw_only=True):
    """One provider slot, held under the same rules as a job's lease."""

    provider: str
    """As it was asked for."""
    slot_id: str
    """For the path of a renewal and a release."""
    lease_id: str
    """The secret for the header Aura-Lease."""
    fence: int
    """Grows with every grant, across restarts."""
    owner: str
    """In whose name it was granted."""
    granted_at: dt.datetime
    """When it was granted."""
    expires_at: dt.datetime
    """When it ends without a renewal."""
    ttl_seconds: float
    """How long a renewal keeps it."""


class Provider(Wire, frozen=True, kw_only=True):
    """One provider's slots and budgets."""

    name: str
    """As it is configured, or as its first user spelled it."""
    max_concurrent: int
    """Now: an adaptive limit is at most the configured one."""
    active: int
    """Slots in use."""
    available: int
    """Slots that are free."""
    queued: int
    """Requests that wait for a slot."""
    granted_total: int
    """Slots granted since start."""
    denied_total: int
    """Slots refused since start."""
    requests_per_minute: float | None
    """Configured budget of calls; null where there is none."""
    requests_available: int | None
    """Calls left of it now."""
    tokens_per_minute: float | None
    """Configured budget of tokens; null where there is none."""
    tokens_available: int | None
    """Tokens left of it now; below 0 where calls used more than they said."""
    adaptive: bool
    """The number of slots follows what the provider answers."""


class Providers(Wire, frozen=True, kw_only=True):
    """`GET /api/providers` and the feed topic `providers`."""

    providers: list[Provider]
    """Every provider that is configured or in use."""


class BatchResult(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What one operation would have been answered on its own: its status, and one of the bodies."""

    status: int
    """The HTTP status that it would have had."""
    lease: Lease | UnsetType = UNSET
    """Of an acquire or a renewal that was carried out."""
    ticket: Ticket | UnsetType = UNSET
    """Of an acquire for a job that waits already."""
    preflight: Preflight | UnsetType = UNSET
    """Of a preflight."""
    problem: Problem | UnsetType = UNSET
    """Why it was not carried out."""


class BatchResults(Wire, frozen=True, kw_only=True):
    """One result for each operation, in order."""

    results: list[BatchResult]
    """One for each operation, in order."""
