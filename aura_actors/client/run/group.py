"""A control group of the command's own, v1 and v2: exact attribution, a hard cap, and its end.

Made beside or below the group that we are in, where we may; every failure to make one means that there is none, and
the command is told by its process tree. Refuses to know where our own group is (it is told), and what a lease is.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

CAP_SHARE = 1.1
CAP_SLACK_BYTES = 8 * 2**20
PREFIX = "aura-run-"
_REMOVE_SECONDS = 2.0
_LIMITS = ("memory.max", "memory.high", "cpu.max", "pids.max")


def cap_of(declared_bytes: int) -> int:
    """The hard cap of a declaration: without the slack an honest job would look like a liar."""
    return int(declared_bytes * CAP_SHARE) + CAP_SLACK_BYTES


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a group knows at its end."""

    peak_bytes: int | None
    """Without page cache, as far as that can be told afterwards."""
    oom_killed: bool


class Group:
    """One directory. `unified`: v2, whose files have other names. `home`: where whoever is left in it goes."""

    def __init__(self, path: Path, *, home: Path, unified: bool) -> None:
        self.path = path
        self._home = home
        self._unified = unified

    def enter(self, pid: int) -> None:
        """Move a process in. Raises OSError."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def cap(self, limit_bytes: int) -> None:
        """No more memory than this, and no swap beyond; who exceeds it dies alone. Raises OSError."""
        if self._unified:
            (self.path / "memory.max").write_text(str(limit_bytes))
            self._write_if_there("memory.swap.max", "0")
            self._write_if_there("memory.oom.group", "1")
        else:
            (self.path / "memory.limit_in_bytes").write_text(str(limit_bytes))
            self._write_if_there("memory.memsw.limit_in_bytes", str(limit_bytes))

    def spent(self) -> Spent:
        """Peak and kills; call it when the command has ended."""
        v1 = ("memory.max_usage_in_bytes", "memory.usage_in_bytes")
        names = ("memory.peak", "memory.current") if self._unified else v1
        peak, left = (_number(self.path / name) for name in names)
        kills = _entry(self.path / ("memory.events" if self._unified else "memory.oom_control"), "oom_kill")
        # What is left when nobody is left is page cache: it was no part of what the command needed.
        least = None if peak is None or left is None else max(0, peak - left)
        return Spent(peak_bytes=least, oom_killed=bool(kills))

    def members(self) -> list[int]:
        """Who is in it now, groups below included."""
        return [pid for folder in self._folders() for pid in _members(folder)]

    def close(self, *, kill: bool) -> int:
        """Remove it; how many were left in it. They go on in our own group, or are killed."""
        left: set[int] = set()
        until = time.monotonic() + _REMOVE_SECONDS
        while self.path.exists() and time.monotonic() < until:
            for folder in self._folders():
                for pid in _members(folder):
                    left.add(pid)
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL) if kill else _move(pid, self._home)
                with contextlib.suppress(OSError):
                    folder.rmdir()
            if self.path.exists():
                time.sleep(0.005)  # of the kernel's own time: a killed process leaves some milliseconds later
        return len(left)

    def _folders(self) -> Iterator[Path]:
        """Innermost first."""
        for folder, _, _ in os.walk(self.path, topdown=False):
            yield Path(folder)

    def _write_if_there(self, name: str, text: str) -> None:
        with contextlib.suppress(OSError):
            (self.path / name).write_text(text)


def make(own: Sequence[str], *, unified: bool, name: str) -> Group | None:
    """A group for a command; None where none may be made. `own`: our group's directory and those above it."""
    for parent in _parents([Path(each) for each in own], unified=unified):
        _sweep(parent)
        path = parent / f"{PREFIX}{name}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / ("memory.current" if unified else "memory.usage_in_bytes")).exists():
            return Group(path, home=Path(own[0]), unified=unified)
        path.rmdir()
    return None


def _parents(own: list[Path], *, unified: bool) -> Iterator[Path]:
    """Where a group with a memory controller can be made.

    v1: below our own. v2: a group with processes has no groups with controllers below it, so beside our own, if
    that frees the command of no limit that we are under.
    """
    if not unified:
        yield from own[:1]
        return
    if len(own) > 1 and not any(_limited(Path(own[0]), name) for name in _LIMITS):
        with contextlib.suppress(OSError):
            control = own[1] / "cgroup.subtree_control"
            if "memory" not in control.read_text().split():
                control.write_text("+memory")
            yield own[1]
    yield from own[:1]


def _sweep(parent: Path) -> None:
    """Remove what wrappers left that were killed: empty groups of processes that are no more."""
    with contextlib.suppress(OSError):
        for path in parent.glob(f"{PREFIX}*"):
            pid = path.name.removeprefix(PREFIX).partition("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                with contextlib.suppress(OSError):
                    path.rmdir()


def _limited(folder: Path, name: str) -> bool:
    try:
        return (folder / name).read_text().split()[:1] != ["max"]
    except OSError:  # no such controller
        return False


def _members(folder: Path) -> list[int]:
    try:
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _move(pid: int, group: Path) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _entry(path: Path, name: str) -> int | None:
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    return next((int(row[1]) for row in rows if row[:1] == [name]), None)
