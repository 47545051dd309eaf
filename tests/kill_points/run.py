"""Runs `drive` with the shim: for the tests, and for `make kill-points`.

`python -m tests.kill_points.run MODULE:SCENARIO …` tries every kill point of every scenario and prints how many
there are.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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


class Driver:
    """A process with the shim, which has everything imported: started when it is first needed, and after a failure.

    With `strace` it runs under that program.
    """

    def __init__(self, library: Path, folder: Path, strace: str | None = None) -> None:
        self._environ = {**os.environ, "LD_PRELOAD": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
        self._strace = strace
        self._log = folder / "strace"
        self._said = folder / "said"
        self._read = 0
        self._process: subprocess.Popen[str] | None = None

    def tried(self, scenario: str, *options: str) -> Tried:
        """Try the points of a scenario; `module:NAME`. Raises `AssertionError` where it gets no answer."""
        if self._process is None:
            self._process = self._start()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(f"{shlex.join([scenario, *options])}\n")
            stdin.flush()
            answer = stdout.readline()
            assert answer, self._said.read_text()
        except BaseException:  # who is interrupted here leaves a process that is out of step
            self._process.kill()
            self.close()
            raise
        return msgspec.json.decode(answer, type=Tried)

    def missed(self, scenario: str) -> dict[str, tuple[int, int]]:
        """Modifying calls that strace sees in an undisturbed run and the shim does not, or the other way round."""
        counted = self.tried(scenario, "--count-only")
        lines = self._log.read_text()
        seen = strace_calls(lines[self._read :])
        self._read = len(lines)
        assert sum(seen.values()), "strace saw nothing between the marks"
        return differences(seen, counted.calls)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with self._process:
                self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        self._read = 0
        command = [*self._wrapper(), sys.executable, "-m", "tests.kill_points.drive"]
        with self._said.open("w") as said:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    def _wrapper(self) -> list[str]:
        if self._strace is None:
            return []
        calls = f"trace={','.join((*MODIFYING, 'access', 'faccessat', 'faccessat2'))}"
        # The calls that do not exist on this machine's architecture are passed over ("?").
        traced = calls.replace("=", "=?").replace(",", ",?")
        # With a filter in the kernel, calls that are not traced cost nothing.
        return [
            self._strace, "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", traced, "-o", str(self._log),
        ]  # fmt: skip


def main() -> None:
    """Every point of the scenarios that are named."""
    bad = total = 0
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        library = build(folder, "cc")
        driver, traced = (
            stack.enter_context(contextlib.closing(Driver(library, folder, strace))) for strace in (None, "strace")
        )
        for scenario in sys.argv[1:]:
            began = time.monotonic()
            tried = driver.tried(scenario)
            overlooked = traced.missed(scenario)
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
