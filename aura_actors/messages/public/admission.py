"""Leases, places in the queue and reasons in public JSON. Secrets are in `lease`, `slot` and `ticket` alone."""

from collections.abc import Mapping
from typing import cast

from aura_actors.domain import leases, reasons
from aura_actors.domain.snapshot import Snapshot
from aura_actors.messages.admission import Forecast, Queued
from aura_actors.messages.admission_view import AdmissionView, JobView, WaiterView
from aura_actors.messages.public.forms import Moment, utc
from aura_actors.wire import admission
from aura_actors.wire.kinds import Kind, Kinds

Indexes = Mapping[str, int]
"""Place in the list of devices, by their identity."""
NO_INDEXES: Indexes = {}


def gpu_indexes(taken: Snapshot | None) -> Indexes:
    """Where each device is in the list of the last sample."""
    return {} if taken is None or taken.gpu is None else {use.uuid: use.index for use in taken.gpu.devices}


def lease(held: leases.Lease, moment: Moment, indexes: Indexes = NO_INDEXES) -> admission.Lease:
    """A job's lease with its secret: only ever for its holder."""
    return admission.Lease(
        job_id=held.key,
        lease_id=held.secret,
        fence=held.fence,
        owner=held.owner,
        memory_bytes=held.spec.memory_bytes,
        cpu_cores=held.spec.cpu_millicores / 1000,
        gpus=_gpus(held, indexes),
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def slot(held: leases.Lease, moment: Moment) -> admission.Slot:
    """A provider slot with its secret: only ever for its holder."""
    (need,) = held.spec.providers
    return admission.Slot(
        provider=need.name,
        slot_id=held.key.partition("/")[2],
        lease_id=held.secret,
        fence=held.fence,
        owner=held.owner,
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def ticket(place: Queued, moment: Moment) -> admission.Ticket:
    """A place in the queue with its secret: only ever for whoever has it."""
    return admission.Ticket(
        job_id=place.key,
        ticket=place.ticket,
        position=place.position,
        reasons=[reason(short) for short in place.reasons],
        retry_after_seconds=place.retry_after_seconds,
        bound_seconds=place.bound_seconds,
        expires_at=moment.date(place.expires_at),
    )


def active_job(job: JobView, moment: Moment, indexes: Indexes = NO_INDEXES) -> admission.ActiveJob:
    """A job's lease for everybody."""
    held, spec = job.lease, job.lease.spec
    return admission.ActiveJob(
        job_id=held.key,
        fence=held.fence,
        owner=held.owner,
        memory_bytes=spec.memory_bytes,
        measured_bytes=job.measured_bytes,
        attribution=job.attribution,
        cpu_cores=spec.cpu_millicores / 1000,
        gpus=_gpus(held, indexes),
        scratch_bytes=spec.scratch_bytes,
        units=dict(spec.units),
        providers=[need.name for need in spec.providers],
        priority=spec.priority,
        kind=spec.kind,
        pid=None if held.process is None else held.process.pid,
        max_runtime_seconds=spec.max_runtime_seconds,
        granted_at=utc(held.granted_timestamp),
        expires_at=moment.date(held.expires_at),
        ttl_seconds=held.ttl_seconds,
    )


def queued_job(place: WaiterView) -> admission.QueuedJob:
    """A place in the queue for everybody."""
    return admission.QueuedJob(
        job_id=place.key,
        owner=place.owner,
        priority=cast("admission.Priority", place.priority),
        kind=place.kind,
        memory_bytes=place.memory_bytes,
        position=place.position,
        waited_seconds=round(place.waited_seconds, 3),
        attended=place.attended,
        protected=place.protected,
        reasons=[reason(short) for short in place.reasons],
    )


def jobs(view: AdmissionView, indexes: Indexes = NO_INDEXES) -> list[admission.ActiveJob]:
    """Every live job, oldest first."""
    moment = Moment(view.taken_at, view.timestamp)
    return [active_job(job, moment, indexes) for job in view.jobs if job.lease.is_job]


def queue(view: AdmissionView) -> list[admission.QueuedJob]:
    """Every job that waits, first the one that is next. Whoever waits for a provider slot is no job."""
    return [queued_job(place) for place in view.queue if "/" not in place.key]


def reason(short: reasons.Shortfall) -> admission.Reason:
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


def kinds(view: AdmissionView) -> Kinds:
    """The body of `/api/admission/kinds`."""
    return Kinds(
        kinds=[Kind(**{name: getattr(known, name) for name in known.__struct_fields__}) for known in view.kinds]
    )


def preflight(forecast: Forecast) -> admission.Preflight:
    """The body of `/api/admission/preflight`."""
    return admission.Preflight(
        decision=forecast.judgement.outcome.value,
        reasons=[reason(short) for short in forecast.judgement.reasons],
        position=forecast.position,
        bound_seconds=forecast.bound_seconds,
    )


def _gpus(held: leases.Lease, indexes: Indexes) -> list[admission.AssignedGpu]:
    return [admission.AssignedGpu(index=indexes.get(uuid), uuid=uuid) for uuid in held.gpus]
