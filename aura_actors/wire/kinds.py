"""`GET /api/admission/kinds`: what past runs of each kind of job were seen to need. Owns the public shape."""

from aura_actors.wire.metrics import Wire


class Kind(Wire, frozen=True, kw_only=True):
    """One kind. Percentiles are over the runs that are remembered, and null before the first."""

    kind: str
    """As the jobs named it."""
    runs: int
    """How many ended by themselves and are remembered; the newest count."""
    kills: int
    """How many were killed for want of memory."""
    peak_p50_bytes: int | None
    """Half of the runs used no more memory at their peak."""
    peak_p95_bytes: int | None
    """95 percent used no more."""
    runtime_p50_seconds: float | None
    """Half of the runs took no longer."""
    runtime_p95_seconds: float | None
    """95 percent took no longer."""
    reserve_bytes: int | None
    """What `aura-actors run --memory auto` reserves; null while too little is known."""


class Kinds(Wire, frozen=True, kw_only=True):
    """Every kind that is remembered."""

    kinds: list[Kind]
    """By name."""
