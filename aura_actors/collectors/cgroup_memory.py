"""Memory limits of a chain of control groups, and what is used within them, v1 and v2.

Used is the working set, as Kubernetes counts it: charged pages without the inactive part of the page cache. Refuses
to know where the chain comes from.
"""

import time
from functools import lru_cache

import msgspec

from aura_actors.collectors import cgroup_values as values
from aura_actors.collectors.cgroup_find import Chain
from aura_actors.collectors.files import Read, read_small
from aura_actors.domain.containment import MemoryLevel

_OOM_SECONDS = 10.0


class MemoryOfGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a `CgroupReading` that is about memory."""

    levels: tuple[MemoryLevel, ...] = ()
    usage_bytes: int | None = None
    working_set_bytes: int | None = None
    swap_limit_bytes: int | None = None
    oom_kills_total: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """What is charged to one group."""

    directory: str
    charged_bytes: int
    working_set_bytes: int
    statistics: str


def usage_of(directory: str, *, unified: bool, read: Read = read_small) -> Usage | None:
    """None where memory is not accounted for, as in the root of v2."""
    charged = values.parse_bytes(read(f"{directory}/memory.{'current' if unified else 'usage_in_bytes'}"))
    if charged is None:
        return None
    statistics = read(f"{directory}/memory.stat") or ""
    inactive = values.entry(statistics, "inactive_file" if unified else "total_inactive_file")
    return Usage(directory, charged, max(0, charged - (inactive or 0)), statistics)


def read_memory(chain: Chain, read: Read) -> MemoryOfGroups:
    """All of it, for our group and its ancestors."""
    if not chain.directories:
        return MemoryOfGroups()
    own = usage_of(chain.directories[0], unified=chain.unified, read=read)
    levels, swap_limit_bytes, oom_kills_total = (_v2 if chain.unified else _v1)(chain.directories, own, read)
    return MemoryOfGroups(
        levels=levels,
        usage_bytes=None if own is None else own.charged_bytes,
        working_set_bytes=None if own is None else own.working_set_bytes,
        swap_limit_bytes=swap_limit_bytes,
        oom_kills_total=oom_kills_total,
    )


Found = tuple[tuple[MemoryLevel, ...], int | None, int | None]
"""Levels, limit of swap and kills."""


def _v2(directories: tuple[str, ...], own: Usage | None, read: Read) -> Found:
    levels = []
    for directory in directories:
        limits = [values.parse_bytes(read(f"{directory}/{name}")) for name in ("memory.max", "memory.high")]
        levels += _level(directory, values.least(limits), own, unified=True, read=read)
    swap_limit_bytes = values.least(
        [values.parse_bytes(read(f"{directory}/memory.swap.max")) for directory in directories]
    )
    kills = values.entry(read(f"{directories[0]}/memory.events"), "oom_kill")
    return tuple(levels), swap_limit_bytes, kills


def _v1(directories: tuple[str, ...], own: Usage | None, read: Read) -> Found:
    """v1 tells the smallest limits of all ancestors, the invisible ones too, so that most need no look."""
    statistics = None if own is None else own.statistics
    tightest = _limit_in(statistics, "hierarchical_memory_limit")
    with_swap = _limit_in(statistics, "hierarchical_memsw_limit")
    swap_limit_bytes = None if tightest is None or with_swap is None else max(0, with_swap - tightest)
    levels: list[MemoryLevel] = []
    failures: list[str | None] = []
    if tightest is not None:
        for directory in directories:
            limit = values.parse_bytes(read(f"{directory}/memory.limit_in_bytes"))
            levels += _level(directory, limit, own, unified=False, read=read)
            failures.append(read(f"{directory}/memory.failcnt"))
        if own is not None and all(level.limit_bytes > tightest for level in levels):
            # Above what is visible. Nobody tells what is used there, but our own use is a part of it.
            levels.append(MemoryLevel(path="", limit_bytes=tightest, working_set_bytes=own.working_set_bytes))
    kills = _oom_kills_v1(directories[0], tuple(failures), int(time.monotonic() / _OOM_SECONDS))
    return tuple(levels), swap_limit_bytes, kills


def _level(directory: str, limit: int | None, own: Usage | None, *, unified: bool, read: Read) -> list[MemoryLevel]:
    if limit is None:
        return []
    is_own = own is not None and own.directory == directory
    used = own if is_own else usage_of(directory, unified=unified, read=read)
    if used is None:
        return []
    return [MemoryLevel(path=directory, limit_bytes=limit, working_set_bytes=used.working_set_bytes)]


def _limit_in(statistics: str | None, name: str) -> int | None:
    return values.limited(values.entry(statistics, name))


@lru_cache(maxsize=4)
def _oom_kills_v1(directory: str, failures: tuple[str | None, ...], period: int) -> int | None:
    """v1's file may take 0.2 ms to read, half of a whole sample; nobody is killed while no limit is hit.

    Read again when the kernel counted a failure, and every 10 s for kills that no limit of ours caused.
    """
    return values.entry(read_small(f"{directory}/memory.oom_control"), "oom_kill")
