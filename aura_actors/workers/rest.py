"""When to let go of a driver so that a laptop's device can fall asleep: an open driver keeps it awake for ever.

Owns the decision and its memory; time is an argument. Only where there is a battery: elsewhere nothing is won, and
for as long as a device is let go of its values are not known. A device that does not sleep then never will.
"""

from collections.abc import Sequence
from pathlib import Path

from aura_actors.workers import pci
from aura_actors.workers.frames import Device

IDLE_SECONDS = 15.0
PATIENCE_SECONDS = 20.0


class Rest:
    """The rests of one vendor's devices, which share a driver."""

    def __init__(self, root: Path) -> None:
        self._possible = _has_battery(root)
        self._idle_since: float | None = None
        self._until: float | None = None

    def earned(self, now: float, devices: Sequence[Device]) -> bool:
        """Whether to let go now that `devices` were seen; if so, a rest begins."""
        if not self._possible or not all(map(_idle, devices)):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= IDLE_SECONDS:
            self._idle_since, self._until = None, now + PATIENCE_SECONDS
            return True
        return False

    def goes_on(self, now: float) -> bool:
        """Whether to go on waiting for devices that are let go of, and still awake, to fall asleep."""
        if self._until is None:
            return False
        if now < self._until:
            return True
        self._until, self._possible = None, False
        return False

    def slept(self) -> None:
        """They fell asleep: the next time that they are awake somebody else woke them."""
        self._until = None


def _idle(device: Device) -> bool:
    if device.status == "suspended":
        return True
    return device.status == "ok" and device.values.get("utilization_percent") == 0 and device.processes == []


def _has_battery(root: Path) -> bool:
    """One that feeds the machine: those of mice and keyboards have the scope "Device"."""
    return any(
        pci.read(supply / "type") == "Battery" and pci.read(supply / "scope") != "Device"
        for supply in (root / "sys/class/power_supply").glob("*")
    )
