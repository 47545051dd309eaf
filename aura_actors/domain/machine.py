"""The machine as decisions see it: what of a Snapshot they rest on, and how old that is.

Owns the way from a Snapshot to those few numbers. Refuses to decide: that is the ledger's business.
"""

import msgspec

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.attribution import GroupUse
from aura_actors.domain.external import Level
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.snapshot import Snapshot


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of what decisions rest on."""

    taken_at: float
    """Monotonic seconds."""
    levels: tuple[Level, ...]
    """Main memory, and the limits within it that bind us too; empty when not read with this snapshot."""
    groups: tuple[GroupUse, ...] = ()
    """What the processes of leases use, read in the same pass."""
    scratch: Level | None = None
    cpu_busy_percent: float | None
    cores: int
    gpu: GpuState | None = None
    stalled_percent: float | None = None
    """PSI of memory, `full`, over 10 s."""


def machine_of(snapshot: Snapshot | None, scratch_path: str | None = None) -> Machine | None:
    """What decisions rest on in a snapshot; None while memory has never been read."""
    if snapshot is None or snapshot.memory.total_bytes is None or snapshot.memory.used_bytes is None:
        return None
    cgroups = () if snapshot.cgroup is None else snapshot.cgroup.memory_levels
    pressure = None if snapshot.pressure is None else snapshot.pressure.memory
    full = None if pressure is None else pressure.full
    levels = (
        Level(name=MACHINE, capacity_bytes=snapshot.memory.total_bytes, used_bytes=snapshot.memory.used_bytes),
        *(
            Level(name=level.path, capacity_bytes=level.limit_bytes, used_bytes=level.working_set_bytes)
            for level in cgroups
        ),
    )
    return Machine(
        taken_at=snapshot.taken_at,
        levels=levels if _of_one_pass(snapshot) else (),
        groups=() if snapshot.attributed is None else snapshot.attributed.groups,
        scratch=_scratch(snapshot, scratch_path),
        cpu_busy_percent=snapshot.cpu.overall_percent,
        cores=usable_cores(snapshot),
        gpu=snapshot.gpu,
        stalled_percent=None if full is None else full.avg10_percent,
    )


def usable_cores(snapshot: Snapshot) -> int:
    """Whole cores that the machine has and our control groups let us use, one at least."""
    cores = snapshot.cpu.logical_cores or 1
    if snapshot.cgroup is not None:
        cores = min(cores, snapshot.cgroup.cpuset_cores or cores, int(snapshot.cgroup.cpu_limit_cores or cores))
    return max(1, cores)


def _of_one_pass(snapshot: Snapshot) -> bool:
    """Whether memory was read for this snapshot, at every level, and attribution with it: an old M says nothing of
    use now."""
    names = ["memory"]
    if snapshot.attributed is not None and snapshot.attributed.groups:
        names.append("attribution")
    if snapshot.cgroup is not None and snapshot.cgroup.memory_levels:
        names.append("cgroup")
    read = [health.read_at for name in names if (health := snapshot.collectors.get(name)) is not None]
    return all(read_at is not None and read_at >= snapshot.taken_at for read_at in read)


def _scratch(snapshot: Snapshot, path: str | None) -> Level | None:
    """The file system that holds the scratch directory. Blocks that only root may use are no part of it."""
    holding = [disk for disk in snapshot.disks if path is not None and _below(path, disk.mount)]
    for disk in sorted(holding, key=lambda disk: -len(disk.mount)):
        if disk.used_bytes is not None and disk.available_bytes is not None:
            capacity_bytes = disk.used_bytes + disk.available_bytes
            return Level(name=MACHINE, capacity_bytes=capacity_bytes, used_bytes=disk.used_bytes)
    return None


def _below(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")
