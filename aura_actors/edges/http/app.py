"""The HTTP application: operations, exposition, document and page as one Quart-Trio app.

Owns decoding and encoding and nothing of what an operation does. Who asks was found out before, by the guard;
whether that suffices for the operation is looked at here, before anything is decoded.
"""

import re
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any, Final

import msgspec
import trio
from quart import Request, Response
from werkzeug.exceptions import HTTPException

from aura_actors.edges.access import lacks
from aura_actors.edges.http import problems
from aura_actors.edges.http.api import CALLER, Answer, Call, Operation
from aura_actors.edges.http.facade import App, View
from aura_actors.edges.http.operations import OPERATIONS
from aura_actors.edges.http.page import HTML, SECURITY_HEADERS, StaticFile
from aura_actors.edges.http_server import CLOSING
from aura_actors.edges.peer import Caller
from aura_actors.edges.prometheus import Exposition
from aura_actors.edges.services import Services
from aura_actors.errors import AuraError
from aura_actors.wire.mismatch import in_words
from aura_actors.wire.scopes import Scope

BODY_SECONDS = 10
_THREADS: Final = trio.CapacityLimiter(1)

DETAILS = {
    404: "there is nothing at this path; /openapi.json lists what there is",
    500: "an internal error; it was logged",
}

UNREAD = (408, 413)
"""Answered before the body has ended: its rest is not waited for, and no further request can follow it."""


def build(services: Services, exposition: Exposition, files: dict[str, StaticFile], *, max_body_bytes: int) -> App:
    """The application. `files` is the page, read beforehand."""
    app = App("aura_actors", _refused)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    for operation in OPERATIONS:
        rule = re.sub(r"{(\w+)}", r"<\1>", operation.path)
        app.add(operation.method, rule, operation.handler.__name__, _view(operation, services))
    for path, name, answer in (
        ("/openapi.json", "openapi", _openapi),
        ("/docs", "docs", _docs),
        ("/metrics", "metrics", partial(_exposed, exposition)),
        ("/api/metrics/prometheus", "prometheus", partial(_exposed, exposition)),
        ("/feed", "feed", _upgrade_needed),
    ):
        _add(app, path, name, answer, scope="read")
    for path, file in files.items():
        _add(app, f"/{path}", f"file {path}", partial(_static, file), scope=None)
    return app


async def _openapi(_: Request) -> Answer:
    as_json, _page = await _documents()
    return Answer(body=as_json)


async def _docs(_: Request) -> Answer:
    _json, as_page = await _documents()
    return Answer(body=as_page, content_type=HTML, headers=SECURITY_HEADERS)


async def _documents() -> tuple[bytes, bytes]:
    """What describes the operations, for programs and for people; made when first asked for, and only once."""
    return await trio.to_thread.run_sync(_make_documents, limiter=_THREADS)


@cache
def _make_documents() -> tuple[bytes, bytes]:
    """The same for every application. Blocking, for a tenth of a second; most daemons are never asked."""
    from aura_actors.edges.http.document import openapi_document
    from aura_actors.edges.http.manual import manual

    document = openapi_document()
    return msgspec.json.encode(document), manual(document)


def _view(operation: Operation, services: Services) -> View:
    decoder = msgspec.json.Decoder(operation.body) if operation.body is not None else None

    async def view(request: Request, **path: str) -> Response:
        try:
            caller = _caller(request, operation.scope)
            _check_path(operation, path)
            body = None if decoder is None else await _body(request, operation, decoder)
            headers = {name.lower(): value for name, value in request.headers.items()}
            call = Call(
                services=services,
                caller=caller,
                path=path,
                query=request.args.to_dict(),
                headers=headers,
                body=body,
                closing=request.scope["state"][CLOSING],
            )
            return _response(await operation.handler(call))
        except _Unacceptable as refused:
            return _response(refused.answer)
        except msgspec.ValidationError as error:
            return _response(problems.from_validation(error))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raw = await request.get_data(as_text=False)
            return _response(problems.from_malformed(raw, error))
        except AuraError as error:
            return _response(problems.from_error(error))

    return view


class _Unacceptable(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _caller(request: Request, scope: Scope | None) -> Caller:
    """Who asks, as the guard has found; refused where it may not do what needs `scope`."""
    caller: Caller = request.scope["state"][CALLER]
    if scope is not None and scope not in caller.scopes:
        refusal = lacks(scope)
        raise _Unacceptable(problems.problem(refusal.status, refusal.detail, headers=dict(refusal.headers)))
    return caller


def _check_path(operation: Operation, path: dict[str, str]) -> None:
    for name, kind in operation.path_types.items():
        try:
            msgspec.convert(path[name], kind)
        except msgspec.ValidationError as error:
            raise _Unacceptable(
                problems.problem(422, f"{name} in the path: {in_words(str(error))}", kind="invalid-value")
            ) from None


async def _body(request: Request, operation: Operation, decoder: msgspec.json.Decoder[Any]) -> Any:
    raw = await request.get_data(as_text=False)
    if not raw and not operation.body_required:
        return operation.body()
    if request.mimetype != "application/json":
        raise _Unacceptable(problems.problem(415, "send the body as Content-Type: application/json"))
    return decoder.decode(raw)


def _add(
    app: App, path: str, name: str, answer: Callable[[Request], Awaitable[Answer]], *, scope: Scope | None
) -> None:
    async def view(request: Request) -> Response:
        try:
            _caller(request, scope)
        except _Unacceptable as refused:
            return _response(refused.answer)
        return _response(await answer(request))

    app.add("GET", path, name, view)


async def _exposed(exposition: Exposition, request: Request) -> Answer:
    return exposition.answer(request.headers.get("Accept", ""))


async def _static(file: StaticFile, request: Request) -> Answer:
    headers = {**SECURITY_HEADERS, "ETag": file.etag}
    if request.headers.get("If-None-Match") == file.etag:
        return Answer(body=b"", status=304, content_type=file.content_type, headers=headers)
    return Answer(body=file.content, content_type=file.content_type, headers=headers)


async def _upgrade_needed(_: Request) -> Answer:
    headers = {"Upgrade": "websocket", "Connection": "close"}
    return problems.problem(426, "the feed speaks WebSocket: send an upgrade on a new connection", headers=headers)


def _refused(error: HTTPException) -> Response:
    status = error.code or 500
    detail = DETAILS.get(status) or error.description or error.name
    headers = {}
    if status == 405 and (allowed := dict(error.get_headers()).get("Allow")):
        headers, detail = {"Allow": allowed}, f"this path takes {', '.join(sorted(allowed.split(', ')))}"
    elif status in UNREAD:
        headers = {"Connection": "close"}
    return _response(problems.problem(status, detail, headers=headers))


def _response(answer: Answer) -> Response:
    body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    response = Response(body, status=answer.status, content_type=answer.content_type, headers=dict(answer.headers))
    if answer.status == 204:  # RFC 9110: no content has neither length nor type
        del response.headers["Content-Type"], response.headers["Content-Length"]
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
