"""`python -m tests.kill_points.drive`: the kill points of one scenario after the other, all tried in this process.

Started by `run.py` with the shim loaded. Reads lines of `MODULE:SCENARIO` and options, as a command line has them;
answers each with a line of JSON, and ends with its input.
"""

import argparse
import importlib
import json
import random
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.kill_points.points import Scenario, calls_of, disturb

T = TypeVar("T")


def main() -> None:
    """Do what the lines say, one after the other."""
    for line in sys.stdin:
        print(json.dumps(_tried(_ARGUMENTS.parse_args(shlex.split(line)))), flush=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", help="module:NAME")
    parser.add_argument("--sample", type=int, help="so many points, chosen by the seed, instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[], help="only the points before this call")
    parser.add_argument("--errno", type=int, action="append", default=[], help="fail with it instead of a kill")
    parser.add_argument("--count-only", action="store_true", help="only the undisturbed run")
    return parser


_ARGUMENTS = _arguments()


def _tried(options: argparse.Namespace) -> dict[str, object]:
    module, _, name = options.scenario.partition(":")
    scenario: Scenario = getattr(importlib.import_module(module), name)()
    base = Path(tempfile.mkdtemp(prefix="kill-points-", dir=_memory()))
    try:
        calls = _fresh(base, partial(calls_of, scenario))
        failures: list[str] = []
        tried = 0
        if not options.count_only:
            points = [at for at, name in enumerate(calls, 1) if not options.only or name in options.only]
            if options.sample is not None and options.sample < len(points):
                points = sorted(random.Random(options.seed).sample(points, options.sample))
            for at in points:
                for failure in options.errno or [0]:
                    tried += 1
                    try:
                        _fresh(base, partial(disturb, scenario, at=at, failure=failure))
                    except AssertionError as error:
                        failures.append(f"{calls[at - 1]}: {error}")
        return {"calls": calls, "tried": tried, "failures": failures}
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _memory() -> str | None:
    """A file system in memory, where fsync costs nothing; None for the usual place."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None


def _fresh(base: Path, action: Callable[[Path], T]) -> T:
    place = base / "place"
    place.mkdir()
    try:
        return action(place)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
