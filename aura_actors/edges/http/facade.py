"""Quart-Trio as we use it: what no route of ours needs is left out of the way of every request.

Owns every use of Quart's insides (pinned to one minor version). A view is given its request and what its path
names, and returns a response: there are no contexts, hooks, signals, sessions, forms, redirects and streamed
answers. A body is read by whoever wants it, in the request's own task; and a client that goes away is the server's
to notice (`edges/http_server.py`), which cancels the request. Knows no route.
"""

import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

from quart import Request, Response
from quart.routing import QuartRule
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, RequestEntityTooLarge

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
View = Callable[..., Awaitable[Response]]
"""Is given the request and, by name, the parts of its path that the route leaves open."""


class _Body:
    """The body of a request, received when it is awaited; in Quart's shape."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._expected = expected_content_length or 0
        self._most = max_content_length
        self._whole: bytes | None = None
        self.receive: Receive

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read().__await__()

    async def _read(self) -> bytes:
        """Raises RequestEntityTooLarge as soon as that is known."""
        if self._whole is None:
            self._check(self._expected)
            data, more = b"", True
            while more:
                message = await self.receive()
                if message["type"] != "http.request":
                    raise BadRequest("the client is gone")
                data, more = data + message["body"], message["more_body"]
                self._check(len(data))
            self._whole = data
        return self._whole

    def _check(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise RequestEntityTooLarge


class _Request(TrioRequest):
    body_class = _Body  # type: ignore[assignment]  # it has what a request asks of its body


class _Exchange(TrioASGIHTTPConnection):
    """One request and its answer, in one task and in two messages."""

    async def __call__(self, receive: Receive, send: Send) -> None:
        request = self._create_request_from_scope(send)
        cast("_Body", request.body).receive = receive
        await self._send_response(send, await self.app.handle_request(request))

    async def _send_response(self, send: Send, response: ResponseTypes) -> None:
        assert isinstance(response, Response), "every error has a handler that makes one"
        start = {"status": response.status_code, "headers": encode_headers(response.headers)}
        await send({"type": "http.response.start", **start})
        body = await response.get_data(as_text=False)
        await send({"type": "http.response.body", "body": body, "more_body": False})


class _Rule(QuartRule):
    """A route. None is ever written out as a link: the function for that is most of adding it, and is not made."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _no_link


def _no_link(*_: object, **__: object) -> tuple[str, str]:
    raise RuntimeError("routes are matched, and never written out")


class App(QuartTrio):
    """The application. `refuse` words the answer where no view has one: to a wrong path, or after our own error."""

    asgi_http_class = _Exchange
    request_class = _Request
    url_rule_class = _Rule  # type: ignore[assignment]  # declared as its parent

    def __init__(self, name: str, refuse: Callable[[HTTPException], Response]) -> None:
        super().__init__(name, static_folder=None)
        self.url_map.strict_slashes = self.url_map.merge_slashes = False
        self._routes = self.url_map.bind("")
        self._refuse = refuse

    def add(self, method: str, path: str, name: str, view: View) -> None:
        """Let `view` answer `method` on `path`, which has its open parts in pointed brackets."""
        self.add_url_rule(path, name, view, methods=[method], provide_automatic_options=False)

    async def handle_request(self, request: Request) -> Response:
        """Route, call, answer."""
        try:
            name, parts = self._routes.match(request.path, request.method)
            view = cast("View", self.view_functions[name])
            return await view(request, **parts)
        except HTTPException as error:
            return self._refuse(error)
        except Exception:  # logged: a guard of one request, as the task around it is of one connection
            self.logger.error("Exception on request %s %s", request.method, request.path, exc_info=sys.exc_info())
            return self._refuse(InternalServerError())
