"""What every section is drawn from: the state, the moment, the glyphs, and how much may be shown. And their words.

Owns how times, stale readings and lines over time read. Pure.
"""

import datetime as dt
from collections.abc import Callable

import msgspec
from rich.text import Text

from aura_actors.cli.top import marks
from aura_actors.cli.top.marks import Glyphs
from aura_actors.cli.top.state import Sample, State, columns


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one daemon. `now` is monotonic seconds; `rows` is how long a list may be, None: all of it."""

    state: State
    now: float
    glyphs: Glyphs = marks.UNICODE
    rows: int | None = None
    scale: int = 1
    """How high lines over time are drawn."""

    def until(self, stamp: dt.datetime) -> float:
        """Seconds from now; negative for what has been."""
        daemon = self.state.daemon_time(self.now)
        return 0.0 if daemon is None else (stamp - daemon).total_seconds()

    def stale(self, collector: str) -> Text | None:
        """How old the readings of a collector are that fails; None where it does not."""
        since = None if self.state.system is None else self.state.system.stale.get(collector)
        return None if since is None else Text(f"{span(-self.until(since))} old", style=marks.NEAR)

    def limit(self, name: str) -> float:
        """Above which an alert is raised, as the daemon has it."""
        alerts = self.state.alerts
        watched = {each.name: each.threshold for each in alerts.thresholds} if alerts is not None else {}
        return watched.get(name, marks.FULL_PERCENT)

    def line(self, value: Callable[[Sample], float | None], width: int) -> list[float | None]:
        """What was measured, one value for each column, the newest at the right."""
        points = [(sample.at, value(sample)) for sample in self.state.past]
        return columns(points, count=width, step_seconds=self.state.step_seconds)

    def first(self, count: int) -> int:
        """How many of so many are shown."""
        return count if self.rows is None else min(count, self.rows)


def span(seconds: float) -> str:
    """About so long: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 120)):
        if seconds >= size:
            return f"{seconds / (60 if unit == 'min' else size):.0f} {unit}"
    return f"{seconds:.0f} s"
