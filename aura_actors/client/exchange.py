"""One question to a daemon and its answer, on a connection of its own: TCP, TLS or a unix socket. Blocking.

For commands, which ask a few times and end: they need the standard library alone, which is there in a tenth of the
time that a client for whole programs takes to load. Owns the socket and how long each step of it may take. Says
nothing to people.
"""

import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from aura_actors.client.trust import trusted

_RESERVED: Final = "/?#[]@!$&'()*+,;=:%"
"""What has a meaning in a path, or was escaped already."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of any status."""

    status: int
    content: bytes


class NotConnected(Exception):
    """Nothing was sent; the cause says why."""


def exchange(
    where: str,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    connect_seconds: float,
    answer_seconds: float,
) -> Reply:
    """Ask the daemon at `where`: `http://…`, `https://…` or `unix:/path`, seen to be one of them.

    Raises NotConnected, TimeoutError where a step takes longer than that, and OSError or HTTPException where the
    connection ends before the answer does. No proxy of the environment is asked: none has any business between us
    and a daemon on this machine or next to it.
    """
    connection = _connection(where, connect_seconds)
    try:
        try:
            connection.connect()
        except TimeoutError:
            raise
        except OSError as error:
            raise NotConnected(str(error)) from error
        connection.sock.settimeout(answer_seconds)
        connection.request(method, quote(_prefix(where) + path, safe=_RESERVED), body, dict(headers))
        answer = connection.getresponse()
        return Reply(status=answer.status, content=answer.read())
    finally:
        connection.close()


def socket_path_of(where: str) -> str:
    """The path in `unix:/path` or `unix:///path`, as it is: a `?` or `#` in it means nothing else."""
    path = where.removeprefix("unix:")
    return path[2:] if path.startswith("///") else path


class _UnixConnection(HTTPConnection):
    """The same protocol over a socket in the file system."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(where: str, timeout: float) -> HTTPConnection:
    parts = urlsplit(where)
    if parts.scheme == "unix":
        return _UnixConnection(socket_path_of(where), timeout)
    assert parts.hostname is not None, "it was seen to be there"
    if parts.scheme == "https":
        return HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=trusted(True))
    return HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def _prefix(where: str) -> str:
    """The path that a proxy in front of the daemon gives it."""
    parts = urlsplit(where)
    return "" if parts.scheme == "unix" else parts.path.rstrip("/")
