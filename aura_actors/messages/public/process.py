"""The runtime's own process in public JSON: `/api/metrics/process`."""

from collections.abc import Iterable, Sequence

from aura_actors.domain import snapshot
from aura_actors.kernel.pauses import GcStatistics
from aura_actors.kernel.threads import LimiterStatistics
from aura_actors.messages.admission_view import ProviderView
from aura_actors.messages.public.forms import rounded, utc
from aura_actors.messages.topics import Component
from aura_actors.wire import metrics

PUBLISHED, HISTORY = "published", "history"
CACHES = frozenset({PUBLISHED, HISTORY})
"""The components whose memory could be given up and made again."""


def process(
    taken: snapshot.Snapshot,
    limiters: Iterable[LimiterStatistics],
    providers: Iterable[ProviderView],
    gc: GcStatistics,
    components: Sequence[Component],
) -> metrics.ProcessMetrics:
    """The body of `/api/metrics/process`."""
    pools = [
        metrics.Limiter(
            name=pool.name, available=max(0, pool.maximum - pool.busy), maximum=pool.maximum, busy=pool.busy
        )
        for pool in limiters
    ]
    started = taken.process.started_at_seconds
    return metrics.ProcessMetrics(
        timestamp=utc(taken.timestamp),
        thread_pool=metrics.ThreadPool(
            available_worker_threads=sum(pool.available for pool in pools),
            max_worker_threads=sum(pool.maximum for pool in pools),
            busy_worker_threads=sum(pool.busy for pool in pools),
            limiters=pools,
        ),
        gc=metrics.GarbageCollection(
            collections=list(gc.collections),
            collected=sum(gc.collected),
            uncollectable=sum(gc.uncollectable),
            pause_ms_total=round(1000 * gc.pause_seconds_total, 3),
            longest_pause_ms=round(1000 * gc.longest_pause_seconds, 3),
        ),
        component_memory=[
            metrics.ComponentMemory(
                component_name=part.name,
                allocated_bytes=part.allocated_bytes,
                active_instances=part.active_instances,
            )
            for part in components
        ],
        provider_connections=[
            metrics.ProviderConnections(
                provider_name=view.name,
                active_connections=view.used,
                queued_requests=view.waiting,
                average_response_time_ms=rounded(view.mean_call_seconds, 1000),
            )
            for view in providers
        ],
        cache_memory_bytes=sum(part.allocated_bytes for part in components if part.name in CACHES),
        open_file_descriptors=taken.process.open_descriptors,
        uptime_seconds=None if started is None else round(max(0.0, taken.timestamp - started), 3),
    )
