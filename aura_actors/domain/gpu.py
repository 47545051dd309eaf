"""What is known of the graphics devices, and what follows from it.

Owns the shape of a device and of the whole, and which numbers are believed. None means "not reported" or "not known
now", and nothing here is 0 for want of a value. Refuses to know how a device is asked.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

DeviceStatus = Literal["ok", "idle", "suspended", "lost", "error"]


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that uses a device.

    `pid` is None where the driver names it by a number of another PID namespace (`host_pid`), as in a container.
    """

    pid: int | None
    host_pid: int
    used_bytes: int | None


class GpuUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device. While its status is not "ok" it has no values."""

    uuid: str
    """The vendor's; else the PCI address; else the vendor's name and number."""
    index: int
    """Place in the list: NVIDIA's devices in NVML's order, then AMD's."""
    name: str
    vendor: str
    driver_version: str | None
    pci_address: str | None
    status: DeviceStatus
    detail: str | None
    utilization_percent: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    """Without what the driver reserves, where it says how much that is."""
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    graphics_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    processes: tuple[GpuProcess, ...] | None = None
    unsupported: tuple[str, ...] = ()
    """Fields that this device does not report."""


class GpuState(msgspec.Struct, frozen=True, kw_only=True):
    """All devices. Unless the status is "ok", what `devices` says is old, and `stale_since` is when it was new."""

    status: Literal["ok", "unavailable", "released"]
    reason: str | None = None
    """Why nothing is known; beside "ok", why not everything is."""
    devices: tuple[GpuUse, ...] = ()
    timestamp: float | None = None
    """Unix seconds of the last good reading."""
    duration_seconds: float | None = None
    """How long that reading took."""
    stale_since: float | None = None
    released_until: float | None = None
    """Unix seconds at which a release ends by itself; None when it does not."""

    @property
    def current(self) -> tuple[GpuUse, ...]:
        """The devices, if what is known of them is true now."""
        return self.devices if self.status == "ok" else ()


def believed(values: Mapping[str, int | float]) -> dict[str, int | float]:
    """The values without those that cannot be: drivers do say 300 percent, or more used than there is."""
    doubted: set[str] = set()
    if not 0 <= values.get("utilization_percent", 0) <= 100:
        doubted.add("utilization_percent")
    memory = [values[name] for name in ("memory_used_bytes", "memory_total_bytes") if name in values]
    if memory != sorted(memory):
        doubted |= {"memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes"}
    return {name: value for name, value in values.items() if name not in doubted}


def unavailable(state: GpuState | None, reason: str, timestamp: float, keep_seconds: float = 60.0) -> GpuState:
    """Nothing new can be had at `timestamp`: what was known is stale, and forgotten after `keep_seconds`."""
    if state is None or state.timestamp is None:
        return GpuState(status="unavailable", reason=reason)
    return GpuState(
        status="unavailable",
        reason=reason,
        devices=state.devices if timestamp - state.timestamp <= keep_seconds else (),
        timestamp=state.timestamp,
        duration_seconds=state.duration_seconds,
        stale_since=state.timestamp,
    )


def mean_utilization_percent(devices: Iterable[GpuUse], vendor: str | None = None) -> float | None:
    """Mean over the devices (of one vendor) that have a value; None where none has."""
    stated = [
        each.utilization_percent
        for each in devices
        if each.utilization_percent is not None and vendor in (None, each.vendor)
    ]
    return sum(stated) / len(stated) if stated else None


def hottest_celsius(devices: Iterable[GpuUse]) -> float | None:
    """The highest temperature that a device reports."""
    return max((each.temperature_celsius for each in devices if each.temperature_celsius is not None), default=None)
