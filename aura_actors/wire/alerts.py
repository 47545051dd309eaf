"""Alerts as JSON: `GET /api/alerts` and the feed topic `alerts`."""

import datetime as dt

from aura_actors.wire.metrics import Wire


class Alert(Wire, frozen=True, kw_only=True):
    """A threshold that is exceeded, or was until `clearedAt`."""

    name: str
    value: float
    threshold: float
    unit: str
    raised_at: dt.datetime
    cleared_at: dt.datetime | None
    text: str


class Alerts(Wire, frozen=True, kw_only=True):
    """What is exceeded now."""

    active: list[Alert]
