"""A dry run changes nothing, and what it says would go is what goes, as far as it is still the same."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import Books, TempFiles
from tests.cleaners.test_identity import Scanned
from tests.kill_points.points import MODIFYING, strace_calls

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.external
def test_a_dry_run_makes_no_modifying_call(program: Callable[[str, str], str], tmp_path: Path) -> None:
    log = tmp_path / "strace"
    (tmp_path / "data").mkdir()
    traced = f"trace={','.join(f'?{name}' for name in (*MODIFYING, 'access', 'faccessat', 'faccessat2'))}"
    wrapper = [program("strace", "strace"), "-f", "-qq", "-e", "signal=none", "-e", traced, "-o", str(log)]
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "tests.cleaners.dry_run", str(tmp_path / "data")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {task: (swept["outcome"], swept["removed"]) for task, swept in told.items()} == {
        "temp-files": ("done", 6),
        "orphaned-uploads": ("done", 5),
        "cache": ("done", 5),
    }
    text = log.read_text()
    assert text.count("kill-points-begin") == 3
    assert strace_calls(text) == {}


def test_a_dry_run_lists_what_would_go_and_what_stays_with_its_reason(yard: Any) -> None:
    yard.file("x/old")
    os.mkfifo(yard.root / "pipe")
    swept = yard.run(TempFiles(), dry_run=True, books=Books(list_at_most=10))
    lines = {line.path.removeprefix(f"{yard.root}/"): (line.size_bytes, line.keep) for line in swept.listing}
    assert lines == {"x/old": (10, None), "x": (0, None), "pipe": (None, "special")}


def test_a_listing_is_bounded(yard: Any) -> None:
    for n in range(50):
        yard.file(f"f{n}")
    swept = yard.run(TempFiles(), dry_run=True, books=Books(list_at_most=10))
    assert (swept.removed, len(swept.listing)) == (50, 10)
    assert yard.run(TempFiles(), dry_run=True).listing == ()


def test_a_plan_that_is_carried_out_touches_only_what_is_still_the_same(yard: Any) -> None:
    """Between the plan and its execution everything happened that can."""
    for name in ("same", "written", "replaced", "touched", "linked", "renamed", "became a folder", "became a link"):
        yard.file(name)
    scanned = Scanned(yard).scan()
    assert len(scanned.plan.remove) == 8
    root = yard.root
    (root / "written").write_text("something else")
    yard.file("other").rename(root / "replaced")
    os.utime(root / "touched", ns=(0, (root / "touched").stat().st_mtime_ns))
    os.link(root / "linked", root / "second name")
    (root / "renamed").rename(root / "new name")
    (root / "became a folder").unlink()
    (root / "became a folder").mkdir()
    (root / "became a link").unlink()
    (root / "became a link").symlink_to(yard.outside / "precious")
    yard.file("new")
    assert scanned.apply() == {"changed": 7}
    assert scanned.books.removed == 1
    assert "same" not in yard.names()
    assert len(yard.names()) == 9
