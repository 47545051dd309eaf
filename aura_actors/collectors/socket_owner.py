"""Which process holds the other end of a loopback connection.

Owns the way from a pair of addresses to a socket's inode (`/proc/net/tcp`) and from there to a process that has it
open (`/proc/<pid>/fd`). Bounded in time. Refuses to know what for.
"""

import ipaddress
import os
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from aura_actors.collectors.files import read_small
from aura_actors.collectors.process_look import Seen, look
from aura_actors.collectors.procfs import parse_stat

T = TypeVar("T")
Address = tuple[str, int]
"""An IP address without brackets or zone, and a port."""

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_MAPPED = bytes(10) + b"\xff\xff"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has the socket open, and the user who made the socket."""

    seen: Seen
    uid: int


def owner_of_socket(local: Address, remote: Address, *, near: int, until: float) -> Owner | None:
    """A process of our own PID namespace that holds the socket bound to `local` and connected to `remote`.

    Looks first at the process `near`, its ancestors and its descendants. None where there is none, where we may
    not look into it, or where `time.monotonic()` passes `until` before it is found.
    """
    socket = _find_socket(local, remote, until)
    if socket is None:
        return None
    inode, uid = socket
    wanted = f"socket:[{inode}]"
    for pid in _candidates(near, until):
        if time.monotonic() > until:
            return None
        if _holds(pid, wanted, until):
            seen = look(pid)
            if seen is not None and seen.same_namespace:
                return Owner(seen=seen, uid=uid)
    return None


def _find_socket(local: Address, remote: Address, until: float) -> tuple[int, int] | None:
    """Inode and user; None where no open socket has these addresses (the peer has closed it)."""
    wanted = {f"{one} {other}" for one, other in zip(_spellings(local), _spellings(remote), strict=False)}
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as lines:  # noqa: PTH123 - a stream: it may be long
                for line in _in_time(lines, until):
                    fields = line.split()
                    if " ".join(fields[1:3]) in wanted and int(fields[9]):
                        return int(fields[9]), int(fields[7])
        except OSError:
            continue
    return None


def _spellings(address: Address) -> list[str]:
    """As the tables write it: words in the machine's byte order. IPv4 in a socket for IPv6 has a second form."""
    packed = ipaddress.ip_address(address[0]).packed
    forms = [packed, _MAPPED + packed] if len(packed) == 4 else [packed]
    return [f"{_words(form)}:{address[1]:04X}" for form in forms]


def _words(packed: bytes) -> str:
    order = "<" if sys.byteorder == "little" else ">"
    return "".join(f"{word:08X}" for word in struct.unpack(f"{order}{len(packed) // 4}I", packed))


def _candidates(near: int, until: float) -> Iterator[int]:
    """`near`, its ancestors, its descendants, then everybody; each once."""
    yield near
    parents = _parents(until)
    ancestors = [near]
    while (parent := parents.get(ancestors[-1], 0)) > 0 and parent not in ancestors:
        ancestors.append(parent)
    yield from ancestors[1:]
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    given, waiting = set(ancestors), list(children.get(near, ()))
    while waiting:
        pid = waiting.pop()
        if pid not in given:
            given.add(pid)
            yield pid
            waiting += children.get(pid, ())
    yield from (pid for pid in parents if pid not in given)


def _parents(until: float) -> dict[int, int]:
    names = _in_time(os.listdir("/proc"), until)  # noqa: PTH208 - names only
    rows = (parse_stat(read_small(f"/proc/{name}/stat")) for name in names if name.isdecimal())
    return {row.pid: row.parent for row in rows if row is not None}


def _holds(pid: int, wanted: str, until: float) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in _in_time(entries, until):
                if _target(entry.path) == wanted:
                    return True
    except OSError:  # gone, or another user's
        return False
    return False


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - thousands of them
    except OSError:  # closed in the meantime
        return None


def _in_time(items: Iterable[T], until: float) -> Iterator[T]:
    """The items, as long as there is time."""
    for count, item in enumerate(items):
        if count % 256 == 255 and time.monotonic() > until:
            return
        yield item
