"""Frames about leases in a session over the feed: what a client asks, and what it is answered.

Owns their shape alone. The bodies are those of HTTP; `id` is the client's own number for what it asks, and may be
used again after its last answer.
"""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from aura_actors.wire import admission
from aura_actors.wire.admission import JobId, Lease, Name, Preflight, Problem, Reason, Slot
from aura_actors.wire.metrics import Wire

FrameId = Annotated[int, Meta(ge=0, le=2**53)]
SlotId = Annotated[str, Meta(min_length=1, max_length=128)]

# --- the client's ----------------------------------------------------------------------------------------------


class Acquire(admission.AcquireBody, frozen=True, kw_only=True, tag_field="type", tag="acquire"):
    """Take a lease that ends with this connection: `granted`, `refused`, or `queued` and later one of the two."""

    id: FrameId


class PreflightAsked(admission.NeedsBody, frozen=True, kw_only=True, tag_field="type", tag="preflight"):
    """What would an acquire be answered now? `preflight`."""

    id: FrameId


class Renew(admission.RenewBody, frozen=True, kw_only=True, tag_field="type", tag="renew"):
    """Change what a lease holds: `renewed`. Keeping it alive is the server's business."""

    id: FrameId
    job_id: JobId
    lease_id: str


class Ready(admission.Body, frozen=True, kw_only=True, tag_field="type", tag="ready"):
    """The job uses what it will use: `renewed`."""

    id: FrameId
    job_id: JobId
    lease_id: str


class Release(admission.Body, frozen=True, kw_only=True, tag_field="type", tag="release"):
    """Give a lease back: `released`."""

    id: FrameId
    job_id: JobId
    lease_id: str


class AcquireSlot(admission.SlotBody, frozen=True, kw_only=True, tag_field="type", tag="acquireSlot"):
    """Take a slot at a provider; answered as `acquire` is."""

    id: FrameId
    provider: Name


class ReleaseSlot(admission.SlotReleaseBody, frozen=True, kw_only=True, tag_field="type", tag="releaseSlot"):
    """Give a slot back and say how the call went: `released`."""

    id: FrameId
    provider: Name
    slot_id: SlotId
    lease_id: str


class Leave(admission.Body, frozen=True, kw_only=True, tag_field="type", tag="leave"):
    """Stop waiting: `id` is that of the acquire that is queued, whose last answer is `left`."""

    id: FrameId


Operation = Acquire | PreflightAsked | Renew | Ready | Release | AcquireSlot | ReleaseSlot
Asked = Operation | Leave

# --- the server's ----------------------------------------------------------------------------------------------


class Granted(Wire, frozen=True, kw_only=True, tag="granted"):
    """A lease, or a slot. It is renewed by the server until the connection ends."""

    id: FrameId
    again: bool
    """It was held already: the same id, owner and needs."""
    lease: Lease | UnsetType = UNSET
    slot: Slot | UnsetType = UNSET


class Queued(Wire, frozen=True, kw_only=True, tag="queued"):
    """There is no room yet; `granted`, `refused`, `left` or `error` follows."""

    id: FrameId
    position: int
    """1 for whoever is next."""
    reasons: list[Reason]
    bound_seconds: float | None
    """It starts within this; null where that cannot be said."""


class Refused(Wire, frozen=True, kw_only=True, tag="refused"):
    """There is no room now (429), never will be (422), or nothing is admitted (503)."""

    id: FrameId
    problem: Problem


class Renewed(Wire, frozen=True, kw_only=True, tag="renewed"):
    """The lease as it is now."""

    id: FrameId
    lease: Lease


class Released(Wire, frozen=True, kw_only=True, tag="released"):
    """What was held is free."""

    id: FrameId


class Left(Wire, frozen=True, kw_only=True, tag="left"):
    """The place in the queue is given up."""

    id: FrameId


class PreflightAnswer(Wire, frozen=True, kw_only=True, tag="preflight"):
    """What an acquire would be answered now."""

    id: FrameId
    preflight: Preflight


class Ended(Wire, frozen=True, kw_only=True, tag="ended"):
    """A lease of this session has ended, and not by its client: revoked, or its `maxRuntimeSeconds` are over."""

    key: str
    """The job's id, or `provider/slotId`."""
    fence: int
    detail: str


Answer = Granted | Queued | Refused | Renewed | Released | Left | PreflightAnswer
