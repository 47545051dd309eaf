"""What admission decided, as JSON: the events of the feed topic `admission`. No secret is in them."""

import datetime as dt
from typing import Literal

from aura_actors.wire.metrics import Wire

Outcome = Literal[
    "granted", "refused", "never", "released", "expired", "runtime", "exited", "disconnected", "revoked",
    "draining", "admitting",
]  # fmt: skip


class Decision(Wire, frozen=True, kw_only=True):
    """One decision about one job or provider slot, or about all of them."""

    at: dt.datetime
    """When it was made."""
    outcome: Outcome
    """`granted`; `refused` (no room now) or `never` (it does not fit); how a lease ended: `released`, `expired`
    (nobody renewed it), `runtime` (its longest time is over), `exited` (its process), `disconnected`, `revoked`; or
    that nothing new is admitted (`draining`), and then that it is again (`admitting`)."""
    key: str | None
    """The job's id, or `provider/slot`; null where it is about everybody."""
    owner: str | None
    """In whose name it was asked."""
    fence: int | None
    """Of the lease that began or ended."""
    detail: str | None
    """Why it was denied; null where it was not."""


class DecisionsMade(Wire, frozen=True, kw_only=True, tag_field="event", tag="decisions"):
    """Event: what was decided since the last such event. `latest` are the newest of it, in order, 20 at most."""

    counts: dict[Outcome, int]
    """How many had which outcome; those that nobody had are left out."""
    latest: list[Decision]
    """The newest of them."""
