"""Which process a process id means: its start time, whose it is, in which PID namespace it lives.

Owns the reading of one process such that all of it is about the same one: a pidfd is opened first and looked at
last, so that an id that was used again in between is noticed. Refuses to know who asks (`identity`). Elsewhere than
on Linux no process is identified.
"""

import os
import select
from pathlib import Path

import msgspec

from aura_actors.collectors.cgroup_find import find_groups
from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat
from aura_actors.domain.needs import ProcessIdentity

LARGEST_PID = 2**22
"""The kernel's own limit (PID_MAX_LIMIT)."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A process with what is needed to judge whose it is."""

    identity: ProcessIdentity
    parent: int
    uids: frozenset[int]
    """Real and effective."""
    same_namespace: bool
    """It has the same number in its own PID namespace as in ours."""


def identify(pid: int) -> ProcessIdentity | None:
    """The process that has this id now; None where there is none, or only what is left of one (a zombie)."""
    seen = look(pid)
    return None if seen is None else seen.identity


def look(pid: int) -> Seen | None:
    """As `identify`, with its owner and namespace. Reads four small files of `/proc`, 0.1 ms."""
    if not 0 < pid <= LARGEST_PID:
        return None
    try:
        descriptor = _open_pidfd(pid)
    except ProcessLookupError:
        return None
    try:
        seen = _read(pid)
        if descriptor is None:
            return seen if seen is not None and start_ticks_of(pid) == seen.identity.start_ticks else None
        return None if _ended(descriptor) else seen
    finally:
        if descriptor is not None:
            os.close(descriptor)


def start_ticks_of(pid: int) -> int | None:
    """Only when it started: 0.02 ms."""
    row = parse_stat(read_small(f"/proc/{pid}/stat"))
    return None if row is None else row.start_ticks


def namespace_is_ours() -> bool:
    """False where `/proc` shows another PID namespace than ours: then no id in it means what it says."""
    try:
        return Path("/proc/self").readlink().name == str(os.getpid())
    except OSError:
        return False


def _open_pidfd(pid: int) -> int | None:
    """None where there is no pidfd to be had. Raises ProcessLookupError where there is no process."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (OSError, AttributeError):  # ENOSYS, EMFILE, EINVAL for a thread; not Linux
        return None


def _ended(descriptor: int) -> bool:
    """A pidfd can be read from when its process has ended. `poll` has no limit on the descriptor's number."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _read(pid: int) -> Seen | None:
    row, status = parse_stat(read_small(f"/proc/{pid}/stat")), _status(pid)
    uids = status.get("Uid", "").split()
    is_process = status.get("Tgid") == str(pid)  # a thread's id has a folder too, which is not listed
    if row is None or not is_process or len(uids) < 2 or _is_dead(status):
        return None
    membership = read_small(f"/proc/{pid}/cgroup")
    groups = () if membership is None else find_groups("", membership).memory.directories
    resident = status.get("VmRSS", "").partition(" kB")[0]
    return Seen(
        identity=ProcessIdentity(
            pid=pid,
            start_ticks=row.start_ticks,
            resident_bytes=int(resident) * 1024 if resident.isdecimal() else 0,
            cgroup=groups[0] if groups else None,
        ),
        parent=row.parent,
        uids=frozenset({int(uids[0]), int(uids[1])}),
        same_namespace=len(status.get("NSpid", "?").split()) == 1,
    )


def _status(pid: int) -> dict[str, str]:
    lines = (read_small(f"/proc/{pid}/status") or "").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _is_dead(status: dict[str, str]) -> bool:
    """A first thread that has ended is shown as a zombie while others of its process go on."""
    return status.get("State", "")[:1] in {"Z", "X", "x"} and status.get("Threads", "1") in {"0", "1"}
