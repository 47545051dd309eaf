"""From readings to the Snapshot: which two readings to compare, and what their difference means.

Counters on real machines go backwards (idle time, re-created interfaces, hot-plugged cores). Such a difference is
unknown, never negative and never 0, and the newer reading becomes the baseline. Reads no clock and no source:
moments and readings are arguments.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from aura_actors.domain.attribution import AttributionReading
from aura_actors.domain.containment import CgroupReading, PressureReading
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.snapshot import (
    CollectorHealth,
    CpuReading,
    CpuTimes,
    CpuUse,
    DiskReading,
    DiskUse,
    FilesystemReading,
    InterfaceUse,
    MemoryReading,
    MemoryUse,
    NetworkReading,
    NetworkUse,
    ProcessReading,
    ProcessUse,
    Reading,
    Snapshot,
)

SHORTEST_WINDOW_SECONDS = 0.1
"""Processor time is counted in ticks of 10 ms: a percentage over less than this would be noise."""

_IDLE_MODES = frozenset({"idle", "iowait"})
_COUNTED_IN_ANOTHER_MODE = frozenset({"guest", "guest_nice"})

R = TypeVar("R")
S = TypeVar("S")

# --- which two readings --------------------------------------------------------------------------------------


class Window(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """The newest reading of a source, and one at least `SHORTEST_WINDOW_SECONDS` older if there is one."""

    now: R
    before: R | None = None
    seconds: float = 0.0
    """Between the two; 0 exactly where `before` is None."""


class Series(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """Just as much of a source's past as rates need: a baseline, the baseline after it, and the newest.

    Without the one in the middle, samples on demand that follow each other closely would either be compared over
    no time at all, or never let the baseline move.
    """

    newest: R
    newest_at_seconds: float
    next_baseline: R
    next_baseline_at_seconds: float
    baseline: R | None = None
    baseline_at_seconds: float = 0.0

    @property
    def window(self) -> Window[R]:
        """What to derive rates from."""
        if self.baseline is None:
            return Window(now=self.newest)
        return Window(
            now=self.newest,
            before=self.baseline,
            seconds=self.newest_at_seconds - self.baseline_at_seconds,
        )


def extend(series: Series[R] | None, reading: R, at_seconds: float) -> Series[R]:
    """The series with one more reading, taken at `at_seconds` of a monotonic clock."""
    if series is None:
        return Series(
            newest=reading,
            newest_at_seconds=at_seconds,
            next_baseline=reading,
            next_baseline_at_seconds=at_seconds,
        )
    if at_seconds - series.next_baseline_at_seconds < SHORTEST_WINDOW_SECONDS:
        return msgspec.structs.replace(series, newest=reading, newest_at_seconds=at_seconds)
    return Series(
        newest=reading,
        newest_at_seconds=at_seconds,
        next_baseline=reading,
        next_baseline_at_seconds=at_seconds,
        baseline=series.next_baseline,
        baseline_at_seconds=series.next_baseline_at_seconds,
    )


# --- what the difference means -------------------------------------------------------------------------------


def rate_per_second(before: int | None, now: int | None, seconds: float) -> float | None:
    """Growth of a counter; None if either end is unknown, no time passed or the counter went backwards."""
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def busy_percent(before: CpuTimes, now: CpuTimes) -> float | None:
    """Share (0-100) of the time between that was not idle; waiting for disks is idle, stolen time is busy.

    A single mode that goes backwards counts as unchanged, because idle and iowait do so on healthy machines. If
    time as a whole did not advance, the counters were reset or are too close together: None.
    """
    busy = idle = advanced = 0.0
    for mode, seconds in now.items():  # once for each core of the machine and each sample
        if mode in _COUNTED_IN_ANOTHER_MODE or mode not in before:
            continue
        grown = seconds - before[mode]
        advanced += grown
        if mode in _IDLE_MODES:
            idle += max(0.0, grown)
        else:
            busy += max(0.0, grown)
    return 100.0 * (busy / (busy + idle)) if advanced > 0 else None


def per_core_percent(before: CpuReading, now: CpuReading) -> tuple[float, ...] | None:
    """One percentage for each core; None as a whole if cores came or went, or one of them started anew."""
    if not now.per_core or len(before.per_core) != len(now.per_core):
        return None
    percents = tuple(busy_percent(old, new) for old, new in zip(before.per_core, now.per_core, strict=True))
    known = tuple(percent for percent in percents if percent is not None)
    return known if len(known) == len(percents) else None


def share_of_machine_percent(window: Window[ProcessReading], logical_cores: int | None) -> float | None:
    """The process's part (0-100) of what all cores together could do."""
    if window.before is None or window.seconds <= 0 or not logical_cores:
        return None
    used_seconds = window.now.cpu_seconds_total - window.before.cpu_seconds_total
    if used_seconds < 0:
        return None
    return min(100.0, 100.0 * (used_seconds / window.seconds) / logical_cores)


# --- the Snapshot, part by part ------------------------------------------------------------------------------


def cpu_use(cpu: Window[CpuReading] | None, process: Window[ProcessReading] | None) -> CpuUse:
    """Percentages are None until there are two readings."""
    overall_percent: float | None = None
    core_percents: tuple[float, ...] | None = None
    if cpu is not None and cpu.before is not None:
        overall_percent = busy_percent(cpu.before.overall, cpu.now.overall)
        core_percents = per_core_percent(cpu.before, cpu.now)
    logical_cores = None if cpu is None else cpu.now.logical_cores
    return CpuUse(
        overall_percent=overall_percent,
        per_core_percent=core_percents,
        logical_cores=logical_cores,
        physical_cores=None if cpu is None else cpu.now.physical_cores,
        process_percent=None if process is None else share_of_machine_percent(process, logical_cores),
        per_core_seconds=None if cpu is None else cpu.now.per_core,
    )


