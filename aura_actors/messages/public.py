"""How inner facts are said in the public JSON: domain and kernel data in, `wire` Structs out.

Owns every translation, so that a name inside can change without a client noticing. Pure: the present moment is an
argument where a duration becomes a date.
"""

import datetime as dt
import gc
from collections.abc import Iterable

from aura_actors.domain import alerts, ledger, snapshot
from aura_actors.domain.providers import SlotLease
from aura_actors.kernel.cell import Cell, CellStatistics
from aura_actors.kernel.supervisor import Node, Supervisor
from aura_actors.kernel.threads import LimiterStatistics
from aura_actors.messages.admission import AdmissionView, ProviderView, Totals
from aura_actors.wire import actors, admission, metrics
from aura_actors.wire import alerts as wire_alerts


class Moment:
    """The same moment on both clocks, to turn monotonic seconds into dates."""

    def __init__(self, monotonic: float, timestamp: float) -> None:
        self._offset = timestamp - monotonic

    def date(self, monotonic: float) -> dt.datetime:
        """The date of a monotonic time."""
        return utc(monotonic + self._offset)


def utc(timestamp: float) -> dt.datetime:
    """Unix seconds as a date, to the millisecond."""
    return dt.datetime.fromtimestamp(round(timestamp, 3), dt.UTC)


# --- what was measured ---------------------------------------------------------------------------------------


def system(taken: snapshot.Snapshot, epoch: str, seq: int) -> metrics.SystemMetrics:
    """The body of `/api/metrics/system`."""
    return metrics.SystemMetrics(
        timestamp=utc(taken.timestamp),
        cpu=metrics.Cpu(
            overall_usage_percent=_rounded(taken.cpu.overall_percent),
            per_core_usage_percent=_all_rounded(taken.cpu.per_core_percent),
            logical_cores=taken.cpu.logical_cores,
            physical_cores=taken.cpu.physical_cores,
            process_usage_percent=_rounded(taken.cpu.process_percent),
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
        gpu=None,
        gpus=[],
        disks=[_disk(use) for use in taken.disks],
        network=metrics.Network(
            bytes_sent_per_second=_rounded(taken.network.sent_bytes_per_second),
            bytes_received_per_second=_rounded(taken.network.received_bytes_per_second),
            total_bytes_sent=taken.network.sent_bytes_total,
            total_bytes_received=taken.network.received_bytes_total,
        ),
        stale={
            name: utc(health.stale_since)
            for name, health in sorted(taken.collectors.items())
            if health.stale_since is not None
        },
        epoch=epoch,
        seq=seq,
    )


def memory_percent(taken: snapshot.Snapshot) -> float | None:
    """Share of main memory in use."""
    return _share(taken.memory.used_bytes, taken.memory.total_bytes)


def _disk(use: snapshot.DiskUse) -> metrics.Disk:
    return metrics.Disk(
        drive_name=use.mount,
        drive_label=use.device,
        total_bytes=use.total_bytes,
        available_bytes=use.available_bytes,
        used_bytes=use.used_bytes,
        usage_percent=_share(use.used_bytes, use.total_bytes),
        read_bytes_per_second=_rounded(use.read_bytes_per_second),
        write_bytes_per_second=_rounded(use.written_bytes_per_second),
    )


def process(
    taken: snapshot.Snapshot,
    limiters: Iterable[LimiterStatistics],
    providers: Iterable[ProviderView],
    cache_bytes: int,
) -> metrics.ProcessMetrics:
    """The body of `/api/metrics/process`."""
    pools = [
        metrics.Limiter(
            name=pool.name, available=max(0, pool.maximum - pool.busy), maximum=pool.maximum, busy=pool.busy
        )
        for pool in limiters
    ]
    generations = gc.get_stats()
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
            collections=[g["collections"] for g in generations],
            collected=sum(g["collected"] for g in generations),
            uncollectable=sum(g["uncollectable"] for g in generations),
        ),
        provider_connections=[
            metrics.ProviderConnections(
                provider_name=view.name,
                active_connections=view.used,
                queued_requests=0,
                average_response_time_ms=None,
            )
            for view in providers
        ],
        cache_memory_bytes=cache_bytes,
        open_file_descriptors=taken.process.open_descriptors,
        uptime_seconds=None if started is None else round(max(0.0, taken.timestamp - started), 3),
    )


def utilization(totals: Totals, taken: snapshot.Snapshot | None) -> metrics.Utilization:
    """The body of `/api/metrics/utilization`."""
    return metrics.Utilization(
        max_concurrent_jobs=totals.job_slots,
        active_jobs=totals.active_jobs,
        available_job_slots=max(0, totals.job_slots - totals.active_jobs),
        total_reserved_memory_bytes=totals.reserved_bytes,
        active_providers=list(totals.active_providers),
        cpu_usage_percent=None if taken is None else _rounded(taken.cpu.overall_percent),
        memory_usage_percent=None if taken is None else memory_percent(taken),
        gpu_usage_percent=None,
    )


# --- admission -----------------------------------------------------------------------------------------------


