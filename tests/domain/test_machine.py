"""What decisions take from a Snapshot: levels of memory read in one pass, groups, scratch, and usable cores."""

from typing import Any

import msgspec
import pytest

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.attribution import AttributionReading
from aura_actors.domain.containment import CgroupReading, MemoryLevel
from aura_actors.domain.external import Level
from aura_actors.domain.machine import machine_of
from aura_actors.domain.rates import Window, derive
from aura_actors.domain.snapshot import CollectorHealth, CpuReading, DiskUse, MemoryReading, Reading, Snapshot
from tests.domain.admission_world import use

MEMORY = MemoryReading(total_bytes=100, available_bytes=40)
GROUP = CgroupReading(version="v2", memory_levels=(MemoryLevel(path="/x", limit_bytes=50, working_set_bytes=20),))


def read(at: float) -> CollectorHealth:
    return CollectorHealth(success=True, duration_seconds=0.1, stale_since=None, error=None, read_at=at)


def taken(*readings: Reading, wall: float = 1000.0, **collectors: CollectorHealth) -> Snapshot:
    return derive(
        [Window[Reading](now=reading) for reading in readings],
        taken_at=50.0,
        timestamp=wall,
        number=1,
        collectors=collectors,
    )


def seen(snapshot: Snapshot, path: str | None = None) -> Any:
    machine = machine_of(snapshot, path)
    assert machine is not None
    return machine


def test_without_memory_there_is_nothing_to_decide_on() -> None:
    assert machine_of(None) is None
    assert machine_of(taken()) is None
    known = taken(MEMORY)
    for unknown in ("total_bytes", "used_bytes"):
        half = msgspec.structs.replace(known.memory, **{unknown: None})
        assert machine_of(msgspec.structs.replace(known, memory=half)) is None


def test_every_limited_control_group_is_a_level_of_its_own() -> None:
    assert seen(taken(MEMORY, GROUP)).levels == (
        Level(name=MACHINE, capacity_bytes=100, used_bytes=60),
        Level(name="/x", capacity_bytes=50, used_bytes=20),
    )


def test_memory_that_was_not_read_for_this_snapshot_is_no_reading_whatever_the_wall_clock_says() -> None:
    assert seen(taken(MEMORY, memory=read(49.9), wall=0.0)).levels == ()
    assert len(seen(taken(MEMORY, memory=read(50.0), wall=0.0)).levels) == 1
    assert seen(taken(MEMORY, memory=msgspec.structs.replace(read(0), read_at=None))).levels == ()


def test_a_control_group_that_was_read_before_is_no_reading() -> None:
    assert seen(taken(MEMORY, GROUP, memory=read(50), cgroup=read(49))).levels == ()
    assert len(seen(taken(MEMORY, GROUP, memory=read(50), cgroup=read(50))).levels) == 2
    for without in (CgroupReading(version=None), CgroupReading(version="v2")):
        assert len(seen(taken(MEMORY, without, cgroup=read(49))).levels) == 1


def test_an_old_attribution_says_nothing_of_use_now() -> None:
    attributed = AttributionReading(groups=(use([1], 5),))
    old = msgspec.structs.replace(taken(MEMORY, memory=read(50), attribution=read(49)), attributed=attributed)
    assert (seen(old).levels, seen(old).groups) == ((), attributed.groups)
    new = msgspec.structs.replace(taken(MEMORY, memory=read(50), attribution=read(50)), attributed=attributed)
    assert len(seen(new).levels) == 1
    none = msgspec.structs.replace(old, attributed=AttributionReading(groups=()))
    assert len(seen(none).levels) == 1


@pytest.mark.parametrize(
    ("cpuset", "limit", "cores"), [(None, None, 8), (4, None, 4), (None, 2.5, 2), (4, 6.0, 4), (None, 0.5, 1)]
)
def test_cores_are_those_that_the_control_group_lets_us_use(
    cpuset: int | None, limit: float | None, cores: int
) -> None:
    cpu = CpuReading(overall={}, per_core=(), logical_cores=8, physical_cores=4)
    group = CgroupReading(version="v2", cpuset_cores=cpuset, cpu_limit_cores=limit)
    assert seen(taken(MEMORY, cpu, group)).cores == cores
    assert seen(taken(MEMORY)).cores == 1


def disk(mount: str, used: int | None = 30, available: int | None = 60) -> DiskUse:
    values: dict[str, Any] = dict.fromkeys(DiskUse.__struct_fields__)
    return DiskUse(**(values | {"mount": mount, "used_bytes": used, "available_bytes": available}))


def test_scratch_is_the_innermost_file_system_that_holds_it_without_what_only_root_may_use() -> None:
    disks = disk("/"), disk("/scratch", 1, 2), disk("/scratch/own", None), disk("/scratch/own/me", 5, None)
    snapshot = msgspec.structs.replace(taken(MEMORY), disks=(*disks, disk("/scratch2", 7, 7)))
    assert seen(snapshot, "/scratch/own/me").scratch == Level(name=MACHINE, capacity_bytes=3, used_bytes=1)
    assert seen(snapshot, "/scratch2").scratch.capacity_bytes == 14
    assert seen(snapshot, "/scratchy").scratch.capacity_bytes == 90
    assert seen(snapshot, None).scratch is None
