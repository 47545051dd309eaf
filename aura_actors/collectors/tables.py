"""What the tables of `/proc` say about the whole machine. Pure; None for a table that is missing or odd.

psutil reads the same tables, but opens them every time, some of them twice, and takes in every field. Where the
answer here is None it is asked instead.
"""

from aura_actors.collectors.procfs import kilobytes
from aura_actors.domain.snapshot import CpuTimes

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_LEAST_MODES = 7
_SECTOR_BYTES = 512
"""The kernel's unit here, whatever the sectors of the device are."""


def processor_times(text: str | None, ticks_per_second: int) -> tuple[CpuTimes, tuple[CpuTimes, ...]] | None:
    """`/proc/stat`: seconds by mode, of all processors together and of each that is online."""
    processors = (text or "").partition("\nintr ")[0]  # the lines after that may be much longer
    try:
        overall, *each = (
            _times(line, ticks_per_second) for line in processors.splitlines() if line.startswith("cpu")
        )
    except ValueError:
        return None
    return overall, tuple(each)


def _times(line: str, ticks_per_second: int) -> CpuTimes:
    _, *fields = line.split()
    if len(fields) < _LEAST_MODES:
        raise ValueError(line)
    return {mode: int(ticks) / ticks_per_second for mode, ticks in zip(_MODES, fields, strict=False)}


def main_memory(text: str | None) -> tuple[int, int] | None:
    """`/proc/meminfo`: total and available bytes.

    None for kernels before 3.14, which do not tell the second, and for containers that tell nonsense.
    """
    total, available = kilobytes(text, "MemTotal"), kilobytes(text, "MemAvailable")
    return None if total is None or available is None or not 0 < available <= total else (total, available)


def interface_bytes(text: str | None) -> list[tuple[str, int, int]] | None:
    """`/proc/net/dev`: name, bytes sent and bytes received of each interface, by name."""
    if text is None:
        return None
    found = []
    try:
        for line in text.splitlines()[2:]:
            name, _, counters = line.rpartition(":")
            fields = counters.split(None, 9)
            found.append((name.strip(), int(fields[8]), int(fields[0])))
    except (IndexError, ValueError):
        return None
    return sorted(found)


def device_bytes(text: str | None) -> dict[str, tuple[int, int]] | None:
    """`/proc/diskstats` since Linux 2.6.25: bytes read and written, by the device's name."""
    if text is None:
        return None
    found = {}
    try:
        for line in text.splitlines():
            _, _, name, _, _, read, _, _, _, written, _ = line.split(None, 10)
            found[name] = int(read) * _SECTOR_BYTES, int(written) * _SECTOR_BYTES
    except ValueError:
        return None
    return found
