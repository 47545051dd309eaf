"""A memory control group to be short of memory in, v1 or v2, with one child for each process.

Owns its making, its counters and its removal, which leaves nothing behind however the run ends; what an earlier run
that was killed left is removed by the next. Refuses to know what runs inside.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from aura_actors.collectors.cgroup_find import find_groups
from aura_actors.collectors.cgroup_memory import usage_of
from aura_actors.collectors.files import read_small
from benchmarks.throttle.outcome import Counters

PREFIX = "aura-throttle-"


class NotPermitted(Exception):
    """There is no group to run in; the text says what is missing."""


class Cell:
    """The group of one process."""

    def __init__(self, path: Path, *, unified: bool) -> None:
        self.path = path
        self._unified = unified

    def enter(self, pid: int, limit_bytes: int | None) -> None:
        """Put a process in, under a limit of its own."""
        if limit_bytes is not None:
            (self.path / ("memory.max" if self._unified else "memory.limit_in_bytes")).write_text(str(limit_bytes))
        (self.path / "cgroup.procs").write_text(str(pid))

    @property
    def peak_bytes(self) -> int:
        """The most that was ever charged; 0 where the kernel does not tell."""
        name = "memory.peak" if self._unified else "memory.max_usage_in_bytes"
        try:
            return int((self.path / name).read_text())
        except OSError:
            return 0

    @property
    def oom_kills(self) -> int:
        """Processes in it that were killed for want of memory, here or above."""
        return _entry(self.path / ("memory.events" if self._unified else "memory.oom_control"), "oom_kill")


class Sandbox:
    """The group that everybody shares. Use it as a context manager."""

    def __init__(self, limit_bytes: int) -> None:
        self.path, self._unified = _made()
        self._cells: dict[str, Cell] = {}
        self._kills_in_removed_cells = 0
        try:
            self._limit(limit_bytes)
        except OSError as error:
            _remove(self.path)
            raise NotPermitted(f"{self.path} takes no memory limit: {error.strerror}") from error
        name = "memory.current" if self._unified else "memory.usage_in_bytes"
        self._usage = os.open(self.path / name, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._usage)
        for cell in list(self._cells):
            self.remove(cell)
        _remove(self.path)

    def _limit(self, limit_bytes: int) -> None:
        if self._unified:
            (self.path / "cgroup.subtree_control").write_text("+memory")
            (self.path / "memory.max").write_text(str(limit_bytes))
            with contextlib.suppress(OSError):  # where swap is not accounted for
                (self.path / "memory.swap.max").write_text("0")
        else:
            (self.path / "memory.limit_in_bytes").write_text(str(limit_bytes))
            (self.path / "memory.swappiness").write_text("0")

    def cell(self, name: str) -> Cell:
        """A new group inside."""
        path = self.path / name
        path.mkdir()
        cell = self._cells[name] = Cell(path, unified=self._unified)
        return cell

    def remove(self, name: str) -> None:
        """A group inside, with whatever still runs in it."""
        cell = self._cells.pop(name)
        self._kills_in_removed_cells += cell.oom_kills
        _remove(cell.path)

    def used_bytes(self) -> int:
        """What is charged, cheaply."""
        return int(os.pread(self._usage, 32, 0))

    def working_set_bytes(self) -> int:
        """What is charged without the page cache that the kernel takes back first."""
        usage = usage_of(str(self.path), unified=self._unified)
        assert usage is not None, "it accounts for memory"
        return usage.working_set_bytes

    @property
    def name(self) -> str:
        """Below the group of this process, and of which version."""
        return f"{self.path.name} (memory, {'v2' if self._unified else 'v1'})"

    @property
    def peak_bytes(self) -> int:
        """The most that was ever charged."""
        return Cell(self.path, unified=self._unified).peak_bytes

    def counters(self) -> Counters:
        """As the kernel counts. v1 counts a kill in the victim's own group alone, v2 in all around it as well."""
        here = Cell(self.path, unified=self._unified).oom_kills
        if not self._unified:
            here += self._kills_in_removed_cells + sum(cell.oom_kills for cell in self._cells.values())
        hits = (
            _entry(self.path / "memory.events", "max")
            if self._unified
            else int((self.path / "memory.failcnt").read_text())
        )
        return Counters(
            oom_kills=here,
            limit_hits=hits,
            used_bytes=self.used_bytes(),
            machine_oom_kills=_entry(Path("/proc/vmstat"), "oom_kill"),
        )


def _made() -> tuple[Path, bool]:
    """A new group below the nearest one where that is allowed; True for v2."""
    try:
        chain = find_groups("", Path("/proc/self/cgroup").read_text()).memory
    except OSError as error:
        raise NotPermitted("no control groups: /proc/self/cgroup cannot be read") from error
    reason = "no memory controller is mounted (cgroup v1 or v2)"
    for directory in map(Path, chain.directories):
        _remove_stale(directory)
        path = directory / f"{PREFIX}{os.getpid()}"
        try:
            path.mkdir()
        except OSError as error:
            reason = f"no group can be made below {directory}: {error.strerror}"
            continue
        if (path / ("memory.max" if chain.unified else "memory.limit_in_bytes")).exists():
            return path, chain.unified
        reason = f"groups below {directory} have no memory controller"
        path.rmdir()
    raise NotPermitted(
        f"{reason}; run as root or below a delegated group (systemd-run --user --scope -p Delegate=yes)"
    )


def _remove_stale(directory: Path) -> None:
    """Groups of runs that were killed."""
    for path in directory.glob(f"{PREFIX}*"):
        if not read_small(
            f"/proc/{path.name.removeprefix(PREFIX)}/cmdline"
        ):  # gone, or nobody has waited for it yet
            for cell in path.glob("*/"):
                _remove(cell)
            _remove(path)


def _remove(path: Path) -> None:
    """End what runs in it, and wait until the kernel has taken it apart, some milliseconds later."""
    for _ in range(500):
        with contextlib.suppress(OSError):
            for pid in (path / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
    path.rmdir()


def _entry(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
