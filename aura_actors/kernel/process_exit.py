"""Waits for the end of one process that is not our child.

Owns the ways to notice: a pidfd, which the loop is told of at once, and where none can be had (too many open files,
an old kernel, another system) a look at the process now and then. Refuses to know why anybody waits. Reading
`/proc/<pid>/stat` touches no disk, so there is no thread.
"""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import trio

_PROC = Path("/proc/self/stat")


async def wait_process_exit(pid: int, start_ticks: int, *, poll_seconds: float = 1.0) -> None:
    """Return when the process with this id and this start time has ended, or at once where it is not there.

    `start_ticks` is field 22 of `/proc/<pid>/stat`; where there is no `/proc`, hundredths of seconds since the
    epoch. A process of which only its exit status is left has ended. May be cancelled; keeps no descriptor then.
    """
    await trio.lowlevel.checkpoint()
    while not has_ended(pid, start_ticks):
        if await _wait_pidfd(pid, start_ticks):
            return
        await trio.sleep(poll_seconds)


async def _wait_pidfd(pid: int, start_ticks: int) -> bool:
    """True when it has ended; False where that cannot be waited for, now or at all."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (OSError, AttributeError):  # EMFILE, ENOSYS, EPERM of a sandbox; not Linux
        return False
    try:
        if has_ended(pid, start_ticks):  # between the first look and the pidfd, which may be another's
            return True
        with suppress(OSError):  # ENOSPC: the limit on watches
            await trio.lowlevel.wait_readable(descriptor)
            return True
        return False
    finally:
        os.close(descriptor)


def has_ended(pid: int, start_ticks: int) -> bool:
    """Whether that very process is no more; False as well where nothing can be found out at present."""
    try:
        text = _read_stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return _PROC.exists() or _is_gone_elsewhere(pid, start_ticks)
    except OSError:  # EMFILE: only whether anybody has this id can be asked
        return not _is_taken(pid)
    fields = text.rpartition(b")")[2].split()
    is_zombie = fields[0] in b"ZXx" and int(fields[17]) <= 1  # a first thread may end before the others
    return int(fields[19]) != start_ticks or is_zombie


def _read_stat(pid: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _is_taken(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def _is_gone_elsewhere(pid: int, start_ticks: int) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(round(process.create_time() * 100) != start_ticks or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
