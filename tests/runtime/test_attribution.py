"""Attribution within the runtime: from the roots that are set to the Snapshot that is published."""

import os
import sys
from pathlib import Path

import pytest

from aura_actors.domain.attribution import Root
from aura_actors.testing import open_test_runtime

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc: needs Linux")


async def test_the_roots_of_leases_are_measured_in_the_next_sample(tmp_path: Path) -> None:
    async with open_test_runtime(tmp_path) as served:
        parts = served.runtime.parts
        await served.runtime.collect_system_metrics()
        before = parts.snapshots.value
        parts.roots.set((Root(lease=7, pid=os.getpid()),))
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
    assert taken.memory.process_private_bytes is not None
    assert use.used_bytes == pytest.approx(taken.memory.process_private_bytes, rel=0.2)
    assert after is not None
    assert after.attributed is not None
    assert after.attributed.groups == ()
