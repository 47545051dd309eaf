"""Where a daemon is and what is shown to it: from `http://…`, `https://…` or `unix:/path` to HTTP clients for it.

Owns the notation, the choice of transport and the time that a connection may take. Sends nothing.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from aura_actors.client.exchange import socket_path_of
from aura_actors.client.trust import trusted
from aura_actors.errors import InvalidValue

DEFAULT_URL: Final = "http://127.0.0.1:8080"
CONNECT_SECONDS: Final = 3.0
IDLE_SECONDS: Final = 5.0
"""An idle connection is not used again after this: the daemon closes it after 15 s."""
_ONE: Final = httpx2.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS)
_WANTED: Final = "expected http://HOST:PORT, https://HOST:PORT or unix:/path"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon. `headers` are sent with every request, the token among them."""

    url: str
    socket_path: str | None
    headers: dict[str, str]

    @property
    def is_local(self) -> bool:
        """It is on this machine for certain: a unix socket, or loopback."""
        host = httpx2.URL(self.url).host
        if self.socket_path is not None or host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def async_client(self) -> httpx2.AsyncClient:
        """For the program's own loop; one request at a time."""
        transport = httpx2.AsyncHTTPTransport(limits=_ONE, **self._transport())
        return httpx2.AsyncClient(base_url=self._base, transport=transport, **self._options())

    def blocking_client(self) -> httpx2.Client:
        """For a thread; one request at a time."""
        transport = httpx2.HTTPTransport(limits=_ONE, **self._transport())
        return httpx2.Client(base_url=self._base, transport=transport, **self._options())

    @property
    def _base(self) -> str:
        return "http://localhost" if self.socket_path is not None else self.url

    def _transport(self) -> dict[str, Any]:
        return {"verify": trusted(self._base.startswith("https")), "trust_env": False, "uds": self.socket_path}

    def _options(self) -> dict[str, Any]:
        timeout = httpx2.Timeout(CONNECT_SECONDS, pool=None)
        # A proxy of the environment has no business between us and a daemon on this machine or next to it.
        return {"headers": self.headers, "timeout": timeout, "trust_env": False, "follow_redirects": False}

    def __repr__(self) -> str:
        """Without the token: a log line may hold this."""
        return f"Address({self.url})"


def address_of(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Address:
    """The daemon that is meant: `AURA_URL` and `AURA_TOKEN` where nothing is given. Raises InvalidValue."""
    where = (url or environ.get("AURA_URL") or DEFAULT_URL).rstrip("/")
    shown = token if token is not None else environ.get("AURA_TOKEN", "").strip() or None
    headers = {"Accept": "application/json"}
    if shown is not None:
        headers["Authorization"] = f"Bearer {_checked(shown)}"
    return Address(url=where, socket_path=_socket_path(where), headers=headers)


def _socket_path(where: str) -> str | None:
    """The path of a unix socket; None for TCP."""
    try:
        parts = urlsplit(where)
        is_unix = parts.scheme == "unix"
        complete = parts.path.startswith("/") if is_unix else parts.hostname and parts.port != 0
        httpx2.URL(where)
    except (ValueError, httpx2.InvalidURL) as error:
        raise InvalidValue(f"{_WANTED}, got {where!r}", path="url") from error
    if parts.username is not None or parts.password is not None:
        raise InvalidValue("a user name or password does not belong in it; give the token", path="url")
    if parts.scheme not in ("http", "https", "unix") or not complete:
        raise InvalidValue(f"{_WANTED}, got {where!r}", path="url")
    return socket_path_of(where) if is_unix else None


def _checked(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidValue("a token is printable ASCII without spaces, and not empty", path="token")
    return token
