"""`/docs`: the OpenAPI document as a page for people, with nothing loaded from elsewhere."""

from html import escape
from typing import Any

from aura_actors.edges.http.document import EVERYWHERE

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>aura_actors: HTTP</title><link rel="stylesheet" href="./static/app.css"></head>
<body><div><h1>HTTP interface</h1>
<p>The same for programs: <a href="./openapi.json">openapi.json</a>. Errors are application/problem+json; any
operation may answer 401 (token), 403 (scope, origin), 421 (host) and 503 (not now).</p>
"""


def manual(document: dict[str, Any]) -> bytes:
    """The page: every operation with its parameters, body and answers, then every schema."""
    parts = [HEAD]
    for path, operations in document["paths"].items():
        parts += [_operation(method, path, operation) for method, operation in operations.items()]
    parts.append("<h2>Schemas</h2>")
    parts += [_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "".join([*parts, "</div></body></html>\n"]).encode()


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        ("in the path" if p["in"] == "path" else p["in"], p["name"], p.get("description", ""))
        for p in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        rows.append(("body", _type(operation["requestBody"]["content"]["application/json"]["schema"]), ""))
    scopes = [scope for each in operation.get("security", ()) for scope in each.get("bearer", ())]
    rows += [("scope", scope, "that a token needs, where tokens are asked for") for scope in scopes]
    for status, answer in operation["responses"].items():
        if int(status) in EVERYWHERE:
            continue
        content: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
        rows.append((status, _type(content.get("schema", {})), answer["description"]))
    title = f"<code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}"
    return f'<section class="card"><h3>{title}</h3>{_table(rows)}</section>'


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (field, _type(kind), ("required. " if field in required else "") + kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    ]
    about = escape(schema.get("description", ""))
    return (
        f'<section class="card" id="{escape(name)}"><h3>{escape(name)}</h3><p>{about}</p>{_table(rows)}</section>'
    )


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(str(each) for each in schema["enum"])
    return str(schema.get("format") or schema.get("type", ""))
