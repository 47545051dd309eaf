"""The Prometheus exposition, built from cached state: a scrape never samples and never asks an actor.

Owns the metric names. Families of the guide keep their exact names; the others follow Prometheus's conventions
(base units, `_total` on counters). Label values are bounded: no job ids.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from aura_actors._version import __version__
from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.http.api import Answer
from aura_actors.messages.admission import AdmissionView, Totals
from aura_actors.wire.actors import ActorNode, Actors

Value = float | int | None


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where the numbers come from, read at the moment of the scrape. `edges` are counters of the edges by name."""

    snapshot: Callable[[], Snapshot | None]
    view: Callable[[], AdmissionView | None]
    totals: Callable[[], Totals]
    actors: Callable[[], Actors]
    edges: Callable[[], Iterable[Metric]] = tuple


class Exposition:
    """Encodes the present state in the format that the scraper asks for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def answer(self, accept: str) -> Answer:
        """The exposition, in the format negotiated by the Accept header."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # how it takes a version that is none
            encode, content_type = choose_encoder("")
        return Answer(body=encode(self._registry), content_type=content_type)

    def describe(self) -> list[Metric]:
        """Nothing is registered twice here, so nothing needs describing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, in a fixed order."""
        yield _gauge("aura_up", "1 while the runtime serves", 1)
        build = InfoMetricFamily("aura_build", "The running version")
        build.add_metric([], {"version": __version__})
        yield build
        taken = self._sources.snapshot()
        if taken is not None:
            yield from _sampled(taken)
        yield from _admission(self._sources.totals(), self._sources.view())
        yield from _actors(self._sources.actors())
        yield from self._sources.edges()


def _sampled(taken: Snapshot) -> Iterator[Metric]:
    yield _gauge("aura_snapshot_timestamp_seconds", "When the last sample was taken", taken.timestamp)
    yield _gauges(
        "aura_cpu_usage_percent",
        "CPU usage percentage",
        "type",
        {"overall": taken.cpu.overall_percent, "process": taken.cpu.process_percent},
    )
    yield _gauges(
        "aura_memory_bytes",
        "Memory usage in bytes",
        "type",
        {
            "total": taken.memory.total_bytes,
            "available": taken.memory.available_bytes,
            "used": taken.memory.used_bytes,
            "process": taken.memory.process_resident_bytes,
        },
    )
    healths = taken.collectors
    yield _gauges(
        "aura_collector_success",
        "1 if the last reading of a collector succeeded",
        "collector",
        {name: int(health.success) for name, health in healths.items()},
    )
    yield _gauges(
        "aura_collector_duration_seconds",
        "How long the last reading of a collector took",
        "collector",
        {name: health.duration_seconds for name, health in healths.items()},
    )
    devices = {use.device: use for use in taken.disks}
    yield _counters(
        "aura_disk_read_bytes",
        "Bytes read from a device",
        "device",
        {device: use.read_bytes_total for device, use in devices.items()},
    )
    yield _counters(
        "aura_disk_written_bytes",
        "Bytes written to a device",
        "device",
        {device: use.written_bytes_total for device, use in devices.items()},
    )
    interfaces = taken.network.interfaces
    yield _counters(
        "aura_network_receive_bytes",
        "Bytes received on an interface",
        "device",
        {use.name: use.received_bytes_total for use in interfaces},
    )
    yield _counters(
        "aura_network_transmit_bytes",
        "Bytes sent on an interface",
        "device",
        {use.name: use.sent_bytes_total for use in interfaces},
    )
    yield from _process(taken)


def _process(taken: Snapshot) -> Iterator[Metric]:
    yield _gauge(
        "process_resident_memory_bytes", "Resident memory size in bytes", taken.memory.process_resident_bytes
    )
    yield _gauge("process_open_fds", "Number of open file descriptors", taken.process.open_descriptors)
    yield _gauge(
        "process_start_time_seconds",
        "Start time of the process since the Unix epoch",
        taken.process.started_at_seconds,
    )
    yield _counters(
        "process_cpu_seconds", "User and system CPU time spent", "", {"": taken.process.cpu_seconds_total}
    )


def _admission(totals: Totals, view: AdmissionView | None) -> Iterator[Metric]:
    yield _gauge("aura_admission_active", "Jobs that hold a lease", totals.active_jobs)
    yield _gauge("aura_admission_slots", "Jobs that may hold a lease at once", totals.job_slots)
    if view is None:
        return
    yield _gauges(
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
    yield _counters("aura_admission_expired", "Leases that ended by their time to live", "", {"": view.expired})
    yield _gauges(
        "aura_provider_active", "Provider slots in use", "provider", {p.name: p.used for p in view.providers}
    )
    yield _gauges("aura_provider_slots", "Provider slots", "provider", {p.name: p.size for p in view.providers})


def _actors(tree: Actors) -> Iterator[Metric]:
    nodes = list(_walk(tree.root))
    boxes = {node.name: node.mailbox for node in nodes if node.mailbox is not None}
    yield _counters("aura_actor_restarts", "Restarts of a child", "actor", {n.name: n.restarts for n in nodes})
    yield _gauges(
        "aura_actor_mailbox_depth", "Messages that wait", "actor", {name: box.depth for name, box in boxes.items()}
    )
    yield _counters(
        "aura_actor_handled_messages",
        "Messages handled",
        "actor",
        {name: box.handled for name, box in boxes.items()},
    )
    yield _counters("aura_actor_dead_letters", "Messages nobody will handle", "", {"": tree.dead_letters})


def _walk(node: ActorNode) -> Iterator[ActorNode]:
    for child in node.children:
        yield child
        yield from _walk(child)


def _gauge(name: str, text: str, value: Value) -> Metric:
    return _gauges(name, text, "", {"": value})


def _gauges(name: str, text: str, label: str, values: dict[str, Value]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label] if label else [])
    return _filled(family, label, values)


def _counters(name: str, text: str, label: str, values: dict[str, Value]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label] if label else [])
    return _filled(family, label, values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, label: str, values: dict[str, Value]) -> Metric:
    """Add a sample per value; a value that is not known has no sample, never a 0."""
    for key, value in values.items():
        if value is not None:
            family.add_metric([key] if label else [], value)
    return family
