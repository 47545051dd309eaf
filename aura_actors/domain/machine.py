"""The machine as decisions see it: what of a Snapshot they rest on, and how old that is.

Owns the way from a Snapshot to those few numbers. Refuses to decide: that is the ledger's business.
"""

import msgspec

from aura_actors.domain.headroom import Level
from aura_actors.domain.snapshot import Snapshot


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of what decisions rest on. `memory_read_at` is when memory was last read (monotonic seconds)."""

    taken_at: float
    memory_read_at: float
    capacity_bytes: int
    used_bytes: int
    cpu_busy_percent: float | None
    cores: int
    gpus: int
    groups: tuple[Level, ...] = ()
    """Memory limits within the machine that bind us too."""


def machine_of(snapshot: Snapshot | None) -> Machine | None:
    """What decisions rest on in a snapshot; None while memory has never been read."""
    if snapshot is None or snapshot.memory.total_bytes is None or snapshot.memory.used_bytes is None:
        return None
    health = snapshot.collectors.get("memory")
    read_at = None if health is None else health.read_at
    levels = () if snapshot.cgroup is None else snapshot.cgroup.memory_levels
    return Machine(
        taken_at=snapshot.taken_at,
        memory_read_at=snapshot.taken_at if read_at is None else read_at,
        capacity_bytes=snapshot.memory.total_bytes,
        used_bytes=snapshot.memory.used_bytes,
        cpu_busy_percent=snapshot.cpu.overall_percent,
        cores=usable_cores(snapshot),
        gpus=0,
        groups=tuple(
            Level(name=level.path, capacity_bytes=level.limit_bytes, used_bytes=level.working_set_bytes)
            for level in levels
        ),
    )


def usable_cores(snapshot: Snapshot) -> int:
    """Whole cores that the machine has and our control groups let us use, one at least."""
    cores = snapshot.cpu.logical_cores or 1
    if snapshot.cgroup is not None:
        cores = min(cores, snapshot.cgroup.cpuset_cores or cores, int(snapshot.cgroup.cpu_limit_cores or cores))
    return max(1, cores)
