"""The runtime's own process: memory, descriptors, garbage collection, worker threads."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.prometheus.forms import counter, counters, gauge, gauges
from aura_actors.kernel.pauses import GcStatistics
from aura_actors.kernel.threads import LimiterStatistics
from aura_actors.messages.topics import Component


def sampled(taken: Snapshot) -> Iterator[Metric]:
    """The usual families of any process."""
    yield gauge(
        "process_resident_memory_bytes", "Resident memory size in bytes", taken.memory.process_resident_bytes
    )
    yield gauge("process_open_fds", "Number of open file descriptors", taken.process.open_descriptors)
    yield gauge(
        "process_start_time_seconds",
        "Start time of the process since the Unix epoch",
        taken.process.started_at_seconds,
    )
    yield counter("process_cpu_seconds", "User and system CPU time spent", taken.process.cpu_seconds_total)


def garbage(statistics: GcStatistics) -> Iterator[Metric]:
    """The interpreter's collector, by generation, and how long everything waited for it."""
    for name, text, counts in (
        ("python_gc_objects_collected", "Objects collected during gc", statistics.collected),
        ("python_gc_objects_uncollectable", "Uncollectable objects found during gc", statistics.uncollectable),
        ("python_gc_collections", "Number of times this generation was collected", statistics.collections),
    ):
        yield counters(name, text, "generation", {str(n): count for n, count in enumerate(counts)})
    yield counter(
        "aura_gc_pause_seconds",
        "Time lost to garbage collection",
        statistics.pause_seconds_total,
    )


def threads(pools: Iterable[LimiterStatistics]) -> Iterator[Metric]:
    """Worker threads by pool."""
    held = list(pools)
    yield gauges("aura_worker_threads_busy", "Worker threads at work", "pool", {p.name: p.busy for p in held})
    yield gauges("aura_worker_threads_max", "Worker threads at most", "pool", {p.name: p.maximum for p in held})


def memory(components: Iterable[Component]) -> Iterator[Metric]:
    """Memory by component."""
    yield gauges(
        "aura_component_memory_bytes",
        "Memory that a part of the runtime holds",
        "component",
        {part.name: part.allocated_bytes for part in components},
    )
