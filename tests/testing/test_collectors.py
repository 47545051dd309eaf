"""Scripted collectors and a chosen machine, alone and under a whole runtime."""

import threading
from pathlib import Path

import pytest

from aura_actors.collectors.base import Collector
from aura_actors.config.sections import Admission
from aura_actors.domain.snapshot import CpuReading, MemoryReading
from aura_actors.errors import Refused
from aura_actors.runtime.parts import Surroundings
from aura_actors.testing import Hang, Machine, ManualClock, ScriptedCollector, open_test_runtime

GIB = 2**30
FIRST = MemoryReading(total_bytes=100, available_bytes=40)
SECOND = MemoryReading(total_bytes=100, available_bytes=30)


def test_each_read_takes_a_step_and_the_last_one_stays() -> None:
    collector: Collector = (scripted := ScriptedCollector("memory", FIRST, lambda: SECOND))
    assert [collector.read() for _ in range(3)] == [FIRST, SECOND, SECOND]
    assert (scripted.name, scripted.reads) == ("memory", 3)


def test_an_error_in_the_script_is_raised_once() -> None:
    collector = ScriptedCollector("memory", FIRST, OSError("gone"), SECOND)
    collector.read()
    with pytest.raises(OSError, match="gone"):
        collector.read()
    assert collector.read() == SECOND


def test_a_script_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="the script of memory has no step"):
        ScriptedCollector("memory")


def test_a_hang_holds_its_reader_until_it_is_released_and_nobody_after_that() -> None:
    readings: list[object] = []
    with Hang(FIRST) as hang:
        collector = ScriptedCollector("memory", hang)
        reader = threading.Thread(target=lambda: readings.append(collector.read()), daemon=True)
        reader.start()
        assert hang.entered.wait(10)
        assert (readings, collector.reads) == ([], 1)
    reader.join(10)
    assert readings == [FIRST]
    assert collector.read() == FIRST


def test_the_machines_processors_are_as_busy_as_it_says_between_two_readings() -> None:
    clock = ManualClock()
    machine = Machine(cores=2, cpu_percent=25, clock=clock.steady)
    (cpu,) = [collector for collector in machine.collectors if collector.name == "cpu"]

    def busy_and_idle() -> tuple[float, float]:
        reading = cpu.read()
        assert isinstance(reading, CpuReading)
        assert reading.overall == {mode: 2 * seconds for mode, seconds in reading.per_core[0].items()}
        return reading.per_core[0]["user"], reading.per_core[0]["idle"]

    clock.advance(4)
    assert busy_and_idle() == (1, 3)
    clock.advance(4)
    machine.cpu_percent = 100
    clock.advance(2)
    assert busy_and_idle() == (4, 6)


async def test_a_runtime_sees_the_chosen_machine_and_decides_by_it(tmp_path: Path) -> None:
    machine = Machine(cores=8, memory_bytes=64 * GIB, available_bytes=32 * GIB, cpu_percent=30)
    rule = Admission(reserved_for_ui=0, cpu_threshold_percent=50)
    around = Surroundings(collectors=machine.collectors)
    async with open_test_runtime(tmp_path / "data", admission=rule, surroundings=around) as house:
        system = await house.runtime.collect_system_metrics()
        assert (system.memory.total_bytes, system.memory.available_bytes) == (64 * GIB, 32 * GIB)
        assert system.cpu.logical_cores == 8
        assert system.cpu.overall_usage_percent == pytest.approx(30)

        async def reserve() -> None:
            async with house.runtime.reserve("job", memory=GIB):
                pass

        await reserve()
        machine.available_bytes = GIB // 2
        await house.runtime.collect_system_metrics()
        with pytest.raises(Refused):
            await reserve()
