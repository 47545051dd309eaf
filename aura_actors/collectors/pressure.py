"""Pressure stall information of the machine: how long tasks waited for processor, memory and disks.

Refuses to know which tasks waited and what to do about it. A kernel without it (before 4.20, switched off, or in a
container that hides it) is a normal answer: everything is None.
"""

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import HeldFiles
from aura_actors.domain.containment import PressureReading, ResourcePressure, Stall

_MICROSECONDS = 1_000_000
_FILES = HeldFiles()


class Pressure(Options, frozen=True):
    """`root` is where `/proc` is looked for."""

    root: str = "/"

    def read(self) -> PressureReading:
        """Averages as the kernel keeps them (it renews them every 2 s) and totals in seconds."""
        return PressureReading(cpu=self._resource("cpu"), memory=self._resource("memory"), io=self._resource("io"))

    def _resource(self, name: str) -> ResourcePressure | None:
        text = _FILES.read(f"{self.root.rstrip('/')}/proc/pressure/{name}")
        return None if text is None else parse(text, full_means_something=name != "cpu")


def parse(text: str, *, full_means_something: bool = True) -> ResourcePressure | None:
    """One file of `/proc/pressure`; None if nothing in it is understood.

    For the whole machine "all tasks wait for the processor" is not defined: kernels since 5.13 write zeros there,
    older ones nothing. Both are None (`full_means_something=False`).
    """
    stalls: dict[str, Stall] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        stall = _stall(rest)
        if stall is not None:
            stalls[kind] = stall
    some, full = stalls.get("some"), stalls.get("full") if full_means_something else None
    return None if some is None and full is None else ResourcePressure(some=some, full=full)


def _stall(fields: str) -> Stall | None:
    values = dict(field.split("=", 1) for field in fields.split() if "=" in field)
    try:
        return Stall(
            avg10_percent=float(values["avg10"]),
            avg60_percent=float(values["avg60"]),
            avg300_percent=float(values["avg300"]),
            seconds_total=int(values["total"]) / _MICROSECONDS,
        )
    except (KeyError, ValueError):
        return None
