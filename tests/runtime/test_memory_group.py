"""The runtime in a real memory control group: capacity is its limit, and follows it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MIB = 2**20

SOURCE = """
import json, sys
from pathlib import Path
import trio
import aura_actors
from aura_actors.config import Settings

async def main():
    sys.stdin.readline()
    async with aura_actors.open_runtime(Settings(data_dir=Path(sys.argv[1]))) as runtime:
        await runtime.wait_ready()
        for _ in range(3):
            await runtime.collect_system_metrics()
            await runtime.collect_system_metrics()
            group, memory = runtime.latest.system.cgroup, runtime.latest.system.memory
            await trio.testing.wait_all_tasks_blocked(0.01)
            view = runtime.parts.view.value
            print(json.dumps({
                "limit": group.memory_limit_bytes, "available": group.memory_available_bytes,
                "total": memory.total_bytes, "capacity": view.memory.capacity, "headroom": view.memory.headroom,
            }), flush=True)
            sys.stdin.readline()

import trio.testing
trio.run(main)
"""


def test_capacity_follows_the_limit_within_two_samples(memory_group: Any, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SOURCE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        memory_group.enter(process.pid)
        seen = []
        for limit in (2048 * MIB, 1024 * MIB, None):
            memory_group.limit(limit)
            process.stdin.write("go\n")
            process.stdin.flush()
            seen.append(json.loads(process.stdout.readline()))
        process.stdin.write("end\n")
    assert process.returncode == 0
    first, lower, lifted = seen
    assert (first["limit"], first["capacity"]) == (2048 * MIB, 2048 * MIB)
    assert (lower["limit"], lower["capacity"]) == (1024 * MIB, 1024 * MIB)
    assert lower["available"] < 1024 * MIB
    assert lower["headroom"] < first["headroom"] < 2048 * MIB
    assert lifted["limit"] != 1024 * MIB
    assert lifted["capacity"] == min(lifted["limit"] or lifted["total"], lifted["total"])
    assert lower["total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
