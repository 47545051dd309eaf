"""Which process a client means by a process id, and whether it is believed.

Owns the rule: an id means a process only to somebody who lives in our PID namespace, and nobody but root and the
daemon's own user speaks for other users' processes. What is known of the client is the kernel's word about its
connection, never its own. Blocking: call it in a worker thread.
"""

import ipaddress
import os
import time
from typing import NoReturn

import msgspec

from aura_actors.collectors.process_look import LARGEST_PID, identify, look, namespace_is_ours
from aura_actors.collectors.socket_owner import Address, owner_of_socket
from aura_actors.domain.needs import ProcessIdentity
from aura_actors.errors import InvalidValue

__all__ = ["Peer", "ProcessIdentity", "claim", "identify", "with_group"]

INIT = 1
_MOST_KEPT = 64
_WITHIN_SECONDS = 0.5
_USE_UNIX = "connect over the daemon's unix socket, or leave pid out"


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """The process at the other end of a connection, and its user."""

    pid: int
    uid: int


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """The other end of one connection, as the kernel describes it. Made once per connection.

    The three of `unix` are None for TCP, and where the system does not say; both addresses are None for a unix
    socket.
    """

    unix_uid: int | None = None
    unix_pid: int | None = None
    """0: of a PID namespace that we cannot see into."""
    unix_start_ticks: int | None = None
    """Of the process `unix_pid` when we accepted it; None where that had ended already."""
    address: Address | None = None
    local: Address | None = None
    """Our own end."""
    claims: dict[int, int] = msgspec.field(default_factory=dict)
    """Process ids believed on this connection, with their start times."""


def claim(
    pid: int, peer: Peer, *, proxied: bool = False, within_seconds: float = _WITHIN_SECONDS
) -> ProcessIdentity:
    """The process that `pid` means when this peer says it.

    Believed are a peer on a unix socket, and one on loopback whose socket is found in a process, in both cases of
    our own PID namespace; for processes of its own user, unless it is root or the daemon's user. A second claim of
    the same process on the connection costs one look. Raises InvalidValue (`/pid`) with one sentence.
    """
    until = time.monotonic() + within_seconds
    if not 0 < pid <= LARGEST_PID:
        _refuse(f"expected a process id from 1 to {LARGEST_PID}")
    if proxied:
        _refuse(f"a process id is not taken from behind a proxy; {_USE_UNIX}")
    _check_from_here(peer)
    found = look(pid)
    if found is None:
        _refuse("there is no such process")
    if peer.claims.get(pid) == found.identity.start_ticks:
        return found.identity
    witness = _unix_witness(peer) if peer.address is None else _loopback_witness(peer, pid, until)
    if pid in (INIT, os.getpid()) and witness.pid != pid:
        _refuse("neither the first process nor the daemon itself is a job of somebody else")
    if witness.uid not in (0, os.geteuid()) and found.uids != {witness.uid}:
        _refuse("this process belongs to another user")
    if len(peer.claims) >= _MOST_KEPT:
        peer.claims.clear()
    peer.claims[pid] = found.identity.start_ticks
    return found.identity


def with_group(found: ProcessIdentity, directory: str) -> ProcessIdentity:
    """The process as the first of a control group that is its job's alone. Raises InvalidValue (`/cgroup`).

    Believed is the group that the process is in, unless the daemon is in it too: then it is nobody's alone.
    """
    own = identify(os.getpid())
    if found.cgroup is None or found.cgroup != directory.rstrip("/"):
        raise InvalidValue("the process is not in this control group, as the daemon sees it", path="/cgroup")
    if own is not None and own.cgroup is not None and f"{own.cgroup}/".startswith(f"{found.cgroup}/"):
        raise InvalidValue("the daemon itself is in this control group", path="/cgroup")
    return msgspec.structs.replace(found, own_group=found.cgroup)


def _refuse(text: str) -> NoReturn:
    raise InvalidValue(text, path="/pid")


def _check_from_here(peer: Peer) -> None:
    """Refuse who cannot be of this machine before anything is looked at, so that nobody learns which ids exist."""
    ends = (peer.address, peer.local)
    if peer.address is not None and not all(end is not None and _is_loopback(end[0]) for end in ends):
        _refuse(f"a process id is not taken over the network; {_USE_UNIX}")
    if not namespace_is_ours():
        _refuse("this daemon does not see the processes of its own PID namespace; leave pid out")


def _is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _unix_witness(peer: Peer) -> Witness:
    if peer.unix_uid is None or peer.unix_pid is None:
        _refuse("this system does not say who is at the other end; leave pid out")
    if peer.unix_pid == 0:
        _refuse("the client lives in another PID namespace, where ids mean other processes; leave pid out")
    seen = look(peer.unix_pid)
    if seen is None or seen.identity.start_ticks != peer.unix_start_ticks:
        _refuse("the process that opened this connection has ended; connect again")
    if not seen.same_namespace:
        _refuse("the client lives in another PID namespace, where ids mean other processes; leave pid out")
    return Witness(pid=peer.unix_pid, uid=peer.unix_uid)


def _loopback_witness(peer: Peer, pid: int, until: float) -> Witness:
    assert peer.address is not None
    assert peer.local is not None
    owner = owner_of_socket(peer.address, peer.local, near=pid, until=until)
    if owner is None:
        _refuse(f"which process is at the other end could not be found out; {_USE_UNIX}")
    return Witness(pid=owner.seen.identity.pid, uid=owner.uid)
