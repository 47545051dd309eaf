"""Every frame of the feed, both ways, as one JSON Schema, made from the public Structs.

Owns which Structs are frames, and which topic says what. `docs/generate.py` writes it to a file that is served.
"""

from typing import Any

import msgspec

from aura_actors.edges.http.described import describe
from aura_actors.wire import actors, admission, alerts, cleanup, decisions, feed, metrics, session

REF = "#/$defs/{name}"
STATES: dict[str, Any] = {
    "system": metrics.SystemMetrics,
    "process": metrics.ProcessMetrics,
    "utilization": metrics.Utilization,
    "admission": admission.AdmissionState,
    "providers": admission.Providers,
    "cleanup": cleanup.CleanupState,
    "alerts": alerts.Alerts,
    "actors": actors.Actors,
}
"""What `data` of a snapshot is."""
EVENTS: dict[str, Any] = {
    "alerts": alerts.Alert,
    "actors": actors.Crashed | actors.DeadLetters,
    "cleanup": cleanup.CleanupReport,
    "admission": decisions.DecisionsMade,
}
"""What `data` of an event is; other topics have none."""
SERVER = feed.Hello | feed.Subscribed | feed.Snapshot | feed.Event | feed.Heartbeat | feed.ErrorFrame
ANSWERS = session.Answer | session.Ended


def feed_schema() -> dict[str, Any]:
    """The document: any frame is one of `ClientFrame` and `ServerFrame`."""
    kinds = [feed.ClientFrame, SERVER, ANSWERS, *STATES.values(), *EVENTS.values()]
    schemas, definitions = msgspec.json.schema_components(kinds, ref_template=REF)
    describe(definitions, kinds)
    client, server, answers, *data = schemas
    said = dict(zip([*STATES, *(f"{topic} event" for topic in EVENTS)], data, strict=True))
    _say_data(definitions["Snapshot"], {topic: said[topic] for topic in STATES})
    _say_data(definitions["Event"], {topic: said[f"{topic} event"] for topic in EVENTS})
    definitions["ClientFrame"] = {"description": "What a client may send.", **client}
    definitions["ServerFrame"] = {"description": "What the server sends.", "anyOf": [server, answers]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frames of the aura_actors feed",
        "anyOf": [{"$ref": REF.format(name=name)} for name in ("ClientFrame", "ServerFrame")],
        "$defs": dict(sorted(definitions.items())),
    }


def _say_data(frame: dict[str, Any], by_topic: dict[str, Any]) -> None:
    """Bind `data` to the topic, which Structs cannot."""
    frame["oneOf"] = [
        {"properties": {"topic": {"const": topic}, "data": schema}} for topic, schema in by_topic.items()
    ]
