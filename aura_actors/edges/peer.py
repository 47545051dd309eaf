"""Who a request came from: the connection's other end, and the token that was shown on it.

Owns what is asked of a socket, whose word is taken for an address (trusted proxies), and the rule for the owner of
a lease. Knows no route, and not what a token may open.
"""

import ipaddress
import socket
import struct
from collections.abc import Sequence

import msgspec
import trio

from aura_actors.collectors.identity import Peer, claim, with_group
from aura_actors.collectors.process_look import start_ticks_of
from aura_actors.domain.needs import ProcessIdentity
from aura_actors.edges.tokens import Headers, Standing, header_values
from aura_actors.wire.scopes import Scope

ANONYMOUS = "anonymous"
UNIX = "unix"
"""In `trusted_proxies`: whoever connects to the unix socket."""
_FORWARDING = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
_CREDENTIALS = struct.Struct("iII")

Address = tuple[str, int]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who one request came from. Without arguments: nobody known, who may do nothing."""

    token_name: str | None = None
    """None where no token was asked for, or for the one token without a name."""
    scopes: frozenset[Scope] = frozenset()
    peer: Peer = msgspec.field(default_factory=Peer)
    """The other end of the connection, which is the proxy where there is one."""
    host: str = ""
    """The client's address, also behind a trusted proxy; empty for a unix socket."""
    proxied: bool = False
    """Somebody stands between us and the client, or the request says so."""
    trusted_proxy: bool = False
    """The one at the other end only passes on what others ask for."""

    @property
    def unix_uid(self) -> int | None:
        """The user at the other end of a unix socket; None for TCP and for a trusted proxy's."""
        return None if self.trusted_proxy else self.peer.unix_uid

    @property
    def unix_pid(self) -> int | None:
        """The process that connected to the unix socket, as `unix_uid`."""
        return None if self.trusted_proxy else self.peer.unix_pid

    @property
    def address(self) -> Address | None:
        """The TCP connection's other end; None for a unix socket."""
        return self.peer.address

    @property
    def local_port(self) -> int | None:
        """The port of ours that it came to; None for a unix socket."""
        return None if self.peer.local is None else self.peer.local[1]

    def claim(self, pid: int, group: str | None = None) -> ProcessIdentity:
        """The process that this caller means by `pid`, and the control group that is its job's alone.

        As `collectors.identity.claim` and `with_group`, which raise InvalidValue.

        Blocks for half a second at most: call it in a worker thread.
        """
        found = claim(pid, self.peer, proxied=self.proxied)
        return found if group is None else with_group(found, group)


def owner_of(caller: Caller, body_owner: str | None) -> str:
    """Whose a lease is: the token's name, else `uid:1000` of the unix peer, else the body's word, else `anonymous`.

    What is known of the caller wins over what it says: where the two differ, the body's owner is ignored, so nobody
    can speak for others. Where nothing is known (TCP without a named token) owners are trusted.
    """
    if caller.token_name is not None:
        return caller.token_name
    if caller.unix_uid is not None:
        return f"uid:{caller.unix_uid}"
    return body_owner or ANONYMOUS


def peer_of(sock: trio.socket.SocketType) -> Peer:
    """Ask the socket who is at its other end. Reads one file of `/proc` for a unix socket, nothing for TCP."""
    if sock.family == socket.AF_UNIX:
        return _unix_peer(sock)
    try:
        there, here = sock.getpeername(), sock.getsockname()
    except OSError:  # gone already
        return Peer()
    return Peer(address=_plain(there), local=_plain(here))


def caller_of(standing: Standing, peer: Peer, headers: Headers, trusted_proxies: Sequence[str] = ()) -> Caller:
    """Put together what the connection, the token and the headers say."""
    trusted = _is_trusted(UNIX if peer.address is None else peer.address[0], trusted_proxies)
    host = "" if peer.address is None else peer.address[0]
    return Caller(
        token_name=standing.token_name,
        scopes=standing.scopes,
        peer=peer,
        host=_forwarded_for(headers, trusted_proxies) or host if trusted else host,
        proxied=trusted or any(header_values(headers, name) for name in _FORWARDING),
        trusted_proxy=trusted,
    )


def _unix_peer(sock: trio.socket.SocketType) -> Peer:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # not Linux
        return Peer()
    try:
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    except OSError:
        return Peer()
    return Peer(unix_uid=uid, unix_pid=pid, unix_start_ticks=start_ticks_of(pid))


def _plain(name: tuple[str, int]) -> Address:
    """Without the zone of an IPv6 address, and IPv4 inside IPv6 as IPv4."""
    address = ipaddress.ip_address(name[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), name[1]


def _forwarded_for(headers: Headers, trusted_proxies: Sequence[str]) -> str | None:
    """The last address of `X-Forwarded-For` that is no trusted proxy's: those before it are the client's word."""
    hops = b",".join(header_values(headers, b"x-forwarded-for")).decode("latin-1").split(",")
    for hop in reversed(hops):
        try:
            host, _ = _plain((hop.strip().strip("[]"), 0))
        except ValueError:
            return None
        if not _is_trusted(host, trusted_proxies):
            return host
    return None


def _is_trusted(host: str, trusted_proxies: Sequence[str]) -> bool:
    if host == UNIX:
        return UNIX in trusted_proxies
    networks = (ipaddress.ip_network(each, strict=False) for each in trusted_proxies if each != UNIX)
    return any(ipaddress.ip_address(host) in network for network in networks)