def lease(held: ledger.JobLease, moment: Moment) -> admission.Lease:
    """A job's lease with its secret: only ever for its holder."""
    return admission.Lease(
        job_id=held.key,
        lease_id=held.secret,
        fence=held.fence,
        owner=held.owner,
        memory_bytes=held.spec.memory_bytes,
        cpu_cores=0,
        gpus=[],
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def active_job(held: ledger.JobLease, moment: Moment) -> admission.ActiveJob:
    """A job's lease for everybody."""
    return admission.ActiveJob(
        job_id=held.key,
        fence=held.fence,
        owner=held.owner,
        memory_bytes=held.spec.memory_bytes,
        priority=held.spec.priority,
        kind=held.spec.kind,
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def slot(held: SlotLease, moment: Moment) -> admission.Slot:
    """A provider slot with its secret: only ever for its holder."""
    return admission.Slot(
        provider=held.spec.provider,
        slot_id=held.key,
        lease_id=held.secret,
        fence=held.fence,
        owner=held.owner,
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def reason(short: ledger.Shortfall) -> admission.Reason:
    """One reason for not granting."""
    return admission.Reason(
        dimension=short.dimension,
        needed=short.needed,
        available=short.available,
        shortfall=max(0, short.needed - short.available),
        holders=list(short.holders),
        external=short.external,
        text=short.text,
    )


def preflight(judgement: ledger.Judgement) -> admission.Preflight:
    """The body of `/api/admission/preflight`."""
    return admission.Preflight(
        decision=judgement.outcome.value,
        reasons=[reason(short) for short in judgement.reasons],
        position=None,
        bound_seconds=None,
    )


def jobs(view: AdmissionView) -> list[admission.ActiveJob]:
    """Every live job lease, oldest first."""
    moment = Moment(view.taken_at, view.timestamp)
    return [active_job(held, moment) for held in view.jobs]


def admission_state(view: AdmissionView) -> admission.AdmissionState:
    """The feed topic `admission`."""
    return admission.AdmissionState(
        max_concurrent_jobs=view.totals.job_slots,
        active_jobs=view.totals.active_jobs,
        memory=admission.MemoryBooks(
            capacity_bytes=view.capacity_bytes,
            allowed_bytes=view.allowed_bytes,
            external_bytes=view.external_bytes,
            reserved_bytes=view.totals.reserved_bytes,
            headroom_bytes=view.headroom_bytes,
            limit_bytes=view.limit_bytes,
        ),
        active=jobs(view),
        granted_total=view.granted,
        denied_total=sum(view.denied.values()),
        expired_total=view.expired,
    )


def providers(view: AdmissionView) -> admission.Providers:
    """The body of `/api/providers`."""
    return admission.Providers(
        providers=[
            admission.Provider(
                name=provider.name,
                max_concurrent=provider.size,
                active=provider.used,
                available=max(0, provider.size - provider.used),
                granted_total=provider.granted,
                denied_total=provider.denied,
            )
            for provider in view.providers
        ]
    )


# --- alerts and actors ---------------------------------------------------------------------------------------


def alert(raised: alerts.Alert) -> wire_alerts.Alert:
    """An alert, with a sentence for people."""
    verb = "is back at" if raised.cleared_at is not None else "is at"
    return wire_alerts.Alert(
        name=raised.name,
        value=round(raised.value, 2),
        threshold=raised.above,
        unit=raised.unit,
        raised_at=utc(raised.raised_at),
        cleared_at=None if raised.cleared_at is None else utc(raised.cleared_at),
        text=f"{raised.name} {verb} {raised.value:.0f} {raised.unit} (threshold {raised.above:g} {raised.unit})",
    )


def tree(root: Supervisor, dead_letters: int) -> actors.Actors:
    """The supervision tree as it is now."""
    return actors.Actors(
        root=actors.ActorNode(
            name=root.name,
            state="running",
            generation=1,
            restarts=0,
            last_crash=None,
            mailbox=None,
            children=[_node(node) for node in root.nodes()],
        ),
        dead_letters=dead_letters,
    )


def _node(node: Node) -> actors.ActorNode:
    crash = None
    if node.last_crash is not None and node.crashed_at is not None:
        crash = actors.Crash(at=utc(node.crashed_at), error=node.last_crash)
    return actors.ActorNode(
        name=node.name,
        state=node.state,
        generation=node.generation,
        restarts=node.restarts,
        last_crash=crash,
        mailbox=_mailbox(node.service.statistics()) if isinstance(node.service, Cell) else None,
        children=[_node(child) for child in node.service.nodes()] if isinstance(node.service, Supervisor) else [],
    )


def _mailbox(cell: CellStatistics) -> actors.Mailbox:
    return actors.Mailbox(
        depth=cell.mailbox.depth,
        high_water=cell.mailbox.high_water,
        capacity=cell.mailbox.capacity,
        handled=cell.handled,
        refused=cell.mailbox.refused,
        dropped=cell.mailbox.dropped,
        handler_seconds=round(cell.handler_seconds, 6),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _all_rounded(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else [round(value, 2) for value in values]


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else round(100 * part / whole, 2)
