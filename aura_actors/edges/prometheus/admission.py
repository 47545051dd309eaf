"""Admission: slots, the queue, the books, decisions and ends. No job, owner or device is a label."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from aura_actors.edges.prometheus.forms import Value, counter, counters, gauge, gauges
from aura_actors.messages.admission_view import AdmissionView, DimensionView, Totals

MILLI = 1000
ACCOUNTS: dict[str, Callable[[DimensionView], int | None]] = {
    "capacity": lambda books: books.capacity,
    "allowed": lambda books: books.allowed,
    "external": lambda books: books.external,
    "ghosts": lambda books: books.ghosts,
    "promised": lambda books: books.promised,
    "headroom": lambda books: books.headroom,
}


def admission(totals: Totals, view: AdmissionView | None) -> Iterator[Metric]:
    """Slots, queue, books, decisions and ends."""
    yield gauge("aura_admission_active", "Jobs that hold a lease", totals.active_jobs)
    yield gauge("aura_admission_slots", "Jobs that may hold a lease at once", totals.job_slots)
    yield gauge("aura_admission_queue_length", "Jobs and provider slots that wait for room", totals.queued_jobs)
    if view is None:
        return
    waited = max((place.waited_seconds for place in view.queue), default=0)
    yield gauge("aura_admission_queue_wait_seconds", "How long the oldest place in the queue has waited", waited)
    yield gauge("aura_admission_draining", "1 while nothing new is admitted", int(view.draining))
    yield gauge(
        "aura_admission_brake", "1 while nothing is granted because memory is short", int(view.brake is not None)
    )
    yield gauge(
        "aura_admission_stale_seconds",
        "How long memory was not measured, once that is too long",
        view.stale_since_seconds or 0,
    )
    yield _memory(view)
    yield from _dimensions(view)
    yield _decisions(view)
    yield counters("aura_admission_ended", "Leases that ended, by how", "how", view.ended)
    yield counter("aura_admission_expired", "Leases that ended by their time to live", view.ended.get("expired", 0))


def _memory(view: AdmissionView) -> Metric:
    return gauges(
        "aura_admission_memory_bytes",
        "The books over memory: what is allowed, used by others, reserved and free for new jobs",
        "account",
        {
            "allowed": view.memory.allowed,
            "external": view.memory.external,
            "ghosts": view.memory.ghosts,
            "reserved": view.memory.promised,
            "headroom": view.memory.headroom,
        },
    )


def _dimensions(view: AdmissionView) -> Iterator[Metric]:
    """Every dimension under the family of its unit."""
    labels = ("dimension", "account")
    for unit, name, text in (
        ("bytes", "aura_admission_bytes", "The books of every dimension in bytes"),
        ("millicores", "aura_admission_cores", "The books over cores"),
        ("units", "aura_admission_units", "The books of every dimension that the configuration names"),
    ):
        each = 1 / MILLI if unit == "millicores" else 1
        values: dict[tuple[str, ...], Value] = {
            (books.name, account): None if (amount := of(books)) is None else amount * each
            for books in view.dimensions
            if books.unit == unit
            for account, of in ACCOUNTS.items()
        }
        yield gauges(name, text, labels, values)


def _decisions(view: AdmissionView) -> Metric:
    decisions = CounterMetricFamily(
        "aura_admission_decisions",
        "Answers to acquires, by outcome and binding reason",
        labels=["outcome", "reason"],
    )
    decisions.add_metric(["granted", ""], view.granted)
    for reason, count in sorted(view.denied.items()):
        decisions.add_metric(["denied", reason], count)
    return decisions
