"""What was measured of the machine."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.prometheus.containment import containment
from aura_actors.edges.prometheus.forms import counters, gauge, gauges
from aura_actors.edges.prometheus.gpu import gpus


def machine(taken: Snapshot) -> Iterator[Metric]:
    """Families of one sample, the guide's three first."""
    yield gauge("aura_snapshot_timestamp_seconds", "When the last sample was taken", taken.timestamp)
    yield gauges(
        "aura_cpu_usage_percent",
        "CPU usage percentage",
        "type",
        {"overall": taken.cpu.overall_percent, "process": taken.cpu.process_percent},
    )
    yield counters(
        "aura_cpu_seconds",
        "Time that a processor spent in a mode",
        ("cpu", "mode"),
        {
            (str(n), mode): seconds
            for n, times in enumerate(taken.cpu.per_core_seconds or ())
            for mode, seconds in times.items()
        },
    )
    yield gauges(
        "aura_memory_bytes",
        "Memory usage in bytes",
        "type",
        {
            "total": taken.memory.total_bytes,
            "available": taken.memory.available_bytes,
            "used": taken.memory.used_bytes,
            "process": taken.memory.process_resident_bytes,
        },
    )
    healths = taken.collectors
    yield gauges(
        "aura_collector_success",
        "1 if the last reading of a collector succeeded",
        "collector",
        {name: int(health.success) for name, health in healths.items()},
    )
    yield gauges(
        "aura_collector_duration_seconds",
        "How long the last reading of a collector took",
        "collector",
        {name: health.duration_seconds for name, health in healths.items()},
    )
    devices = {use.device: use for use in taken.disks}
    yield counters(
        "aura_disk_read_bytes",
        "Bytes read from a device",
        "device",
        {device: use.read_bytes_total for device, use in devices.items()},
    )
    yield counters(
        "aura_disk_written_bytes",
        "Bytes written to a device",
        "device",
        {device: use.written_bytes_total for device, use in devices.items()},
    )
    interfaces = taken.network.interfaces
    yield counters(
        "aura_network_receive_bytes",
        "Bytes received on an interface",
        "device",
        {use.name: use.received_bytes_total for use in interfaces},
    )
    yield counters(
        "aura_network_transmit_bytes",
        "Bytes sent on an interface",
        "device",
        {use.name: use.sent_bytes_total for use in interfaces},
    )
    yield from containment(taken)
    if taken.gpu is not None:
        yield from gpus(taken.gpu)
