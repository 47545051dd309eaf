"""What is known of the graphics devices, in public JSON."""

from aura_actors.domain.gpu import GpuState, GpuUse, mean_utilization_percent
from aura_actors.messages.public.forms import rounded, share, utc
from aura_actors.wire import metrics


def gpus(state: GpuState | None) -> list[metrics.Gpu]:
    """Every device, with old values where `stale` says so."""
    return [] if state is None else [_device(use) for use in state.devices]


def gpu_probe(state: GpuState | None) -> metrics.GpuProbe | None:
    """How looking at them goes; the answer to a release, too."""
    if state is None:
        return None
    until = state.released_until
    return metrics.GpuProbe(
        status=state.status,
        reason=state.reason,
        released_until=None if until is None else utc(until),
    )


def gpu_usage_percent(state: GpuState | None) -> float | None:
    """Mean over the devices that have a value now."""
    return None if state is None else rounded(mean_utilization_percent(state.current))


def _device(use: GpuUse) -> metrics.Gpu:
    processes = use.processes
    return metrics.Gpu(
        uuid=use.uuid,
        index=use.index,
        status=use.status,
        detail=use.detail,
        name=use.name,
        vendor=use.vendor,
        usage_percent=use.utilization_percent,
        total_memory_bytes=use.memory_total_bytes,
        used_memory_bytes=use.memory_used_bytes,
        available_memory_bytes=use.memory_free_bytes,
        memory_usage_percent=share(use.memory_used_bytes, use.memory_total_bytes),
        temperature_celsius=use.temperature_celsius,
        reserved_memory_bytes=use.memory_reserved_bytes,
        power_watts=use.power_watts,
        power_limit_watts=use.power_limit_watts,
        graphics_clock_hertz=use.graphics_clock_hertz,
        memory_clock_hertz=use.memory_clock_hertz,
        driver_version=use.driver_version,
        pci_address=use.pci_address,
        processes=None
        if processes is None
        else [
            metrics.GpuProcess(pid=each.pid, host_pid=each.host_pid, used_memory_bytes=each.used_bytes)
            for each in processes
        ],
        unsupported=list(use.unsupported),
    )
