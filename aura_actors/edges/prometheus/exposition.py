"""The exposition as a whole, built from cached state: a scrape never samples and never asks an actor.

Owns the order of the families and the negotiation of the format; each subject's names are in its own file. Families
of the guide keep their exact names; the others follow Prometheus's conventions (base units, `_total` on counters).
Label values are bounded: no job ids.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from aura_actors._version import __version__
from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.http.api import Answer
from aura_actors.edges.prometheus.actors import actors, alerts
from aura_actors.edges.prometheus.admission import admission
from aura_actors.edges.prometheus.forms import gauge
from aura_actors.edges.prometheus.machine import machine
from aura_actors.edges.prometheus.process import garbage, memory, sampled, threads
from aura_actors.edges.prometheus.providers import providers
from aura_actors.kernel.pauses import GcStatistics
from aura_actors.kernel.threads import LimiterStatistics
from aura_actors.messages.admission_view import AdmissionView, Totals
from aura_actors.messages.topics import Component
from aura_actors.wire.actors import Actors


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where the numbers come from, read at the moment of the scrape. `others` are families of other parts."""

    snapshot: Callable[[], Snapshot | None]
    view: Callable[[], AdmissionView | None]
    totals: Callable[[], Totals]
    actors: Callable[[], Actors]
    alerts: Callable[[], Mapping[str, bool]]
    pauses: Callable[[], GcStatistics]
    threads: Callable[[], Iterable[LimiterStatistics]]
    components: Callable[[], Iterable[Component]]
    others: Callable[[], Iterable[Metric]] = tuple


def preferred(accept: str) -> str:
    """The OpenMetrics item of an Accept header, if it is liked at least as well as plain text; else nothing.

    prometheus_client looks for the name alone and passes over every `q`.
    """
    openmetrics, plain = ("", 0.0), 0.0
    for item, quality in parse_accept_header(accept, MIMEAccept):
        kind = item.partition(";")[0].strip().lower()
        if kind == "application/openmetrics-text" and quality > openmetrics[1]:
            openmetrics = (item, quality)
        elif kind in ("text/plain", "text/*", "*/*"):
            plain = max(plain, quality)
    return openmetrics[0] if openmetrics[1] >= plain else ""


class Exposition:
    """Encodes the present state in the format that the scraper asks for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def answer(self, accept: str) -> Answer:
        """The exposition, in the format negotiated by the Accept header."""
        try:
            encode, content_type = choose_encoder(preferred(accept))
        except (TypeError, ValueError):  # how it takes a version that is none
            encode, content_type = choose_encoder("")
        return Answer(body=encode(self._registry), content_type=content_type)

    def describe(self) -> list[Metric]:
        """Nothing is registered twice here, so nothing needs describing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, in a fixed order."""
        yield gauge("aura_up", "1 while the runtime serves", 1)
        build = InfoMetricFamily("aura_build", "The running version")
        build.add_metric([], {"version": __version__})
        yield build
        taken = self._sources.snapshot()
        if taken is not None:
            yield from machine(taken)
            yield from sampled(taken)
        yield from garbage(self._sources.pauses())
        yield from threads(self._sources.threads())
        yield from memory(self._sources.components())
        yield from admission(self._sources.totals(), view := self._sources.view())
        yield from providers(view)
        yield from actors(self._sources.actors())
        yield from alerts(self._sources.alerts())
        yield from self._sources.others()
