"""When a file was born, which `os.stat` does not say on Linux: statx(2), called directly.

Owns the one call. Where the kernel, the C library or the file system does not know, the answer is 0.
"""

import ctypes
import os

NANOSECONDS = 10**9

_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
_STATX = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)


class _Stamp(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("padding", ctypes.c_int32))


class _Statx(ctypes.Structure):
    # struct statx of linux/stat.h: what is asked for lies at a fixed place, the rest is room for the kernel.
    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("before", ctypes.c_uint8 * 76),
        ("born", _Stamp),
        ("after", ctypes.c_uint8 * 160),
    )


def born_ns(dir_fd: int, name: str) -> int:
    """Birth time of an entry of an open directory, links not followed; nanoseconds since 1970."""
    if _STATX is None:
        return 0
    answer = _Statx()
    if _STATX(dir_fd, os.fsencode(name), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, ctypes.byref(answer)) != 0:
        return 0
    if not answer.mask & _STATX_BTIME:
        return 0
    return int(answer.born.seconds) * NANOSECONDS + int(answer.born.nanoseconds)
