"""Runs the tests of the rules against every mutant of them, and says which nobody noticed.

    python -m tests.mutation                      all modules that have tests below
    python -m tests.mutation ledger books         these
    python -m tests.mutation --sample 200 --seed 7

Every mutant runs in a process of its own, forked from one that has loaded pytest already. Tests with the module's
own name come first; the first failure ends the run, and so does the time limit: a mutant that hangs is noticed.
"""

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis  # noqa: F401 - loaded before the fork
import msgspec
import pytest
import trio  # noqa: F401 - loaded before the fork

from tests.mutation.mutants import mutants

DOMAIN = Path("aura_actors/domain")
TESTS = Path("tests/domain")
ADMISSION = [
    "window", "external", "accounts", "devices", "processor", "busy_gate",
    "brake", "freshness", "machine", "leases", "ledger", "books",
]  # fmt: skip
"""One body of rules: each test of it runs against each module of it."""
SHARED = {
    "holding": ADMISSION, "objections": ADMISSION, "outlook": ADMISSION, "room": ADMISSION, "asked": ADMISSION,
    "changes": ADMISSION, "needs": ADMISSION, "reasons": ADMISSION, "containment": ADMISSION, "slots": ADMISSION,
    "waiting": ["waiting", "books"], "waiting_line": ["waiting", "books"],
    "waiting_bound": ["waiting", "books", "books_traces"],
    "providers": ["providers", "buckets", "adaptive", "books"], "buckets": ["buckets", "providers"],
    "adaptive": ["adaptive", "providers"], "runs": ["runs", "learning"], "learning": ["learning", "runs"],
    "lineage": ["lineage", "attribution"], "attribution": ["attribution", "lineage"],
} | dict.fromkeys(ADMISSION, ADMISSION)  # fmt: skip


class Survivor(msgspec.Struct, frozen=True):
    """A change that no test noticed."""

    module: str
    line: int
    what: str
    source: str


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from the given code, and all others as usual."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def tests_of(stem: str) -> list[str]:
    """The files of tests that know a module, its own first; none where it has none."""
    names = SHARED.get(stem, [stem])
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != stem)
    return [str(path) for name in ordered if (path := TESTS / f"test_{name}.py").exists()]


def noticed(stem: str, code: CodeType, seconds: float) -> bool:
    """Whether some test fails with this code in the module's place."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os._exit(_run(stem, code))
        os._exit(70)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _run(stem: str, code: CodeType) -> int:
    void = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(void, descriptor)
    sys.meta_path.insert(0, Changed(f"aura_actors.domain.{stem}", DOMAIN / f"{stem}.py", code))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--assert=plain"]
    return int(pytest.main([*options, *tests_of(stem)]))


def main() -> None:
    """Play the mutants that were asked for; the survivors as lines of JSON, then a table."""
    options = _options()
    stems = options.modules or sorted(p.stem for p in DOMAIN.glob("*.py") if tests_of(p.stem))
    work = [(stem, mutant) for stem in stems for mutant in mutants((DOMAIN / f"{stem}.py").read_text())]
    if options.sample is not None:
        work = random.Random(options.seed).sample(work, min(options.sample, len(work)))
    work = work[options.part :: options.parts]
    played: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    for stem in dict.fromkeys(stem for stem, _ in work):
        unchanged = compile((DOMAIN / f"{stem}.py").read_text(), f"{stem}.py", "exec")
        if noticed(stem, unchanged, options.seconds):
            sys.exit(f"the tests of {stem} fail without any change")
    for stem, mutant in work:
        played[stem] += 1
        if noticed(stem, compile(mutant.tree, f"{stem}.py", "exec"), options.seconds):
            killed[stem] += 1
            continue
        source = (DOMAIN / f"{stem}.py").read_text().splitlines()[max(0, mutant.line - 1)].strip()
        print(json.dumps(msgspec.to_builtins(Survivor(stem, mutant.line, mutant.what, source))), flush=True)
    for stem in played:
        print(f"{stem:16} {played[stem]:5} played {killed[stem]:5} noticed")
    print(f"{'all':16} {played.total():5} played {killed.total():5} noticed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="stems of aura_actors/domain")
    parser.add_argument("--sample", type=int, help="only so many, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="a mutant that takes longer is noticed")
    parser.add_argument("--part", type=int, default=0, help="to share the work among processes: which part")
    parser.add_argument("--parts", type=int, default=1, help="and of how many")
    return parser.parse_args()


if __name__ == "__main__":
    main()
