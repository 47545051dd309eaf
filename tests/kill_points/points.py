"""Running one scenario in children that are killed, or whose calls fail, at each modifying call that they make.

Owns the shim that does it, compiled on the spot, and the strace run that proves that no call is missed. Refuses to
know what a scenario does. This process is the fork server: it has everything imported, so that a point costs about
as much as the scenario itself. Run by `drive`.
"""

import ctypes
import os
import re
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

BEGIN, END = "/kill-points-begin", "/kill-points-end"

_NAMES = (
    "creat open openat openat2 write pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range truncate"
    " ftruncate fallocate rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir mkdir"
    " mkdirat mknod mknodat chmod fchmod fchmodat chown lchown fchown fchownat utime utimes futimesat utimensat"
    " setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"
)
SYNCING = ("fsync", "fdatasync", "syncfs", "sync_file_range")
"""They change nothing: their answer says that a change is on the disk, and whoever does not hear a no loses it."""
MODIFYING = frozenset((*_NAMES.split(), *SYNCING))
"""Every system call that can change a file system, or says that it was changed for good; the opens count only where
they make or empty a file."""


class Scenario(Protocol):
    """One protocol, in a folder of its own. Each step runs in a process of its own."""

    def prepare(self, place: Path) -> None:
        """Make the world."""
        ...

    def act(self, place: Path) -> None:
        """What is killed."""
        ...

    def recover(self, place: Path) -> None:
        """What a new process does before anything else."""
        ...

    def check(self, place: Path, *, whole: bool) -> None:
        """The invariant, by assertions; `whole` where nothing was killed, so that what was meant is done."""
        ...


class Shim(Protocol):
    """The functions of the shim, which was loaded before anything else."""

    kill_points_arm: Callable[[int, int], None]
    kill_points_disarm: Callable[[], int]
    kill_points_name: Callable[[int], bytes]


def shim() -> Shim:
    """The shim of this process. Raises `AttributeError` where it was not loaded."""
    library = ctypes.CDLL(None)
    library.kill_points_name.restype = ctypes.c_char_p
    return library  # type: ignore[return-value]  # functions by name


def in_child(action: Callable[[], object]) -> tuple[int, str]:
    """Do it in a child: its wait status, and what it had to say (a traceback, or what the action answered)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code, text = 0, ""
        try:
            text = str(action() or "")
        except BaseException:  # noqa: BLE001 - told to the parent
            code, text = 1, traceback.format_exc()
        shim().kill_points_disarm()
        os.write(writing, text.encode()[:60_000])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitpid(pid, 0)[1], said


def calls_of(scenario: Scenario, place: Path) -> list[str]:
    """The modifying calls of a run that nothing disturbs, in order; checks it too."""

    def act() -> str:
        counting = shim()
        os.access(BEGIN, os.F_OK)  # a mark for strace
        counting.kill_points_arm(0, 0)
        try:
            scenario.act(place)
        finally:
            count = counting.kill_points_disarm()
            os.access(END, os.F_OK)
        return " ".join(counting.kill_points_name(n).decode() for n in range(count))

    _must(in_child(lambda: scenario.prepare(place)), "prepare")
    status, said = in_child(act)
    _must((status, said), "the undisturbed run")
    _must(in_child(lambda: scenario.check(place, whole=True)), "the check of the undisturbed run")
    return said.split()


def disturb(scenario: Scenario, place: Path, at: int, failure: int = 0) -> None:
    """Kill a run before its `at`-th call, or have that call fail; recover; check. Raises `AssertionError`."""

    def act() -> None:
        shim().kill_points_arm(at, failure)
        scenario.act(place)

    where = f"call {at}, {os.strerror(failure) if failure else 'killed'}"
    _must(in_child(lambda: scenario.prepare(place)), "prepare")
    status, said = in_child(act)
    if failure:
        assert status == 0, f"{where}: {said}"
    else:
        assert os.WIFSIGNALED(status), f"{where}: it went on: {status} {said}"
        assert os.WTERMSIG(status) == signal.SIGKILL, f"{where}: {status} {said}"
    _must(in_child(lambda: scenario.recover(place)), f"{where}: recovery")
    _must(in_child(lambda: scenario.check(place, whole=False)), f"{where}: invariant")


def strace_calls(log: str) -> Counter[str]:
    """The modifying calls between the marks in what `strace -f` wrote."""
    found: Counter[str] = Counter()
    inside = False
    for line in log.splitlines():
        if BEGIN in line:
            inside = True
        elif END in line:
            inside = False
        elif inside and (call := re.search(r"(?:^|\s)(\w+)\(", line)) is not None and _modifies(call[1], line):
            found[call[1]] += 1
    return found


def _modifies(name: str, line: str) -> bool:
    if name in ("open", "openat", "openat2"):
        return any(flag in line for flag in ("O_CREAT", "O_TRUNC", "O_TMPFILE"))
    return name in MODIFYING


def _must(result: tuple[int, str], step: str) -> None:
    status, said = result
    assert status == 0, f"{step}: status {status}\n{said}"


def differences(seen_by_strace: Counter[str], points: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Calls that strace and the shim did not see equally often, with both numbers."""
    counted = Counter(points)
    return {
        name: (seen_by_strace[name], counted[name])
        for name in {*seen_by_strace, *counted}
        if seen_by_strace[name] != counted[name]
    }
