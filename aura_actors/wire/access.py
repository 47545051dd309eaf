"""`GET /api/access`: who a client is here. Owns the public shape."""

from aura_actors.wire.metrics import Wire
from aura_actors.wire.scopes import Scope


class AccessGranted(Wire, frozen=True, kw_only=True):
    """Who asks, and what that opens."""

    owner: str
    """In whose name leases are granted to it, where nothing else is known of it."""
    scopes: list[Scope]
    """`read`, `admit`, `operate`: those it has, by name."""
