"""Providers of paid calls: slots, who waits, answers, and what is left of their budgets."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from aura_actors.edges.prometheus.forms import counters, gauges
from aura_actors.messages.admission_view import AdmissionView

GAUGES = {
    "aura_provider_active": ("used", "Provider slots in use"),
    "aura_provider_slots": ("size", "Provider slots"),
    "aura_provider_waiting": ("waiting", "Requests that wait for a provider slot"),
    "aura_provider_call_mean_seconds": (
        "mean_call_seconds",
        "How long a slot is held, the newer calls counting more",
    ),
    "aura_provider_requests_per_minute": ("requests_per_minute", "Budget of calls"),
    "aura_provider_requests_available": ("requests_available", "Calls left of the budget now"),
    "aura_provider_tokens_per_minute": ("tokens_per_minute", "Budget of tokens"),
    "aura_provider_tokens_available": ("tokens_available", "Tokens left of the budget now; below 0 is owed"),
}
COUNTERS = {
    "aura_provider_granted": ("granted", "Provider slots granted"),
    "aura_provider_denied": ("denied", "Provider slots refused"),
}


def providers(view: AdmissionView | None) -> Iterator[Metric]:
    """One sample for each provider in every family; a budget that is not set has none."""
    for make, families in ((gauges, GAUGES), (counters, COUNTERS)):
        for name, (field, text) in families.items():
            values = {} if view is None else {each.name: getattr(each, field) for each in view.providers}
            yield make(name, text, "provider", values)
