"""Why something was not done: reasons of admission, and the problem document of every refusal."""

from msgspec import UNSET, UnsetType

from aura_actors.wire.metrics import Wire


class Reason(Wire, frozen=True, kw_only=True):
    """Why a request was not granted, in one dimension."""

    dimension: str
    """What is short: `memory`, `cpu`, `job_slots`, a provider, a device."""
    needed: float
    """What the request needs of it, in the dimension's unit."""
    available: float
    """What is left of it now."""
    shortfall: float
    """needed - available, at least 0."""
    holders: list[str]
    """Jobs that hold this dimension, the largest first."""
    external: bool
    """True where what is missing is used by nobody that was admitted."""
    text: str
    """The same as a sentence."""


class Problem(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem: why a request was not carried out."""

    type: str
    """A path whose last part names the kind of problem."""
    title: str
    """The same for every problem of this status."""
    status: int
    """The HTTP status again."""
    detail: str
    """What was wrong, as a sentence."""
    pointer: str | UnsetType = UNSET
    """JSON pointer into the body, where one value is at fault."""
    reasons: list[Reason] | UnsetType = UNSET
    """What is in the way of a request that was refused."""
    retry_after_seconds: float | UnsetType = UNSET
    """When asking again makes sense, where anybody can say."""
