"""What was measured: raw counters as collectors read them, and the Snapshot that everybody is shown.

A reading is what one source said at one moment, counters not yet turned into rates. A use is what two readings
of the same source mean; `domain/rates.py` derives one from the other. None means "not known here, or not yet";
nothing in this file is ever 0 for want of a value. Refuses to know where a number comes from and who looks at it.
"""

import msgspec

from aura_actors.domain.attribution import AttributionReading
from aura_actors.domain.containment import CgroupReading, PressureReading
from aura_actors.domain.gpu import GpuState

# --- readings: raw, from one source, at one moment ----------------------------------------------------------

CpuTimes = dict[str, float]
"""Seconds spent since boot in each mode (`user`, `idle`, `iowait`, ...), by the operating system's names."""


class CpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """Time counters of all processors together, and of each that is online."""

    overall: CpuTimes
    per_core: tuple[CpuTimes, ...]
    """In the system's order. A changed length means that the positions cannot be compared."""
    logical_cores: int | None
    physical_cores: int | None


class MemoryReading(msgspec.Struct, frozen=True, kw_only=True):
    """Main memory; available is what could be had without swapping."""

    total_bytes: int
    available_bytes: int


class FilesystemReading(msgspec.Struct, frozen=True, kw_only=True):
    """One mounted file system, and the counters of the device below it where that is known."""

    mount: str
    device: str
    total_bytes: int | None
    available_bytes: int | None
    used_bytes: int | None
    read_bytes_total: int | None
    written_bytes_total: int | None


class DiskReading(msgspec.Struct, frozen=True, kw_only=True):
    """Every file system worth reporting; none is a normal answer."""

    filesystems: tuple[FilesystemReading, ...]


class InterfaceUse(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one network interface; the same in a reading and in a Snapshot."""

    name: str
    sent_bytes_total: int
    received_bytes_total: int


class NetworkReading(msgspec.Struct, frozen=True, kw_only=True):
    """Every interface there is, loopback included."""

    interfaces: tuple[InterfaceUse, ...]


class ProcessReading(msgspec.Struct, frozen=True, kw_only=True):
    """This process. `started_at_seconds` is unix time; processor time leaves children out."""

    cpu_seconds_total: float
    resident_bytes: int
    private_bytes: int | None
    open_descriptors: int | None
    threads: int | None
    started_at_seconds: float | None


Reading = (
    CpuReading
    | MemoryReading
    | DiskReading
    | NetworkReading
    | ProcessReading
    | PressureReading
    | CgroupReading
    | AttributionReading
)

# --- the Snapshot -------------------------------------------------------------------------------------------


class CpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """Percentages are 0-100 over the last window; the process's is its share of the whole machine."""

    overall_percent: float | None
    per_core_percent: tuple[float, ...] | None
    logical_cores: int | None
    physical_cores: int | None
    process_percent: float | None
    per_core_seconds: tuple[CpuTimes, ...] | None = None
    """Since boot, by mode."""


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """used = total - available."""

    total_bytes: int | None
    available_bytes: int | None
    used_bytes: int | None
    process_resident_bytes: int | None
    process_private_bytes: int | None


class DiskUse(msgspec.Struct, frozen=True, kw_only=True):
    """One file system. Traffic is that of the whole device below it, None where the device is unknown."""

    mount: str
    device: str
    total_bytes: int | None
    available_bytes: int | None
    used_bytes: int | None
    read_bytes_total: int | None
    written_bytes_total: int | None
    read_bytes_per_second: float | None
    written_bytes_per_second: float | None


class NetworkUse(msgspec.Struct, frozen=True, kw_only=True):
    """Totals are sums over the interfaces present, so they fall when one of them vanishes."""

    interfaces: tuple[InterfaceUse, ...]
    sent_bytes_total: int | None
    received_bytes_total: int | None
    sent_bytes_per_second: float | None
    received_bytes_per_second: float | None


class ProcessUse(msgspec.Struct, frozen=True, kw_only=True):
    """This process; `started_at_seconds` is unix time."""

    open_descriptors: int | None
    threads: int | None
    cpu_seconds_total: float | None
    started_at_seconds: float | None


class CollectorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one source did. Whenever `stale_since` is not None its values are old ones."""

    success: bool
    duration_seconds: float | None
    """How long its last completed reading took."""
    stale_since: float | None
    """Unix seconds of the last good reading; None when the values are fresh, or when there never was one."""
    error: str | None
    read_at: float | None = None
    """Monotonic seconds at which the last good reading began: what may be compared with other times."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The machine at one moment, as far as its sources could say."""

    taken_at: float
    """Monotonic seconds."""
    timestamp: float
    """Unix seconds."""
    number: int
    """1, 2, ... without a gap, across restarts of the sampler."""
    cpu: CpuUse
    memory: MemoryUse
    disks: tuple[DiskUse, ...]
    network: NetworkUse
    process: ProcessUse
    collectors: dict[str, CollectorHealth]
    gpu: GpuState | None = None
    """What the GPU probe had said by then: a sample never waits for it."""
    pressure: PressureReading | None = None
    """None where the kernel tells nothing."""
    cgroup: CgroupReading | None = None
    """None where there are no control groups."""
    attributed: AttributionReading | None = None
    """What the processes of leases use; None where that is not known."""
