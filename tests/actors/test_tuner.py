"""The default thread limiter follows the machine's use, and is the program's own again afterwards."""

from pathlib import Path

import pytest
import trio

from aura_actors.config import Sampler, Settings, Threads
from aura_actors.runtime import Runtime, open_runtime
from aura_actors.runtime.parts import Surroundings
from aura_actors.testing import Machine


async def size_becomes(runtime: Runtime, size: int) -> None:
    snapshots = runtime.parts.snapshots
    with trio.fail_after(10):
        while trio.to_thread.current_default_thread_limiter().total_tokens != size:
            await snapshots.wait_newer(snapshots.version)


async def test_the_default_pool_shrinks_under_load_grows_back_and_is_given_back(tmp_path: Path) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    machine = Machine(cores=2)
    settings = Settings(data_dir=tmp_path, sampler=Sampler(interval=0.1))
    async with open_runtime(settings, surroundings=Surroundings(collectors=machine.collectors)) as runtime:
        await size_becomes(runtime, 8)
        machine.cpu_percent = 100
        await size_becomes(runtime, 4)
        machine.cpu_percent = 0
        await size_becomes(runtime, 8)
    assert limiter.total_tokens == before


@pytest.mark.parametrize("adjust", [True, False])
async def test_a_pool_that_is_not_to_be_adjusted_is_left_alone(tmp_path: Path, adjust: bool) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 7
    settings = Settings(data_dir=tmp_path, sampler=Sampler(interval=0.1), threads=Threads(adjust=adjust))
    async with open_runtime(settings, surroundings=Surroundings(collectors=Machine(cores=2).collectors)) as runtime:
        await runtime.wait_ready()
        await runtime.parts.snapshots.wait_newer(3)
        assert (limiter.total_tokens == 7) is not adjust
