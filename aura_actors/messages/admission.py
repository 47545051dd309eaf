"""What the admission actor is asked. Leases and tickets hold secrets, so log none of it."""

import msgspec

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec, ProcessIdentity, Resize
from aura_actors.domain.reasons import Judgement, Shortfall
from aura_actors.domain.runs import RunReport
from aura_actors.errors import AuraError
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.request import Request
from aura_actors.messages.admission_view import AdmissionView


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A lease, and whether it is the one that was held already."""

    lease: Lease
    again: bool


Turn = Latest[Grant | AuraError | None]
"""Brought by whoever asks, set once to what became of it; `NotStarted` when it must be asked again."""


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the queue. It is kept while its turn is waited for, and after `Abandon` until `expires_at`."""

    key: str
    ticket: str
    """A secret: it gives the place up."""
    position: int
    """1 for whoever is next."""
    reasons: tuple[Shortfall, ...]
    retry_after_seconds: float
    bound_seconds: float | None
    """It starts within this; None where that cannot be said."""
    expires_at: float
    """Monotonic seconds: until then the place is kept though nobody waits for it."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What an acquire would be answered now."""

    judgement: Judgement
    position: int | None
    """The place that it would get or has, where it would have to wait."""
    bound_seconds: float | None


# --- what is asked ---------------------------------------------------------------------------------------------


class Acquire(Request["Grant | Queued"], frozen=True, kw_only=True, tag=True):
    """Grant a job's lease. The same id, owner, spec and process finds the lease, or the place, that it has.

    Raises `Conflict`, `SpecChanged`, `NeverFits`, `Refused` (it would wait and `wait` is false, or the queue is
    full), `Draining` or `StoreUnavailable`.
    """

    job_id: str
    owner: str
    spec: JobSpec
    ttl_seconds: float | None = None
    turn: Turn | None = None
    """Told of the grant, now or later; `Forsake` takes back what it was told of."""
    wait: bool = False
    """Take a place in the queue where there is no room now; needs a turn."""
    process: ProcessIdentity | None = None
    """The lease ends with this process, and what its tree uses counts as the job's."""
    connection: str | None = None
    """The lease or the place ends with this connection; unless it was asked for by another since, or by none."""


class AcquireSlot(Request["Grant | Queued"], frozen=True, kw_only=True, tag=True):
    """Grant a slot at a provider; its key is `slot_key(provider, ...)`. Raises as `Acquire` does."""

    provider: str
    owner: str
    tokens: int = 0
    ttl_seconds: float | None = None
    turn: Turn | None = None
    wait: bool = False
    process: ProcessIdentity | None = None
    connection: str | None = None


class Preflight(Request[Forecast], frozen=True, kw_only=True, tag=True):
    """What the same acquire would be answered. Raises `Conflict` or `SpecChanged` as it would."""

    job_id: str
    owner: str
    spec: JobSpec
    process: ProcessIdentity | None = None


class Abandon(Request["Grant | Queued"], frozen=True, kw_only=True, tag=True):
    """Whoever brought this turn waits no longer; its place is kept for a while. Raises `Gone`."""

    turn: Turn


class Forsake(Request[None], frozen=True, kw_only=True, tag=True):
    """Whoever brought this turn is gone: its place is given up, and a lease that was granted through it ends."""

    turn: Turn


class Leave(Request[None], frozen=True, kw_only=True, tag=True):
    """Give a place up. Raises `Gone` or `Foreign`."""

    key: str
    ticket: str | None


class Renew(Request[Lease], frozen=True, kw_only=True, tag=True):
    """Extend a lease, and change what it holds. Raises `Gone`, `Foreign`; `Refused`, `NeverFits` for growth."""

    key: str
    secret: str | None
    ttl_seconds: float | None = None
    resize: Resize | None = None


class Ready(Request[Lease], frozen=True, kw_only=True, tag=True):
    """The job uses what it will use: measured growth counts as its own from now on. Raises `Gone` or `Foreign`."""

    key: str
    secret: str | None


class Release(Request[None], frozen=True, kw_only=True, tag=True):
    """End a lease. Raises `Gone` or `Foreign`."""

    key: str
    secret: str | None
    outcome: str | None = None
    """How the call at a provider ended: "ok", "throttled" or "timeout"."""
    tokens: int | None = None
    """What the call really used."""
    report: RunReport | None = None
    """What the run was seen to use; taken for a moment after a lease ended with its process, too."""


class Revoke(Request[None], frozen=True, kw_only=True, tag=True):
    """End a job's lease, or its place in the queue, in an operator's name. Raises `Gone`."""

    job_id: str
    by: str


class Drain(Request[None], frozen=True, kw_only=True, tag=True):
    """Admit nothing new, or begin again; whoever waits is sent away."""

    on: bool
    by: str


Operation = Acquire | AcquireSlot | Preflight | Renew | Ready | Release


class Batch(Request["tuple[object, ...]"], frozen=True, kw_only=True, tag=True):
    """Several operations, in order, written to the journal at once: for each its reply or its `AuraError`.

    Nothing in it waits: an `Acquire` with `wait` may be answered `Queued`. Raises `StoreUnavailable` for all.
    """

    operations: tuple[Operation, ...]


class Describe(Request[AdmissionView], frozen=True, tag=True):
    """The books as they are now."""


# --- what happened ---------------------------------------------------------------------------------------------


class Disconnected(Request[None], frozen=True, tag=True):
    """A connection is gone: its leases and places end. Asked, so that it is known to be carried out."""

    connection: str


class Exited(msgspec.Struct, frozen=True, tag=True):
    """A process that leases or places are bound to has ended."""

    process: ProcessIdentity


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """There is a newer snapshot."""


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Time has passed: something may have ended, or may begin."""


AdmissionMessage = (
    Acquire
    | AcquireSlot
    | Preflight
    | Abandon
    | Forsake
    | Leave
    | Renew
    | Ready
    | Release
    | Revoke
    | Drain
    | Batch
    | Describe
    | Disconnected
    | Exited
    | Sampled
    | Tick
)


def slot_key(provider: str, slot_id: str) -> str:
    """The key of a provider slot's lease; no job id has a slash."""
    return f"{provider.casefold()}/{slot_id}"
