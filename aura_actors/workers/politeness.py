"""A process that takes what others leave: the lowest priority at the processor, and the idle class at the disks.

Both count for the thread that asks and those it starts, so this is for a process of its own, at its beginning.
Where the system refuses or has no such thing, it goes on without: the work is the same, only less polite.
"""

import ctypes
import os
import platform
from contextlib import suppress

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "armv7l": 314, "ppc64le": 273, "s390x": 282}
_WHO_PROCESS = 1
_CLASS_IDLE = 3
_CLASS_SHIFT = 13


def be_polite(nice: int) -> None:
    """For the rest of this process. `nice` is added to its niceness: 0 leaves that as it is, 19 is the most."""
    with suppress(OSError):
        os.nice(nice)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None and os.name == "posix" and platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE << _CLASS_SHIFT)
