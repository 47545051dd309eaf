"""Sampling within the runtime: what the settings say about it, in the Snapshots that are published."""

from pathlib import Path

from aura_actors.actors.gpu import Probe
from aura_actors.config import Settings
from aura_actors.config.sections import Intervals, Sampler
from aura_actors.domain.snapshot import DiskReading, NetworkReading
from aura_actors.runtime import open_runtime
from aura_actors.runtime.parts import Surroundings
from aura_actors.testing.collectors import ScriptedCollector


async def test_a_source_with_an_interval_of_its_own_is_read_less_often(tmp_path: Path) -> None:
    seldom = ScriptedCollector("disk", DiskReading(filesystems=()))
    often = ScriptedCollector("network", NetworkReading(interfaces=()))
    settings = Settings(data_dir=tmp_path, sampler=Sampler(interval=0.1, intervals=Intervals(disk=60.0)))
    surroundings = Surroundings(gpu=Probe(root=tmp_path), collectors=(seldom, often))
    async with open_runtime(settings, surroundings=surroundings) as runtime:
        snapshots = runtime.parts.snapshots
        while often.reads < 6:
            await snapshots.wait_newer(snapshots.version)
    assert seldom.reads == 2
