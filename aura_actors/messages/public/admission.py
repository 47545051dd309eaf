"""Leases, reasons and the books in public JSON."""

from aura_actors.domain import ledger, reasons
from aura_actors.domain.providers import SlotLease
from aura_actors.messages.admission import AdmissionView
from aura_actors.messages.public.forms import Moment, utc
from aura_actors.wire import admission


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


def preflight(judgement: reasons.Judgement) -> admission.Preflight:
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
