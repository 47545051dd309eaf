"""The Prometheus families of the graphics devices. Owns their names; a value that is not known has no sample."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from aura_actors.domain.gpu import GpuState, GpuUse, mean_utilization_percent

_FAMILIES: tuple[tuple[str, str, Callable[[GpuUse], float | None]], ...] = (
    (
        "aura_gpu_utilization_ratio",
        "Share of time in which the device was at work, 0 to 1",
        lambda use: None if use.utilization_percent is None else use.utilization_percent / 100,
    ),
    ("aura_gpu_memory_used_bytes", "Device memory in use", lambda use: use.memory_used_bytes),
    ("aura_gpu_memory_size_bytes", "Device memory", lambda use: use.memory_total_bytes),
    ("aura_gpu_temperature_celsius", "Temperature of the device", lambda use: use.temperature_celsius),
    ("aura_gpu_power_watts", "Power that the device draws", lambda use: use.power_watts),
)


def gpus(state: GpuState) -> Iterator[Metric]:
    """What is true now: while the devices cannot be read they have no samples."""
    usage = GaugeMetricFamily("aura_gpu_usage_percent", "GPU usage percentage", labels=["vendor"])
    for vendor in sorted({use.vendor for use in state.current}):
        percent = mean_utilization_percent(state.current, vendor)
        if percent is not None:
            usage.add_metric([vendor], percent)
    yield usage
    info = InfoMetricFamily("aura_gpu", "A graphics device", labels=["gpu", "uuid"])
    for use in state.current:
        text = {"name": use.name, "vendor": use.vendor, "driver": use.driver_version or "", "status": use.status}
        info.add_metric([str(use.index), use.uuid], text)
    yield info
    for name, documentation, value in _FAMILIES:
        family = GaugeMetricFamily(name, documentation, labels=["gpu", "uuid"])
        for use in state.current:
            stated = value(use)
            if stated is not None:
                family.add_metric([str(use.index), use.uuid], stated)
        yield family
