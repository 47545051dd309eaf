"""Starts `drive` with the shim: for the tests, and for `make kill-points`.

`python -m tests.kill_points.run MODULE:SCENARIO …` tries every kill point of every scenario and prints how many
there are.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.kill_points.points import MODIFYING, differences, strace_calls

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

Program = Callable[[str, str], str]


class Tried(msgspec.Struct):
    """What `drive` prints: the modifying calls of an undisturbed run, how many points were tried, what failed."""

    calls: list[str]
    tried: int
    failures: list[str]


def build(folder: Path, compiler: str) -> Path:
    """Compile the shim."""
    library = folder / "kill_points.so"
    source = str(HERE / "shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), source, "-ldl"], check=True)
    return library


def drive(library: Path, scenario: str, *options: str, wrapper: Sequence[str] = ()) -> Tried:
    """Try the points of a scenario; `module:NAME`."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "tests.kill_points.drive", scenario, *options],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=3_000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Tried)


def missed(library: Path, scenario: str, strace: str) -> dict[str, tuple[int, int]]:
    """Modifying calls that strace sees in an undisturbed run and the shim does not, or the other way round."""
    with tempfile.NamedTemporaryFile("r") as log:
        calls = f"trace={','.join((*MODIFYING, 'access', 'faccessat', 'faccessat2'))}"
        # The calls that do not exist on this machine's architecture are passed over ("?").
        traced = calls.replace("=", "=?").replace(",", ",?")
        wrapper = (strace, "-f", "-qq", "-e", "signal=none", "-e", traced, "-o", log.name)
        counted = drive(library, scenario, "--count-only", wrapper=wrapper)
        seen = strace_calls(log.read())
    assert sum(seen.values()), "strace saw nothing between the marks"
    return differences(seen, counted.calls)


def main() -> None:
    """Every point of the scenarios that are named."""
    bad = total = 0
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder), "cc")
        for scenario in sys.argv[1:]:
            began = time.monotonic()
            tried = drive(library, scenario)
            overlooked = missed(library, scenario, "strace")
            name = scenario.partition(":")[2]
            print(
                f"{name}: {tried.tried} kill points, {len(tried.failures)} failures, "
                f"{len(overlooked)} calls without a kill point, {time.monotonic() - began:.1f} s"
            )
            for failure in tried.failures[:3]:
                print(failure)
            if overlooked:
                print(json.dumps(overlooked))
            total += tried.tried
            bad += len(tried.failures) + len(overlooked)
    print(f"{total} kill points in all")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
