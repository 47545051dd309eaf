"""Pressure, and the control groups around the runtime."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.prometheus.forms import counter, counters, gauge


def containment(taken: Snapshot) -> Iterator[Metric]:
    """What the kernel holds back, and for whom."""
    waiting, stalled = {}, {}
    for name in ("cpu", "memory", "io"):
        resource = getattr(taken.pressure, name, None)
        waiting[name] = None if resource is None or resource.some is None else resource.some.seconds_total
        stalled[name] = None if resource is None or resource.full is None else resource.full.seconds_total
    yield counters(
        "aura_pressure_waiting_seconds", "Time in which some task waited for a resource", "resource", waiting
    )
    yield counters(
        "aura_pressure_stalled_seconds", "Time in which all tasks waited for a resource", "resource", stalled
    )
    group = taken.cgroup
    yield gauge(
        "aura_cgroup_memory_limit_bytes",
        "Smallest memory limit of the control groups around the runtime",
        None if group is None else group.memory_limit_bytes,
    )
    yield gauge(
        "aura_cgroup_memory_working_set_bytes",
        "Memory of the runtime's control group without inactive page cache",
        None if group is None else group.memory_working_set_bytes,
    )
    kills = None if group is None else group.oom_kills_total
    yield counter("aura_cgroup_oom_kills", "Processes killed for want of memory in it", kills)
