"""Asking a running daemon over HTTP: where it is, with which token, and what its refusals mean to a user.

Owns the choice of address (`--url`, `AURA_URL`, the default) and turns every failure into one sentence. Reads no
answer but a problem document, and never loads the server.
"""

import os
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from cyclopts import Parameter

from aura_actors.cli.text import printable
from aura_actors.client.exchange import NotConnected, Reply, exchange
from aura_actors.client.trust import tls_fault
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

    def __init__(self, where: str, token: str | None) -> None:
        self.where = where
        """As it was given."""
        self.url = printable(where)
        """The same for people."""
        self.token = token
        """What is shown to it, if anything."""
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

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
        content = None if body is None else msgspec.json.encode(body)
        connect_seconds, answer_seconds = _CONNECT_SECONDS, _ANSWER_SECONDS + wait_seconds
        if within_seconds is not None:
            connect_seconds = answer_seconds = within_seconds
        return self._exchange(method, path, content, headers or {}, connect_seconds, answer_seconds)

    def decode(self, answer: bytes, kind: type[T]) -> T:
        """An answer as the Struct that this version expects. Raises Unavailable where it is something else."""
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self.url} answered something that this version does not know: {error}") from error

    def _request(self, method: str, path: str, body: bytes | None, wait_seconds: float = 0.0) -> bytes:
        answer = self._exchange(method, path, body, {}, _CONNECT_SECONDS, _ANSWER_SECONDS + wait_seconds)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
            raise self._refusal(answer, path)
        return answer.content

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        connect_seconds: float,
        answer_seconds: float,
    ) -> Reply:
        typed = {"Content-Type": "application/json"} if body is not None else {}
        try:
            return exchange(
                self.where,
                method,
                path,
                body,
                {**self._headers, **typed, **headers},
                connect_seconds=connect_seconds,
                answer_seconds=answer_seconds,
            )
        except TimeoutError as error:
            raise Unavailable(f"the daemon at {self.url} did not answer in time; is it the right --url?") from error
        except NotConnected as error:
            if fault := tls_fault(error):
                raise Unavailable(f"no daemon answers at {self.url}: {fault}") from error
            raise Unavailable(
                f"no daemon answers at {self.url}: "
                "start one with `aura-actors serve`, or say where it is with --url"
            ) from error
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the daemon at {self.url} could not be asked: {error}") from error

    def _refusal(self, answer: Reply, path: str) -> Exception:
        status, detail = answer.status, _detail(answer.content)
        if _problem(answer.content).type == _DECLINED:
            return Declined(detail)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidValue(detail or "the daemon refused a value")
        if status == HTTPStatus.NOT_FOUND and detail:
            return NotFound(detail)
        if family := _USAGE.get(status):
            return family(detail or f"the daemon answered {status}")
        if status == HTTPStatus.UNAUTHORIZED:
            if self.token is not None:
                return Unavailable(f"the daemon at {self.url} does not accept this token")
            return Unavailable(f"the daemon at {self.url} wants a token: set AURA_TOKEN or pass --token-file")
        reason = f": {detail}" if detail else ""
        return Unavailable(f"{self.url} answered {status} to {path}{reason}")


def find_daemon(url: str | None, token_file: Path | None, environ: Mapping[str, str] = os.environ) -> Daemon:
    """The daemon that the options and the environment mean. Raises UsageError where they mean none."""
    option = "--url" if url else "AURA_URL"
    where = url or environ.get("AURA_URL") or DEFAULT_URL
    token = _token(token_file, environ)
    _check(where, option)
    return Daemon(where, token)


def _check(where: str, option: str) -> None:
    wanted = "expected http://HOST:PORT, https://HOST:PORT or unix:/path"
    try:
        parts = urlsplit(where)
        complete = parts.path.startswith("/") if parts.scheme == "unix" else parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise InvalidValue(f'{wanted}, got "{printable(where)}"', path=option) from error
    if parts.username is not None or parts.password is not None:
        raise InvalidValue("a user name or password does not belong in it; set AURA_TOKEN", path=option)
    visible = where.isprintable() and " " not in parts.netloc
    if parts.scheme not in ("http", "https", "unix") or not complete or not visible:
        raise InvalidValue(f'{wanted}, got "{printable(where)}"', path=option)


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
