"""The OpenAPI 3.1 document, made from the operations and the public Structs, so that it cannot drift from them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from apispec import APISpec

from aura_actors._version import __version__
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.described import describe
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
# What the server, the guard or the decoder may answer before an operation is reached.
EVERYWHERE = (400, 401, 403, 405, 421, 500, 503)
WITH_BODY = (408, 413, 415, 422)
WITH_PATH = (404, 422)
HEADERS = {
    202: ("Retry-After", "Seconds after which asking again makes sense; asking at once waits on."),
    401: ("WWW-Authenticate", "How to show who asks."),
    405: ("Allow", "The methods that there are."),
    429: ("Retry-After", "Seconds after which asking again makes sense."),
    503: ("Retry-After", "Seconds after which asking again makes sense."),
}


def openapi_document() -> dict[str, Any]:
    """The whole document, as plain data."""
    types = list(dict.fromkeys([*sorted(_types(), key=repr), Problem]))
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    describe(components, types)
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
        about = {"operationId": path.strip("/").replace("/", "_").replace(".", "_"), "summary": summary}
        spec.path(
            path, operations={"get": {**about, "tags": ["metrics"], "security": READING, "responses": answer}}
        )
    return spec.to_dict()


def _types() -> set[Any]:
    return {kind for op in OPERATIONS for body in (op.body, *op.responses.values()) for kind in _kinds(body)}


def _kinds(body: Any) -> Iterator[Any]:
    """The types of one body: none, one, or several of which it is one."""
    if body is not None:
        yield from body if isinstance(body, tuple) else (body,)


def _operation(operation: Operation, refs: dict[Any, Any]) -> dict[str, Any]:
    statuses = [
        *EVERYWHERE,
        *(WITH_BODY if operation.body else ()),
        *(WITH_PATH if operation.path_types else ()),
    ]
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
    if operation.description:
        described["description"] = operation.description
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {JSON: {"schema": refs[operation.body]}},
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [_path_parameter(operation, name) for name in re.findall(r"{(\w+)}", operation.path)]


def _path_parameter(operation: Operation, name: str) -> dict[str, Any]:
    schema = msgspec.json.schema(operation.path_types.get(name, str))
    about = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": "path", "required": True, **about, "schema": schema}


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


def _problems(statuses: Iterable[int], refs: dict[Any, Any]) -> dict[str, Any]:
    return {str(status): _response(status, Problem, refs) for status in statuses}


def _response(status: int, body: Any, refs: dict[Any, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": TITLES.get(status, "Done")}
    if status in HEADERS:
        name, text = HEADERS[status]
        answer["headers"] = {name: {"description": text, "schema": {"type": "string"}}}
    schemas = [refs[kind] for kind in _kinds(body)]
    if schemas:
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        answer["content"] = {PROBLEM_JSON if body is Problem else JSON: {"schema": schema}}
    return answer
