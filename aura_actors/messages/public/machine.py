"""The machine in public JSON: `/api/metrics/system`, `/utilization` and `/history`."""

from collections.abc import Iterable

import msgspec

from aura_actors.domain import snapshot
from aura_actors.messages.admission_view import Totals
from aura_actors.messages.history import Entry
from aura_actors.messages.public.containment import cgroup, pressure
from aura_actors.messages.public.forms import all_rounded, rounded, share, utc
from aura_actors.messages.public.gpu import gpu_probe, gpu_usage_percent, gpus
from aura_actors.wire import metrics


def system(taken: snapshot.Snapshot, epoch: str, seq: int) -> metrics.SystemMetrics:
    """The body of `/api/metrics/system`."""
    devices = gpus(taken.gpu)
    return metrics.SystemMetrics(
        timestamp=utc(taken.timestamp),
        cpu=metrics.Cpu(
            overall_usage_percent=rounded(taken.cpu.overall_percent),
            per_core_usage_percent=all_rounded(taken.cpu.per_core_percent),
            logical_cores=taken.cpu.logical_cores,
            physical_cores=taken.cpu.physical_cores,
            process_usage_percent=rounded(taken.cpu.process_percent),
        ),
        memory=metrics.Memory(
            total_bytes=taken.memory.total_bytes,
            available_bytes=taken.memory.available_bytes,
            used_bytes=taken.memory.used_bytes,
            usage_percent=memory_percent(taken),
            process_usage_bytes=taken.memory.process_resident_bytes,
            process_private_bytes=taken.memory.process_private_bytes,
            process_working_set_bytes=taken.memory.process_resident_bytes,
        ),
        gpu=devices[0] if devices else None,
        gpus=devices,
        disks=[_disk(use) for use in taken.disks],
        network=metrics.Network(
            bytes_sent_per_second=rounded(taken.network.sent_bytes_per_second),
            bytes_received_per_second=rounded(taken.network.received_bytes_per_second),
            total_bytes_sent=taken.network.sent_bytes_total,
            total_bytes_received=taken.network.received_bytes_total,
        ),
        pressure=pressure(taken.pressure),
        cgroup=cgroup(taken.cgroup),
        stale={
            name: utc(health.stale_since)
            for name, health in sorted(taken.collectors.items())
            if health.stale_since is not None
        },
        epoch=epoch,
        seq=seq,
        gpu_probe=gpu_probe(taken.gpu),
    )


def memory_percent(taken: snapshot.Snapshot) -> float | None:
    """Share of main memory in use."""
    return share(taken.memory.used_bytes, taken.memory.total_bytes)


def _disk(use: snapshot.DiskUse) -> metrics.Disk:
    return metrics.Disk(
        drive_name=use.mount,
        drive_label=use.device,
        total_bytes=use.total_bytes,
        available_bytes=use.available_bytes,
        used_bytes=use.used_bytes,
        usage_percent=share(use.used_bytes, use.total_bytes),
        read_bytes_per_second=rounded(use.read_bytes_per_second),
        write_bytes_per_second=rounded(use.written_bytes_per_second),
    )


def history(topic: str, epoch: str, entries: Iterable[Entry]) -> metrics.History:
    """The body of `/api/metrics/history`."""
    return metrics.History(
        topic=topic,
        epoch=epoch,
        entries=[
            metrics.HistoryEntry(seq=entry.seq, ts=utc(entry.timestamp), data=msgspec.Raw(entry.data))
            for entry in entries
        ],
    )


def utilization(totals: Totals, taken: snapshot.Snapshot | None) -> metrics.Utilization:
    """The body of `/api/metrics/utilization`."""
    return metrics.Utilization(
        max_concurrent_jobs=totals.job_slots,
        active_jobs=totals.active_jobs,
        available_job_slots=max(0, totals.job_slots - totals.active_jobs),
        total_reserved_memory_bytes=totals.reserved_bytes,
        active_providers=list(totals.active_providers),
        cpu_usage_percent=None if taken is None else rounded(taken.cpu.overall_percent),
        memory_usage_percent=None if taken is None else memory_percent(taken),
        gpu_usage_percent=None if taken is None else gpu_usage_percent(taken.gpu),
    )
