"""How many worker threads user code and libraries may use at once: many while the processors are calm.

Owns the guide's rule (four per core, two above 80 percent) and its hysteresis. Refuses to know whose threads they
are and what they do.
"""

import msgspec

HYSTERESIS_POINTS = 10.0


class ThreadPoolRule(msgspec.Struct, frozen=True, kw_only=True):
    """Threads per core while calm and while busy; busy is a processor use above `busy_percent`."""

    calm_per_core: int = 4
    busy_per_core: int = 2
    busy_percent: float = 80.0

    def size(self, present: int, *, cores: int | None, cpu_percent: float | None) -> int:
        """The size to have: the `present` one where nothing is known, or the use is within the hysteresis."""
        if cores is None or cpu_percent is None:
            return present
        if cpu_percent > self.busy_percent:
            return cores * self.busy_per_core
        if cpu_percent < self.busy_percent - HYSTERESIS_POINTS:
            return cores * self.calm_per_core
        return present
