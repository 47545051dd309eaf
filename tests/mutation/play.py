"""Plays one changed module against its tests, in a process of its own that is forked from one with pytest loaded.

Owns which tests know a module, how a process gets the changed code, and what it may use; knows no changes. The
limit is processor time, not time on the wall, so that a busy machine is no failure of a mutant. The examples of the
properties are the same in every run, and a failing one is not made smaller.
"""

import contextlib
import enum
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import math
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis.stateful  # noqa: F401 - loaded before the fork, as what the tests import besides
import msgspec  # noqa: F401
import pytest
from hypothesis import Phase, settings

DOMAIN = Path("aura_actors/domain")
TESTS = Path("tests/domain")
ADMISSION = [
    "window", "external", "external_credit", "accounts", "devices", "processor", "busy_gate", "brake", "freshness",
    "machine", "leases", "ledger", "ledger_devices", "ledger_behind",
    "books", "books_turns", "books_bounds", "books_hopeless", "books_costs", "changes",
]  # fmt: skip
"""One body of rules: each test of it runs against each module of it."""
LEDGER_FIRST = ["ledger", "books", *ADMISSION]
SHARED = {
    "holding": LEDGER_FIRST, "objections": ["objections", *LEDGER_FIRST],
    "outlook": ["outlook", *LEDGER_FIRST], "room": ["room", *LEDGER_FIRST],
    "asked": ["asked", "books", "books_turns"], "changes": ["changes", "books"], "needs": ["needs", *LEDGER_FIRST],
    "reasons": LEDGER_FIRST, "containment": ["containment", "machine", "rates"], "slots": LEDGER_FIRST,
    "waiting": ["waiting", "books", "books_turns", "books_hopeless"], "waiting_line": ["waiting", "books"],
    "waiting_bound": ["waiting", "books", "books_traces"],
    "providers": ["providers", "providers_model", "buckets", "adaptive", "changes"],
    "buckets": ["buckets", "providers"],
    "retention": ["retention", "retention_limits", "retention_draft"],
    "schedule": ["schedule", "schedule_limits", "timetable_limits", "timetable"],
    "timetable": ["timetable_limits", "timetable"],
    "adaptive": ["adaptive", "providers"], "runs": ["runs", "learning"], "learning": ["learning", "runs"],
    "lineage": ["lineage", "attribution"], "attribution": ["attribution", "lineage"],
} | dict.fromkeys(ADMISSION, ADMISSION)  # fmt: skip
MEMORY_BYTES = 4 << 30
"""What a process may ask for: a loop that collects for ever ends by this or by its time."""
PROFILE = "mutation"
LEFT_OUT = ["cacheprovider", "unraisableexception", "threadexception", "faulthandler", "doctest"]
OPTIONS = [
    "-x", "-q", "-c", os.devnull, "--rootdir=.", "--noconftest", "--import-mode=importlib", "--assert=plain",
    "-W", "error", "-o", "markers=timeout", "-p", "_hypothesis_pytestplugin", f"--hypothesis-profile={PROFILE}",
    *(f"-pno:{name}" for name in LEFT_OUT),
]  # fmt: skip
"""Nothing that the tests of rules can do without: a mutant is noticed sooner than all plugins are loaded."""

settings.register_profile(
    PROFILE, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)


class Verdict(enum.StrEnum):
    """How the tests took a change."""

    FAILED = "failed"
    LIMIT = "limit"  # used more processor time than it was allowed, or was ended by a signal
    SURVIVED = "survived"


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from the given code, and all others as usual."""

    def __init__(self, stem: str, code: CodeType) -> None:
        self._name, self._path, self._code = f"aura_actors.domain.{stem}", DOMAIN / f"{stem}.py", code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def tests_of(stem: str) -> list[str]:
    """The files of tests that know a module, its own or the nearest first; none where it has none."""
    names = SHARED.get(stem, [stem])
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != stem)
    return [str(path) for name in ordered if (path := TESTS / f"test_{name}.py").exists()]


def start(stem: str, code: CodeType, cpu_seconds: float | None = None) -> int:
    """Begin to run the tests with this code in the module's place; the id of the process."""
    gc.freeze()  # what is shared need not be looked at in every process
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os._exit(_run(stem, code, cpu_seconds))
        os._exit(70)
    return pid


def wait() -> tuple[int, Verdict, float]:
    """The next process that ends: its id, the verdict, and the processor seconds that it used."""
    pid, status, usage = os.wait3(0)
    ended = Verdict.FAILED if os.WIFEXITED(status) else Verdict.LIMIT
    return pid, Verdict.SURVIVED if status == 0 else ended, usage.ru_utime + usage.ru_stime


def _run(stem: str, code: CodeType, cpu_seconds: float | None) -> int:
    void = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(void, descriptor)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if cpu_seconds is not None:
        most = math.ceil(cpu_seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.meta_path.insert(0, Changed(stem, code))
    files = tests_of(stem)
    near = [path for path in files if Path(path).stem.startswith(f"test_{stem}")] or files[:1]
    others = [path for path in files if path not in near]
    # Most mutants are noticed by the nearest files: the others are not even collected then.
    return int(pytest.main([*OPTIONS, *near]) or (others and pytest.main([*OPTIONS, *others])) or 0)
