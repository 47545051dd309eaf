"""What decisions take from a Snapshot: the age of memory by the steady clock, and the cores that may be used."""

import pytest

from aura_actors.domain.containment import CgroupReading, MemoryLevel
from aura_actors.domain.headroom import Level
from aura_actors.domain.machine import machine_of
from aura_actors.domain.rates import Window, derive
from aura_actors.domain.snapshot import CollectorHealth, CpuReading, MemoryReading, Reading, Snapshot


def taken(*readings: Reading, memory: CollectorHealth | None = None, timestamp: float = 1000.0) -> Snapshot:
    return derive(
        [Window[Reading](now=reading) for reading in readings],
        taken_at=50.0,
        timestamp=timestamp,
        number=1,
        collectors={} if memory is None else {"memory": memory},
    )


MEMORY = MemoryReading(total_bytes=100, available_bytes=40)


def test_the_age_of_memory_is_that_of_the_steady_clock_whatever_the_wall_clock_says() -> None:
    health = CollectorHealth(success=False, duration_seconds=0.1, stale_since=900.0, error="gone", read_at=20.0)
    machine = machine_of(taken(MEMORY, memory=health, timestamp=0.0))
    assert machine is not None
    assert (machine.taken_at, machine.memory_read_at) == (50.0, 20.0)


def test_without_memory_there_is_nothing_to_decide_on() -> None:
    assert machine_of(None) is None
    assert machine_of(taken()) is None


@pytest.mark.parametrize(
    ("cpuset", "limit", "cores"), [(None, None, 8), (4, None, 4), (None, 2.5, 2), (4, 6.0, 4), (None, 0.5, 1)]
)
def test_cores_are_those_that_the_control_group_lets_us_use(
    cpuset: int | None, limit: float | None, cores: int
) -> None:
    cpu = CpuReading(overall={}, per_core=(), logical_cores=8, physical_cores=4)
    group = CgroupReading(version="v2", cpuset_cores=cpuset, cpu_limit_cores=limit)
    machine = machine_of(taken(MEMORY, cpu, group))
    assert machine is not None
    assert machine.cores == cores


def test_every_limited_control_group_is_a_level_of_its_own() -> None:
    group = CgroupReading(
        version="v2", memory_levels=(MemoryLevel(path="/x", limit_bytes=50, working_set_bytes=20),)
    )
    machine = machine_of(taken(MEMORY, group))
    assert machine is not None
    assert machine.groups == (Level(name="/x", capacity_bytes=50, used_bytes=20),)
    assert (machine.capacity_bytes, machine.used_bytes) == (100, 60)
