"""The OpenAPI document: whole by itself, every operation, every answer, every field with its meaning."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from aura_actors.edges.http.document import openapi_document
from aura_actors.edges.http.manual import manual
from aura_actors.edges.http.operations import OPERATIONS

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
PATHS = """
GET /api/metrics/system, GET /api/metrics/process, GET /api/metrics/utilization, GET /api/metrics/history,
POST /api/admission/jobs, GET /api/admission/jobs, GET /api/admission/jobs/{jobId},
DELETE /api/admission/jobs/{jobId}, POST /api/admission/jobs/{jobId}/renew, POST /api/admission/jobs/{jobId}/ready,
POST /api/admission/jobs/{jobId}/revoke, POST /api/admission/drain, POST /api/admission/preflight,
POST /api/admission/batch, GET /api/providers, POST /api/providers/{name}/slots,
POST /api/providers/{name}/slots/{slotId}/renew, DELETE /api/providers/{name}/slots/{slotId}, GET /api/cleanup,
POST /api/cleanup/{task}/run, POST /api/cleanup/runs/{runId}/undo, POST /api/cleanup/runs/{runId}/stop,
GET /api/cleanup/runs, GET /api/cleanup/runs/{runId},
GET /api/actors, GET /api/alerts, GET /health/live, GET /health/ready, GET /metrics, GET /openapi.json
""".replace("\n", " ").split(", ")  # fmt: skip


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_of_the_interface_is_there() -> None:
    assert {path.strip() for path in PATHS} <= {name for name, _ in operations()}


def test_every_field_says_what_it_means() -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, kind in schema.get("properties", {}).items()
        if not kind.get("description")
    ]
    assert silent == []


def test_every_parameter_says_what_it_means() -> None:
    silent = [
        f"{name} {parameter['name']}"
        for name, operation in operations()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert silent == []


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert refs == set(SCHEMAS)


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_path_parameters_are_those_of_the_path() -> None:
    for name, operation in operations():
        declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", name))


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("POST /api/admission/jobs", "200 201 202 400 401 403 405 408 409 410 413 415 421 422 429 500 503"),
        ("POST /api/admission/batch", "200 400 401 403 405 408 413 415 421 422 500 503"),
        ("DELETE /api/admission/jobs/{jobId}", "204 400 401 403 404 405 408 410 413 415 421 422 500 503"),
        ("POST /api/providers/{name}/slots", "201 400 401 403 404 405 408 410 413 415 421 422 429 500 503"),
        ("GET /api/metrics/system", "200 400 401 403 405 421 500 503"),
        ("GET /metrics", "200 400 401 403 405 421 500 503"),
    ],
)
def test_every_status_that_can_come_is_declared(operation: str, statuses: str) -> None:
    assert " ".join(dict(operations())[operation]["responses"]) == statuses


def test_an_answer_that_says_when_to_come_back_declares_the_header() -> None:
    for name, operation in operations():
        for status in ("429", "503"):
            if status in operation["responses"]:
                assert "Retry-After" in operation["responses"][status]["headers"], name


def test_a_job_is_shown_as_what_it_is_now() -> None:
    content = DOCUMENT["paths"]["/api/admission/jobs/{jobId}"]["get"]["responses"]["200"]["content"]
    refs = [each["$ref"].rpartition("/")[2] for each in content["application/json"]["schema"]["anyOf"]]
    assert refs == ["ActiveJob", "QueuedJob"]


def test_schemas_use_only_words_of_json_schema() -> None:
    known = {
        "$ref", "additionalProperties", "anyOf", "const", "default", "description", "discriminator", "enum",
        "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
        "minLength", "minimum", "pattern", "properties", "propertyNames", "required", "title", "type",
    }  # fmt: skip

    def words(schema: dict[str, Any]) -> Iterator[str]:
        yield from schema
        for inner in schema.get("properties", {}).values():
            yield from words(inner)
        for key in ("items", "additionalProperties", "propertyNames"):
            if isinstance(schema.get(key), dict):
                yield from words(schema[key])
        for inner in schema.get("anyOf", ()):
            yield from words(inner)

    assert {word for schema in SCHEMAS.values() for word in words(schema)} <= known


def test_summaries_are_one_sentence() -> None:
    for operation in OPERATIONS:
        assert operation.summary.endswith("."), operation.path
        assert "\n" not in operation.description


def test_the_manual_shows_what_fields_mean() -> None:
    page = manual(DOCUMENT).decode()
    assert "The lease ends with this process" in page
    assert "204" in page


async def test_the_document_is_made_when_first_asked_for_and_others_are_answered_meanwhile(
    open_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, others_answered = threading.Event(), threading.Event()

    def make() -> tuple[bytes, bytes]:
        begun.set()
        return (b"{}" if others_answered.wait(5) else b""), b""

    monkeypatch.setattr("aura_actors.edges.http.app._make_documents", make)
    async with open_house() as house:
        assert not begun.is_set()
        documents = []

        async def ask() -> None:
            documents.append((await house.client.get("/openapi.json")).content)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.to_thread.run_sync(begun.wait, 5)
            assert (await house.client.get("/health/live")).status_code == 200
            others_answered.set()
    assert documents == [b"{}"]
