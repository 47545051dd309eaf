"""Alerts as JSON: `GET /api/alerts` and the feed topic `alerts`."""

import datetime as dt

import msgspec

from aura_actors.wire.metrics import Wire


class Alert(Wire, frozen=True, kw_only=True):
    """A threshold that is exceeded, or was until `clearedAt`."""

    name: str
    """Of the threshold, as in `[alerts]`."""
    value: float
    """As it was when the alert was raised."""
    threshold: float
    """What it exceeds."""
    unit: str
    """Of both: % or °C."""
    raised_at: dt.datetime
    """Since when."""
    cleared_at: dt.datetime | None
    """Until when; null while it is exceeded."""
    text: str
    """The same as a sentence."""


class AlertThreshold(Wire, frozen=True, kw_only=True):
    """One value that is watched, as `[alerts]` sets it: what a gauge needs to colour itself."""

    name: str
    """`cpu`, `memory` or `gpu`."""
    threshold: float
    """An alert is raised above it."""
    cleared_below: float
    """It is over below this."""
    unit: str
    """Of both: % or °C."""


class Alerts(Wire, frozen=True, kw_only=True):
    """What is exceeded now, and what is watched."""

    active: list[Alert]
    """At most one for each threshold."""
    thresholds: list[AlertThreshold] = msgspec.field(default_factory=list)
    """All of them; none before the first sample, or from a daemon that does not tell them."""
