"""Who may talk to us: the rules for `Host`, `Origin` and the bearer token, the same for HTTP and the feed.

Owns the judgement of one request by its headers, as a pure function, and the wording of a refusal. Knows no
server, no socket and no route beyond the paths that answer without a token; tokens are `tokens`' to compare.
"""

import ipaddress
import re
from functools import lru_cache

import msgspec

from aura_actors.edges.tokens import STRANGER, Credential, Headers, Standing, authenticate, header_values
from aura_actors.wire.scopes import Scope

_HOST = re.compile(rb"(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?\Z")
_ORIGIN = re.compile(rb"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#@]+)\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WILDCARDS = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound
_OPEN_PREFIXES = ("/health/", "/static/")

FEED_PROTOCOL = "aura.v1"


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not looked at any further, as an HTTP answer."""

    status: int
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force.

    `bound_hosts` are the names and addresses that we listen on (none for a unix socket alone). `allowed_hosts`
    may carry a port, which is ignored; `allowed_origins` are `scheme://host[:port]`. `machine_name` counts as
    ours where a wildcard address is bound. `root_path` is the prefix under which we are published, without a
    slash at its end. `token` opens everything; `credentials` are those with a name, each for its scopes.
    `trusted_proxies` are addresses and networks whose word for their client's address is taken, and `unix`.
    """

    bound_hosts: tuple[str, ...] = ("127.0.0.1",)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    token: str | None = None
    credentials: tuple[Credential, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""
    machine_name: str | None = None

    @property
    def loopback_only(self) -> bool:
        """True where nobody but this machine can connect."""
        return all(_is_loopback(_plain(host)) for host in self.bound_hosts)

    def __repr__(self) -> str:
        """Without the tokens: a log line may hold this."""
        return f"Access({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """As `__repr__`: msgspec's own would show the token."""
        return [
            ("bound_hosts", self.bound_hosts),
            ("token", "none" if self.token is None else "set"),
            ("credentials", self.credentials),
            ("root_path", self.root_path),
        ]

    @property
    def accepted(self) -> tuple[Credential, ...]:
        """Every token that opens something; none where none is asked for."""
        single = () if self.token is None else (Credential(token=self.token),)
        return (*single, *self.credentials)


def judge(access: Access, *, path: str, headers: Headers, scheme: str = "http") -> Refusal | Standing:
    """Judge an HTTP request by its decoded path (with `root_path`) and headers; a standing lets it in.

    Whether that suffices for what it asks is the operation's to say (`lacks`).
    """
    refusal = judge_names(access, headers=headers, scheme=scheme)
    if refusal is not None:
        return refusal
    if access.root_path and path == access.root_path:  # as `serve` prints it, and people type it
        return Refusal(308, "Permanent Redirect", f"The page is at {path}/.", (("Location", f"{path}/"),))
    standing = authenticate(access.accepted, headers=headers)
    if standing is None:
        return STRANGER if is_open(access, path) else TOKEN_REFUSED
    return standing


def lacks(scope: Scope) -> Refusal:
    """What is said to a token that is known, and not for this."""
    challenge = f'Bearer realm="aura-actors", error="insufficient_scope", scope="{scope}"'
    detail = f"This token may not do that: it has not the scope `{scope}`."
    return Refusal(403, "Forbidden", detail, (("WWW-Authenticate", challenge),))


def judge_names(access: Access, *, headers: Headers, scheme: str = "http") -> Refusal | None:
    """Judge `Host` and `Origin`: against DNS rebinding and foreign pages."""
    hosts = header_values(headers, b"host")
    parsed = _parse_host(hosts[0]) if len(hosts) == 1 else None
    if parsed is None:
        return Refusal(400, "Bad Request", "The request needs exactly one well-formed Host header.")
    name, port = parsed
    if not _is_ours(access, name):
        return Refusal(421, "Misdirected Request", f"{name} is not served here; see [http] allowed_hosts.")
    origins = header_values(headers, b"origin")
    same = (scheme, name, port if port is not None else _DEFAULT_PORTS.get(scheme))
    if any(not _may_come_from(access, origin, same) for origin in origins) or len(origins) > 1:
        return Refusal(403, "Forbidden", "Pages of this origin may not call here; see [http] allowed_origins.")
    return None


def is_open(access: Access, path: str) -> bool:
    """True for what answers without a token: the page, its files and the health checks."""
    if not path.startswith(access.root_path):
        return False
    inner = path.removeprefix(access.root_path)
    return inner == "/" or inner.startswith(_OPEN_PREFIXES)


TOKEN_REFUSED = Refusal(
    401,
    "Unauthorized",
    "This daemon asks for a token: send `Authorization: Bearer TOKEN`.",
    (("WWW-Authenticate", 'Bearer realm="aura-actors"'),),
)


@lru_cache(maxsize=256)
def _parse_host(value: bytes) -> tuple[str, int | None] | None:
    """Name (plain, see below) and port of `host[:port]`; None where it is not that."""
    match = _HOST.match(value)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65_535:
        return None
    if match["ip6"] is None:
        return _plain(match["name"].decode("ascii")), port
    try:
        return _plain(str(ipaddress.IPv6Address(match["ip6"].decode("ascii")))), port
    except ValueError:
        return None


def _plain(host: str) -> str:
    """One spelling per host: lower case, no brackets, no dot at the end, IPv4 inside IPv6 as IPv4."""
    name = host.strip("[]").lower().removesuffix(".")
    address = _address(name)
    if address is None:
        return name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def _is_ours(access: Access, name: str) -> bool:
    if _is_loopback(name):
        return True
    if name in {_plain(bound) for bound in access.bound_hosts} - _WILDCARDS:
        return True
    allowed = (_parse_host(host.encode()) for host in access.allowed_hosts)
    if name in {host[0] for host in allowed if host is not None}:
        return True
    if _WILDCARDS.isdisjoint(access.bound_hosts):
        return False
    machine = None if access.machine_name is None else _plain(access.machine_name)
    return _address(name) is not None or name == machine


def _may_come_from(access: Access, origin: bytes, same: tuple[str, str, int | None]) -> bool:
    parsed = _parse_origin(origin)
    if parsed is None:
        return False
    return parsed == same or parsed in {_parse_origin(allowed.encode()) for allowed in access.allowed_origins}


def _parse_origin(value: bytes) -> tuple[str, str, int | None] | None:
    match = _ORIGIN.match(value)
    host = _parse_host(match["authority"]) if match else None
    if match is None or host is None:
        return None
    scheme = match["scheme"].decode("ascii").lower()
    return scheme, host[0], host[1] if host[1] is not None else _DEFAULT_PORTS.get(scheme)
