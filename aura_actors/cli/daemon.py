"""Asking a running daemon over HTTP: where it is, with which token, and what its refusals mean to a user.

Owns the choice of address (`--url`, `AURA_URL`, the default) and turns every failure into one sentence. Reads no
answer but a problem document, and never loads the server.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx2
import msgspec
from cyclopts import Parameter

from aura_actors.cli.text import printable
from aura_actors.client.address import socket_path_of
from aura_actors.client.run.remote import Reply
from aura_actors.client.trust import tls_fault, trusted
from aura_actors.errors import Conflict, Gone, InvalidValue, NotFound, Unavailable, UsageError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 15.0
_DETAIL_LIMIT: Final = 300
_USAGE: Final[dict[int, type[UsageError]]] = {HTTPStatus.CONFLICT: Conflict, HTTPStatus.GONE: Gone}
_DECLINED: Final = "/problems/declined"

T = TypeVar("T")

Url = Annotated[
    str | None,
    Parameter(help=f"Where the daemon is: http://…, https://… or unix:/path. AURA_URL, else {DEFAULT_URL}."),
]
TokenFile = Annotated[Path | None, Parameter(help="File with the bearer token; AURA_TOKEN otherwise.")]


class Declined(Conflict):
    """The call was right, and what it asked for was declined when its turn came."""


class _Problem(msgspec.Struct):
    """The part of a problem document that a user reads, and what kind it is of."""

    type: str = ""
    detail: str | None = None
    title: str | None = None


class Daemon:
    """One daemon, for a few requests."""

    def __init__(self, client: httpx2.Client, where: str, token: str | None) -> None:
        self._client = client
        self.where = where
        """As it was given."""
        self.url = printable(where)
        """The same for people."""
        self.token = token
        """What is shown to it, if anything."""

    def get(self, path: str) -> bytes:
        """The body of a 200. Raises Unavailable with one sentence for everything else."""
        return self._request("GET", path, None)

    def post(self, path: str, body: Mapping[str, object], *, wait_seconds: float = 0.0) -> bytes:
        """The body of a 200 or 202, or nothing of a 204; the answer may take `wait_seconds` longer.

        Raises UsageError where it is the call, Unavailable otherwise.
        """
        return self._request("POST", path, msgspec.json.encode(body), wait_seconds)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
        within_seconds: float | None = None,
    ) -> Reply:
        """One request whose answer may take `wait_seconds` longer, whatever its status. Raises Unavailable.

        `within_seconds` is for each step of it, instead.
        """
        timeout = _patience(wait_seconds) if within_seconds is None else httpx2.Timeout(within_seconds)
        content = None if body is None else msgspec.json.encode(body)
        answer = self._send(method, path, content, headers or {}, timeout)
        return Reply(status=answer.status_code, content=answer.content)

    def decode(self, answer: bytes, kind: type[T]) -> T:
        """An answer as the Struct that this version expects. Raises Unavailable where it is something else."""
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self.url} answered something that this version does not know: {error}") from error

    def _request(self, method: str, path: str, body: bytes | None, wait_seconds: float = 0.0) -> bytes:
        answer = self._send(method, path, body, timeout=_patience(wait_seconds))
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
            raise self._refusal(answer)
        return answer.content

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] = {},
        timeout: httpx2.Timeout | None = None,
    ) -> httpx2.Response:
        typed = {"Content-Type": "application/json"} if body is not None else {}
        patience = httpx2.USE_CLIENT_DEFAULT if timeout is None else timeout
        try:
            return self._client.request(method, path, content=body, headers={**typed, **headers}, timeout=patience)
        except httpx2.TimeoutException as error:
            raise Unavailable(f"the daemon at {self.url} did not answer in time; is it the right --url?") from error
        except httpx2.ConnectError as error:
            if fault := tls_fault(error):
                raise Unavailable(f"no daemon answers at {self.url}: {fault}") from error
            raise Unavailable(
                f"no daemon answers at {self.url}: "
                "start one with `aura-actors serve`, or say where it is with --url"
            ) from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"the daemon at {self.url} could not be asked: {error}") from error

    def _refusal(self, answer: httpx2.Response) -> Exception:
        status, detail = answer.status_code, _detail(answer.content)
        if _problem(answer.content).type == _DECLINED:
            return Declined(detail)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidValue(detail or "the daemon refused a value")
        if status == HTTPStatus.NOT_FOUND and detail:
            return NotFound(detail)
        if family := _USAGE.get(status):
            return family(detail or f"the daemon answered {status}")
        if status == HTTPStatus.UNAUTHORIZED:
            if "Authorization" in self._client.headers:
                return Unavailable(f"the daemon at {self.url} does not accept this token")
            return Unavailable(f"the daemon at {self.url} wants a token: set AURA_TOKEN or pass --token-file")
        reason = f": {detail}" if detail else ""
        return Unavailable(f"{self.url} answered {status} to {answer.request.url.path}{reason}")


@contextmanager
def open_daemon(
    url: str | None, token_file: Path | None, environ: Mapping[str, str] = os.environ
) -> Iterator[Daemon]:
    """The daemon that the options and the environment mean. Raises UsageError where they mean none."""
    option = "--url" if url else "AURA_URL"
    where = url or environ.get("AURA_URL") or DEFAULT_URL
    token = _token(token_file, environ)
    with _client(where, option, token) as client:
        yield Daemon(client, where, token)


def _client(where: str, option: str, token: str | None) -> httpx2.Client:
    parts = _split(where, option)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
    # A proxy of the environment has no business between us and a daemon on this machine or next to it.
    transport = httpx2.HTTPTransport(
        verify=trusted(parts.scheme == "https"),
        trust_env=False,
        uds=socket_path_of(where) if parts.scheme == "unix" else None,
    )
    base_url = "http://localhost" if parts.scheme == "unix" else where
    return httpx2.Client(base_url=base_url, transport=transport, headers=headers, timeout=timeout, trust_env=False)


def _patience(wait_seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(_ANSWER_SECONDS + wait_seconds, connect=_CONNECT_SECONDS)


def _split(where: str, option: str) -> SplitResult:
    wanted = "expected http://HOST:PORT, https://HOST:PORT or unix:/path"
    try:
        parts = urlsplit(where)
        complete = parts.path.startswith("/") if parts.scheme == "unix" else parts.hostname and parts.port != 0
        httpx2.URL(where)
    except (ValueError, httpx2.InvalidURL) as error:
        raise InvalidValue(f'{wanted}, got "{printable(where)}"', path=option) from error
    if parts.username is not None or parts.password is not None:
        raise InvalidValue("a user name or password does not belong in it; set AURA_TOKEN", path=option)
    if parts.scheme not in ("http", "https", "unix") or not complete:
        raise InvalidValue(f'{wanted}, got "{printable(where)}"', path=option)
    return parts


def _token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token, or None; errors never repeat it."""
    if file is None:
        source, token = "AURA_TOKEN", environ.get("AURA_TOKEN", "").strip()
    else:
        source, token = "--token-file", _read(file)
    if file is None and not token:
        return None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidValue("a token is printable ASCII without spaces, and not empty", path=source)
    return token


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise InvalidValue(f"cannot read {printable(str(file))}: {reason}", path="--token-file") from error


def _detail(body: bytes) -> str:
    """The sentence in a problem document; nothing where the answer is something else."""
    problem = _problem(body)
    return printable(problem.detail or problem.title or "")[:_DETAIL_LIMIT]


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem()
