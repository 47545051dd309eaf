"""The default thread limiter follows the machine's use, and is the program's own again afterwards."""

from pathlib import Path

import pytest
import trio

from aura_actors.config import Sampler, Settings, Threads
from aura_actors.domain.snapshot import CpuReading
from aura_actors.runtime import Runtime, open_runtime
from aura_actors.runtime.parts import Surroundings


class Processors:
    """Two cores, busy or idle as a test says."""

    name = "cpu"
    busy = False

    def __init__(self) -> None:
        self.times = {"user": 0.0, "idle": 0.0}

    def read(self) -> CpuReading:
        mode = "user" if self.busy else "idle"
        self.times = {**self.times, mode: self.times[mode] + 10}
        return CpuReading(overall=self.times, per_core=(self.times, self.times), logical_cores=2, physical_cores=2)


async def size_becomes(runtime: Runtime, size: int) -> None:
    snapshots = runtime.parts.snapshots
    with trio.fail_after(10):
        while trio.to_thread.current_default_thread_limiter().total_tokens != size:
            await snapshots.wait_newer(snapshots.version)


async def test_the_default_pool_shrinks_under_load_grows_back_and_is_given_back(tmp_path: Path) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    processors = Processors()
    settings = Settings(data_dir=tmp_path, sampler=Sampler(interval=0.1))
    async with open_runtime(settings, surroundings=Surroundings(collectors=[processors])) as runtime:
        await size_becomes(runtime, 8)
        processors.busy = True
        await size_becomes(runtime, 4)
        processors.busy = False
        await size_becomes(runtime, 8)
    assert limiter.total_tokens == before


@pytest.mark.parametrize("adjust", [True, False])
async def test_a_pool_that_is_not_to_be_adjusted_is_left_alone(tmp_path: Path, adjust: bool) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 7
    settings = Settings(data_dir=tmp_path, sampler=Sampler(interval=0.1), threads=Threads(adjust=adjust))
    async with open_runtime(settings, surroundings=Surroundings(collectors=[Processors()])) as runtime:
        await runtime.wait_ready()
        await runtime.parts.snapshots.wait_newer(3)
        assert (limiter.total_tokens == 7) is not adjust
