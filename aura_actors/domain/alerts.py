"""When a measured value raises an alert, and when that alert is over: thresholds with hysteresis.

Owns the active alerts. An alert is raised above its threshold and cleared 5 points below it, so that a value
which swings around the threshold is one alert and not twenty. A value that is not known changes nothing.
"""

import msgspec

HYSTERESIS_POINTS = 5.0


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is watched."""

    name: str
    above: float
    unit: str

    @property
    def cleared_below(self) -> float:
        """Where an alert is over: 5 points lower, and never out of reach."""
        return self.above - min(HYSTERESIS_POINTS, self.above / 2)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Raised at `raised_at`, over at `cleared_at` (Unix seconds) or not yet."""

    name: str
    value: float
    above: float
    unit: str
    raised_at: float
    cleared_at: float | None = None


class Alerts:
    """The thresholds, and which of them are exceeded."""

    def __init__(self, thresholds: tuple[Threshold, ...], active: tuple[Alert, ...] = ()) -> None:
        self._thresholds = thresholds
        self._active = {alert.name: alert for alert in active}

    def change(self, thresholds: tuple[Threshold, ...]) -> None:
        """Go by others from now on. What is exceeded stays so until a reading says otherwise."""
        self._thresholds = thresholds

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """What is watched."""
        return self._thresholds

    @property
    def active(self) -> tuple[Alert, ...]:
        """What is exceeded now, in the order of the thresholds."""
        return tuple(self._active[t.name] for t in self._thresholds if t.name in self._active)

    def states(self) -> dict[str, bool]:
        """Every threshold by name, and whether it is exceeded now."""
        return {t.name: t.name in self._active for t in self._thresholds}

    def observe(self, values: dict[str, float | None], timestamp: float) -> list[Alert]:
        """Take in readings by threshold name; return the alerts that were raised or cleared by them."""
        changed = []
        for threshold in self._thresholds:
            value = values.get(threshold.name)
            alert = self._active.get(threshold.name)
            if value is None:
                continue
            if alert is None and value > threshold.above:
                self._active[threshold.name] = Alert(
                    name=threshold.name,
                    value=value,
                    above=threshold.above,
                    unit=threshold.unit,
                    raised_at=timestamp,
                )
                changed.append(self._active[threshold.name])
            elif alert is not None and value < threshold.cleared_below:
                del self._active[threshold.name]
                changed.append(msgspec.structs.replace(alert, value=value, cleared_at=timestamp))
            elif alert is not None:
                self._active[threshold.name] = msgspec.structs.replace(alert, value=value)
        return changed
