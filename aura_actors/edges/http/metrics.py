"""HTTP operations that show: metrics, actors, alerts, health. All from cached state; none triggers a sample."""

import datetime as dt

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.problems import problem
from aura_actors.errors import InvalidValue
from aura_actors.messages import public
from aura_actors.wire import metrics as wire
from aura_actors.wire.actors import Actors
from aura_actors.wire.admission import Problem
from aura_actors.wire.alerts import Alerts
from aura_actors.wire.health import Health

metrics = Operations("metrics")
health = Operations("health")


def _cached(call: Call, topic: str) -> Answer:
    publication = call.services.topics[topic].value
    if publication is None:
        return problem(503, "no sample has been taken yet", headers={"Retry-After": "1"})
    return Answer(body=publication.data)


@metrics.add("GET", "/api/metrics/system", responses={200: wire.SystemMetrics, 503: Problem})
async def system(call: Call) -> Answer:
    """The last sample of the whole machine."""
    return _cached(call, "system")


@metrics.add("GET", "/api/metrics/process", responses={200: wire.ProcessMetrics, 503: Problem})
async def process(call: Call) -> Answer:
    """The runtime's own process: worker threads, garbage collection, providers, caches."""
    return _cached(call, "process")


@metrics.add("GET", "/api/metrics/utilization", responses={200: wire.Utilization})
async def utilization(call: Call) -> Answer:
    """Job slots and reservations as they are now, with the last sample's percentages."""
    return Answer(body=public.utilization(call.services.totals.value, call.services.snapshots.value))


@metrics.add(
    "GET",
    "/api/metrics/history",
    parameters={
        "?topic": "One of `system` (the default), `process` and `utilization`.",
        "?since": "Only entries behind this `seq`, or not older than this RFC 3339 date and time.",
        "?limit": "Only so many of the newest entries.",
    },
    responses={200: wire.History, 422: Problem},
)
async def history(call: Call) -> Answer:
    """What was published in the last minutes (`[sampler] history`), oldest first."""
    topic = call.query.get("topic", "system")
    known = call.services.history.topics
    if topic not in known:
        raise InvalidValue(f"there is no history of {topic!r}; there is one of {', '.join(known)}", path="?topic")
    since, limit = call.query.get("since", "0"), call.query.get("limit")
    after_seq, since_timestamp = (int(since), 0.0) if since.isdecimal() else (0, _timestamp(since))
    if limit is not None and not (limit.isdecimal() and int(limit) > 0):
        raise InvalidValue("expected a whole number of at least 1", path="?limit")
    entries = call.services.history.of(topic, after_seq=after_seq, since=since_timestamp)
    return Answer(body=public.history(topic, call.services.epoch, entries[-int(limit) :] if limit else entries))


def _timestamp(text: str) -> float:
    try:
        date = dt.datetime.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.tzinfo is None:
        raise InvalidValue("expected a seq or a date and time such as 2026-01-31T12:00:00Z", path="?since")
    return date.timestamp()


@metrics.add("GET", "/api/actors", responses={200: Actors})
async def actors(call: Call) -> Answer:
    """The supervision tree: states, restarts, last crashes, mailboxes."""
    return Answer(body=call.services.actors())


@metrics.add("GET", "/api/alerts", responses={200: Alerts})
async def alerts(call: Call) -> Answer:
    """Thresholds that are exceeded now, and all thresholds there are."""
    publication = call.services.topics["alerts"].value
    return Answer(body=Alerts(active=[]) if publication is None else publication.data)


@health.add("GET", "/health/live", responses={200: Health})
async def live(call: Call) -> Answer:
    """The process answers."""
    return Answer(body=Health(status="live"))


@health.add("GET", "/health/ready", responses={200: Health, 503: Problem})
async def ready(call: Call) -> Answer:
    """Two samples are in and admission answers, so decisions rest on measurements; and nobody drains it."""
    if not call.services.ready():
        why = "draining" if call.services.totals.value.draining else "not enough has been measured yet"
        return problem(503, why, headers={"Retry-After": "1"})
    return Answer(body=Health(status="ready"))
