"""Nobody who uses a file loses it to a sweep, however the two meet.

A second of it at a desk, 3 in CI; AURA_HAMMER_SECONDS=60 for longer.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Cleaner, Purge, TempFiles
from aura_actors.cleaners.cache import Cache
from tests.effort import effort

SECONDS = effort("AURA_HAMMER_SECONDS", desk=1, ci=3)
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(60 + SECONDS * 3)
@pytest.mark.parametrize("task", ["temp-files", "cache"])
def test_no_open_ends_up_on_a_deleted_or_vanished_file(yard: Any, task: str) -> None:
    hammers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.cleaners.hammer", str(yard.root), str(SECONDS), str(seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for seed in range(3)
    ]
    cleaner: Cleaner = TempFiles() if task == "temp-files" else Cache(root=str(yard.root))
    swept: Counter[str] = Counter()
    try:
        while any(hammer.poll() is None for hammer in hammers):
            # At once deleted, so that whoever had one that was moved would be seen to have lost it.
            for job in (cleaner, Purge()):
                run = yard.run(job, quarantine_seconds=0)
                assert run.outcome == "done", run
                swept["removed"] += run.removed
                swept.update(run.kept)
                swept["failures"] += len(run.failures)
    finally:
        answers = [hammer.communicate(timeout=30)[0] for hammer in hammers]
    seen = Counter[str]()
    for answer in answers:
        seen.update(json.loads(answer))
    print(f"{task}: {dict(seen)}; sweeps: {dict(swept)}")
    assert {what: count for what, count in seen.items() if what.startswith("LOST")} == {}
    assert seen["opened"] > 20 * SECONDS
    assert seen["mapped"] > SECONDS
    assert seen["executed"] > 0
    assert swept["removed"] > 20 * SECONDS
    assert swept["in-use"] > 0
