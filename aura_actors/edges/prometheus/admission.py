"""Admission: slots, books, decisions, providers."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from aura_actors.edges.prometheus.forms import counter, gauge, gauges
from aura_actors.messages.admission import AdmissionView, Totals


def admission(totals: Totals, view: AdmissionView | None) -> Iterator[Metric]:
    """Slots, books, decisions and providers."""
    yield gauge("aura_admission_active", "Jobs that hold a lease", totals.active_jobs)
    yield gauge("aura_admission_slots", "Jobs that may hold a lease at once", totals.job_slots)
    if view is None:
        return
    yield gauges(
        "aura_admission_memory_bytes",
        "The books over memory: what is allowed, used by others, reserved and free for new jobs",
        "account",
        {
            "allowed": view.allowed_bytes,
            "external": view.external_bytes,
            "reserved": totals.reserved_bytes,
            "headroom": view.headroom_bytes,
        },
    )
    decisions = CounterMetricFamily(
        "aura_admission_decisions",
        "Answers to acquires, by outcome and binding reason",
        labels=["outcome", "reason"],
    )
    decisions.add_metric(["granted", ""], view.granted)
    for reason, count in sorted(view.denied.items()):
        decisions.add_metric(["denied", reason], count)
    yield decisions
    yield counter("aura_admission_expired", "Leases that ended by their time to live", view.expired)
    yield gauges(
        "aura_provider_active", "Provider slots in use", "provider", {p.name: p.used for p in view.providers}
    )
    yield gauges("aura_provider_slots", "Provider slots", "provider", {p.name: p.size for p in view.providers})
