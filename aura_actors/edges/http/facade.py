"""Quart-Trio as we use it: what no route of ours needs is left out of the way of every request.

Owns every use of Quart's insides (pinned to one minor version). There are no hooks, signals, sessions, forms and
streamed answers; a body is read by whoever wants it, in the request's own task; and a client that goes away is the
server's to notice (`edges/http_server.py`), which cancels the request. Knows no route.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

from quart import Response
from quart.ctx import RequestContext
from quart.sessions import NullSession, SessionInterface
from quart.typing import ResponseReturnValue, ResponseTypes
from quart.utils import encode_headers
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


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
    body_class = _Body  # type: ignore[assignment]


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


class _NoSessions(SessionInterface):
    _nobodys = NullSession()

    async def open_session(self, app: Any, request: Any) -> NullSession:
        return self._nobodys


class App(QuartTrio):
    """The application."""

    asgi_http_class = _Exchange
    request_class = _Request
    session_interface = _NoSessions()  # type: ignore[assignment]

    async def full_dispatch_request(self, request_context: RequestContext | None = None) -> ResponseTypes:
        """Route, call, answer."""
        result: ResponseReturnValue | HTTPException
        try:
            result = await self.dispatch_request(request_context)
        except HTTPException as error:
            result = await self.handle_user_exception(error)
        return await self.make_response(result)
