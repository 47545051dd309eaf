"""What control groups leave, and whether the kernel tells what anything waits for."""

from typing import Any

import pytest

from aura_actors.domain.containment import CgroupReading, MemoryLevel, PressureReading, ResourcePressure


def level(limit: int, used: int) -> MemoryLevel:
    return MemoryLevel(path="/x", limit_bytes=limit, working_set_bytes=used)


@pytest.mark.parametrize("resource", ["cpu", "memory", "io"])
def test_pressure_is_known_where_the_kernel_tells_that_of_one_resource(resource: str) -> None:
    nothing: dict[str, Any] = {"cpu": None, "memory": None, "io": None}
    assert not PressureReading(**nothing).known
    assert PressureReading(**{**nothing, resource: ResourcePressure(some=None, full=None)}).known


@pytest.mark.parametrize(("limit", "used", "available"), [(50, 20, 30), (50, 50, 0), (50, 60, 0)])
def test_a_limit_leaves_what_is_not_used_and_never_less_than_nothing(limit: int, used: int, available: int) -> None:
    assert level(limit, used).available_bytes == available


def test_of_several_limits_the_tightest_binds() -> None:
    nested = CgroupReading(version="v2", memory_levels=(level(50, 5), level(80, 70)))
    assert (nested.memory_limit_bytes, nested.memory_available_bytes) == (50, 10)
    free = CgroupReading(version="v2")
    assert (free.memory_limit_bytes, free.memory_available_bytes) == (None, None)
