"""The OpenAPI 3.1 document, made from the operations and the public Structs, so that it cannot drift from them."""

import re
from typing import Any

import msgspec
from apispec import APISpec

from aura_actors._version import __version__
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.operations import OPERATIONS
from aura_actors.edges.http.problems import TITLES
from aura_actors.wire.admission import Problem

REF = "#/components/schemas/{name}"
JSON, PROBLEM_JSON = "application/json", "application/problem+json"
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "Where tokens are configured. The names beside it at an operation are the scopes a token needs.",
}
READING: list[dict[str, list[str]]] = [{}, {"bearer": ["read"]}]
# What the guard or the decoder may answer before an operation is reached.
EVERYWHERE = (401, 403, 421, 503)
WITH_BODY = (400, 413, 415, 422)


def openapi_document() -> dict[str, Any]:
    """The whole document, as plain data."""
    types = sorted({t for op in OPERATIONS for t in (op.body, *op.responses.values()) if t is not None}, key=repr)
    types = [*dict.fromkeys([*types, Problem])]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    refs = dict(zip(types, schemas, strict=True))
    spec = APISpec(
        title="aura_actors",
        version=__version__,
        openapi_version="3.1.0",
        info={"description": "Measure the machine, ask for room before heavy work, see who holds what."},
        security=[{}, {"bearer": []}],
    )
    spec.components.security_scheme("bearer", BEARER)
    for name, schema in sorted(components.items()):
        spec.components.schema(name, schema)
    for operation in OPERATIONS:
        spec.path(operation.path, operations={operation.method.lower(): _operation(operation, refs)})
    for path, summary, content in (
        ("/metrics", "The Prometheus exposition; OpenMetrics where it is asked for.", "text/plain"),
        ("/api/metrics/prometheus", "The same as /metrics, under the guide's name.", "text/plain"),
        ("/openapi.json", "This document.", JSON),
    ):
        answer = {
            "200": {"description": summary, "content": {content: {"schema": {}}}},
            **_problems(EVERYWHERE, refs),
        }
        described = {"summary": summary, "tags": ["metrics"], "security": READING, "responses": answer}
        spec.path(path, operations={"get": described})
    return spec.to_dict()


def _operation(operation: Operation, refs: dict[Any, Any]) -> dict[str, Any]:
    statuses = [*EVERYWHERE, *(WITH_BODY if operation.body else ())]
    if operation.path_types:
        statuses.append(422)
    answers = {str(status): _response(status, body, refs) for status, body in operation.responses.items()}
    for status, answer in _problems(statuses, refs).items():
        answers.setdefault(status, answer)
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_other_parameters(operation)],
        "responses": dict(sorted(answers.items())),
    }
    described["security"] = [{}] if operation.scope is None else [{}, {"bearer": [operation.scope]}]
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {JSON: {"schema": refs[operation.body]}},
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": msgspec.json.schema(operation.path_types.get(name, str)),
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _other_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name.removeprefix("?"),
            "in": "query" if name.startswith("?") else "header",
            "required": False,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in operation.parameters.items()
    ]


def _problems(statuses: tuple[int, ...] | list[int], refs: dict[Any, Any]) -> dict[str, Any]:
    return {str(status): _response(status, Problem, refs) for status in statuses}


def _response(status: int, body: Any, refs: dict[Any, Any]) -> dict[str, Any]:
    description = TITLES.get(status, "Done")
    if body is None:
        return {"description": description}
    content = PROBLEM_JSON if body is Problem else JSON
    return {"description": description, "content": {content: {"schema": refs[body]}}}
