"""Pressure and control groups in public JSON."""

from aura_actors.domain import containment
from aura_actors.wire import metrics


def pressure(reading: containment.PressureReading | None) -> metrics.Pressure | None:
    """The field `pressure` of `/api/metrics/system`."""
    if reading is None:
        return None
    return metrics.Pressure(cpu=_resource(reading.cpu), memory=_resource(reading.memory), io=_resource(reading.io))


def _resource(resource: containment.ResourcePressure | None) -> metrics.ResourcePressure | None:
    if resource is None:
        return None
    return metrics.ResourcePressure(some=_stall(resource.some), full=_stall(resource.full))


def _stall(stall: containment.Stall | None) -> metrics.Stall | None:
    if stall is None:
        return None
    return metrics.Stall(
        avg10_percent=stall.avg10_percent,
        avg60_percent=stall.avg60_percent,
        avg300_percent=stall.avg300_percent,
        total_seconds=round(stall.seconds_total, 6),
    )


def cgroup(reading: containment.CgroupReading | None) -> metrics.Cgroup | None:
    """The field `cgroup` of `/api/metrics/system`."""
    if reading is None or reading.version is None:
        return None
    return metrics.Cgroup(
        version=reading.version,
        path=reading.path,
        memory_limit_bytes=reading.memory_limit_bytes,
        memory_available_bytes=reading.memory_available_bytes,
        memory_usage_bytes=reading.memory_usage_bytes,
        memory_working_set_bytes=reading.memory_working_set_bytes,
        swap_limit_bytes=reading.swap_limit_bytes,
        oom_kills_total=reading.oom_kills_total,
        cpu_limit_cores=None if reading.cpu_limit_cores is None else round(reading.cpu_limit_cores, 3),
        cpu_throttled_periods_total=reading.cpu_throttled_periods_total,
        cpuset_cores=reading.cpuset_cores,
        processes=reading.processes,
        process_limit=reading.process_limit,
    )
