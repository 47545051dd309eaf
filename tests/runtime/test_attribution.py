"""Attribution within the runtime: from the roots that are set to the Snapshot that is published."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.domain.attribution import Root
from aura_actors.testing import open_test_runtime

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc: needs Linux")


MIB = 2**20
TOUCHES = "pages = bytearray(64 << 20); print('touched', flush=True); input()"


@pytest.fixture
def job() -> "Iterator[subprocess.Popen[str]]":
    """A process of its own that has touched 64 MiB."""
    command = [sys.executable, "-c", TOUCHES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "touched\n"
        yield process
        process.kill()


async def test_the_roots_of_leases_are_measured_in_the_next_sample(
    tmp_path: Path, job: "subprocess.Popen[str]"
) -> None:
    async with open_test_runtime(tmp_path) as served:
        parts = served.runtime.parts
        await served.runtime.collect_system_metrics()
        before = parts.snapshots.value
        parts.roots.set((Root(lease=7, pid=job.pid),))
        await served.runtime.collect_system_metrics()
        taken = parts.snapshots.value
        parts.roots.set(())
        await served.runtime.collect_system_metrics()
        after = parts.snapshots.value
    assert before is not None
    assert before.attributed is not None
    assert before.attributed.of(7) is None
    assert taken is not None
    assert taken.attributed is not None
    use = taken.attributed.of(7)
    assert use is not None
    assert 64 * MIB < use.used_bytes < 90 * MIB
    assert use.pids == (job.pid,)
    assert after is not None
    assert after.attributed is not None
    assert after.attributed.groups == ()
