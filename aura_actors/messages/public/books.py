"""The books of admission in public JSON: what there is, what is promised, and the providers. No lease's secret."""

from aura_actors.messages.admission_view import AdmissionView, DimensionView, ProviderView
from aura_actors.messages.public.admission import NO_INDEXES, Indexes, jobs, queue
from aura_actors.messages.public.forms import rounded
from aura_actors.wire import admission


def admission_state(view: AdmissionView, indexes: Indexes = NO_INDEXES) -> admission.AdmissionState:
    """The feed topic `admission`."""
    return admission.AdmissionState(
        max_concurrent_jobs=view.totals.job_slots,
        active_jobs=view.totals.active_jobs,
        queued_jobs=view.totals.queued_jobs,
        draining=view.draining,
        brake=view.brake,
        memory=_memory(view),
        dimensions=[_dimension(each) for each in view.dimensions],
        active=jobs(view, indexes),
        queue=queue(view),
        granted_total=view.granted,
        denied_total=sum(view.denied.values()),
        expired_total=view.ended.get("expired", 0),
    )


def providers(view: AdmissionView) -> admission.Providers:
    """The body of `/api/providers`."""
    return admission.Providers(providers=[_provider(each) for each in view.providers])


def _memory(view: AdmissionView) -> admission.MemoryBooks:
    memory = view.memory
    return admission.MemoryBooks(
        capacity_bytes=memory.capacity,
        allowed_bytes=memory.allowed,
        external_bytes=memory.external,
        ghost_bytes=memory.ghosts,
        reserved_bytes=memory.promised,
        headroom_bytes=memory.headroom,
        limit_bytes=view.limit_bytes,
    )


def _dimension(books: DimensionView) -> admission.Dimension:
    return admission.Dimension(
        name=books.name,
        unit=books.unit,
        capacity=books.capacity,
        allowed=books.allowed,
        external=books.external,
        ghosts=books.ghosts,
        promised=books.promised,
        headroom=books.headroom,
    )


def _provider(provider: ProviderView) -> admission.Provider:
    return admission.Provider(
        name=provider.name,
        max_concurrent=provider.size,
        active=provider.used,
        available=max(0, provider.size - provider.used),
        queued=provider.waiting,
        granted_total=provider.granted,
        denied_total=provider.denied,
        requests_per_minute=rounded(provider.requests_per_minute),
        requests_available=provider.requests_available,
        tokens_per_minute=rounded(provider.tokens_per_minute),
        tokens_available=provider.tokens_available,
        adaptive=provider.adaptive,
    )