def memory_use(memory: MemoryReading | None, process: ProcessReading | None) -> MemoryUse:
    """Main memory and this process's part of it."""
    return MemoryUse(
        total_bytes=None if memory is None else memory.total_bytes,
        available_bytes=None if memory is None else memory.available_bytes,
        used_bytes=None if memory is None else max(0, memory.total_bytes - memory.available_bytes),
        process_resident_bytes=None if process is None else process.resident_bytes,
        process_private_bytes=None if process is None else process.private_bytes,
    )


def disk_use(window: Window[DiskReading] | None) -> tuple[DiskUse, ...]:
    """One entry for each file system that is there now; a device that vanished leaves no trace."""
    if window is None:
        return ()
    known = () if window.before is None else window.before.filesystems
    earlier = {(filesystem.device, filesystem.mount): filesystem for filesystem in known}
    return tuple(
        _one_disk(earlier.get((filesystem.device, filesystem.mount)), filesystem, window.seconds)
        for filesystem in window.now.filesystems
    )


def _one_disk(before: FilesystemReading | None, now: FilesystemReading, seconds: float) -> DiskUse:
    read_before = None if before is None else before.read_bytes_total
    written_before = None if before is None else before.written_bytes_total
    return DiskUse(
        mount=now.mount,
        device=now.device,
        total_bytes=now.total_bytes,
        available_bytes=now.available_bytes,
        used_bytes=now.used_bytes,
        read_bytes_total=now.read_bytes_total,
        written_bytes_total=now.written_bytes_total,
        read_bytes_per_second=rate_per_second(read_before, now.read_bytes_total, seconds),
        written_bytes_per_second=rate_per_second(written_before, now.written_bytes_total, seconds),
    )


def network_use(window: Window[NetworkReading] | None) -> NetworkUse:
    """Rates are added up over the interfaces present at both ends, so coming and going disturbs nothing."""
    interfaces = () if window is None else window.now.interfaces
    return NetworkUse(
        interfaces=interfaces,
        sent_bytes_total=sum(each.sent_bytes_total for each in interfaces) if interfaces else None,
        received_bytes_total=sum(each.received_bytes_total for each in interfaces) if interfaces else None,
        sent_bytes_per_second=_traffic_per_second(window, lambda each: each.sent_bytes_total),
        received_bytes_per_second=_traffic_per_second(window, lambda each: each.received_bytes_total),
    )


def _traffic_per_second(
    window: Window[NetworkReading] | None, counter: Callable[[InterfaceUse], int]
) -> float | None:
    """None if no interface is comparable, or if one was reset between the readings: its part is unknown."""
    if window is None or window.before is None:
        return None
    earlier = {each.name: each for each in window.before.interfaces}
    rates = [
        rate_per_second(counter(earlier[each.name]), counter(each), window.seconds)
        for each in window.now.interfaces
        if each.name in earlier
    ]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known and len(known) == len(rates) else None


def process_use(process: ProcessReading | None) -> ProcessUse:
    """This process, apart from its share of processors and memory."""
    return ProcessUse(
        open_descriptors=None if process is None else process.open_descriptors,
        threads=None if process is None else process.threads,
        cpu_seconds_total=None if process is None else process.cpu_seconds_total,
        started_at_seconds=None if process is None else process.started_at_seconds,
    )


def derive(
    windows: Iterable[Window[Reading]],
    *,
    taken_at: float,
    timestamp: float,
    number: int,
    collectors: dict[str, CollectorHealth],
    gpu: GpuState | None = None,
) -> Snapshot:
    """The Snapshot that these windows amount to; at most one window for each kind of reading is used."""
    held = {type(window.now): window for window in windows}
    process = _of_kind(held, ProcessReading)
    memory = _of_kind(held, MemoryReading)
    process_now = None if process is None else process.now
    pressure, cgroup = _of_kind(held, PressureReading), _of_kind(held, CgroupReading)
    attributed = _of_kind(held, AttributionReading)
    return Snapshot(
        taken_at=taken_at,
        timestamp=timestamp,
        number=number,
        cpu=cpu_use(_of_kind(held, CpuReading), process),
        memory=memory_use(None if memory is None else memory.now, process_now),
        disks=disk_use(_of_kind(held, DiskReading)),
        network=network_use(_of_kind(held, NetworkReading)),
        process=process_use(process_now),
        collectors=collectors | gpu_health(gpu),
        gpu=gpu,
        pressure=None if pressure is None or not pressure.now.known else pressure.now,
        cgroup=None if cgroup is None or cgroup.now.version is None else cgroup.now,
        attributed=None if attributed is None else attributed.now,
    )


def gpu_health(gpu: GpuState | None) -> dict[str, CollectorHealth]:
    """How the GPU probe does, as a collector's; nothing where there never was a reading, or is to be none."""
    if gpu is None or gpu.timestamp is None:
        return {}
    return {
        "gpu": CollectorHealth(
            success=gpu.status == "ok",
            duration_seconds=gpu.duration_seconds,
            stale_since=gpu.stale_since,
            error=None if gpu.status == "ok" else gpu.reason,
        )
    }


def _of_kind(windows: Mapping[type, Window[Reading]], kind: type[S]) -> Window[S] | None:
    window = windows.get(kind)
    if window is None or not isinstance(window.now, kind):
        return None
    before = window.before if isinstance(window.before, kind) else None
    return Window(now=window.now, before=before, seconds=window.seconds)
