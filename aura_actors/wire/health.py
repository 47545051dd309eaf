"""Health as JSON: `GET /health/live` and `/health/ready`, and how a client knows a daemon of ours by it."""

from aura_actors.wire.metrics import Wire


class Health(Wire, frozen=True, kw_only=True):
    """The state in one word: `live` or `ready`."""

    status: str
    """The word."""
