"""Pressure and control groups as they are shown: public JSON and Prometheus."""

from aura_actors.domain.containment import CgroupReading, MemoryLevel, PressureReading, ResourcePressure, Stall
from aura_actors.domain.rates import Window, derive
from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.prometheus.containment import containment
from aura_actors.messages import public

STALL = Stall(avg10_percent=1.5, avg60_percent=2.5, avg300_percent=3.5, seconds_total=12.25)
PRESSURE = PressureReading(cpu=None, memory=None, io=ResourcePressure(some=STALL, full=None))
GROUP = CgroupReading(
    version="v2",
    path="/x",
    memory_levels=(
        MemoryLevel(path="/a/x", limit_bytes=100, working_set_bytes=30),
        MemoryLevel(path="/a", limit_bytes=200, working_set_bytes=190),
    ),
    memory_working_set_bytes=30,
    cpu_limit_cores=1 / 3,
)


def taken(*readings: PressureReading | CgroupReading) -> Snapshot:
    windows = [Window(now=reading) for reading in readings]
    return derive(windows, taken_at=0.0, timestamp=1.0, number=1, collectors={})  # type: ignore[arg-type]  # a list of narrower windows


def exposed(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    return {
        sample.name: {"".join(sample.labels.values()): sample.value for sample in family.samples}
        for family in containment(snapshot)
        for sample in family.samples
    }


def test_what_is_not_known_is_null_and_has_no_sample() -> None:
    unknown = PressureReading(cpu=None, memory=None, io=None)
    snapshot = taken(unknown, CgroupReading(version=None))
    system = public.system(snapshot, "e", 1)
    assert (system.pressure, system.cgroup) == (None, None)
    assert not [name for name in exposed(snapshot) if name.startswith(("aura_pressure", "aura_cgroup"))]


def test_pressure_is_shown_for_the_resources_that_have_it() -> None:
    system = public.system(taken(PRESSURE), "e", 1)
    assert system.pressure is not None
    assert (system.pressure.cpu, system.pressure.memory) == (None, None)
    assert system.pressure.io is not None
    assert system.pressure.io.full is None
    assert system.pressure.io.some is not None
    assert (system.pressure.io.some.avg60_percent, system.pressure.io.some.total_seconds) == (2.5, 12.25)
    assert exposed(taken(PRESSURE))["aura_pressure_waiting_seconds_total"] == {"io": 12.25}


def test_the_group_is_shown_with_its_tightest_limit_and_what_all_limits_allow() -> None:
    cgroup = public.system(taken(GROUP), "e", 1).cgroup
    assert cgroup is not None
    assert (cgroup.memory_limit_bytes, cgroup.memory_available_bytes, cgroup.cpu_limit_cores) == (100, 10, 0.333)
    metrics = exposed(taken(GROUP))
    assert metrics["aura_cgroup_memory_limit_bytes"] == {"": 100}
    assert metrics["aura_cgroup_memory_working_set_bytes"] == {"": 30}
    assert "aura_cgroup_oom_kills_total" not in metrics
