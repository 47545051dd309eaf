"""Small files of the kernel, read whole. Refuses to know what stands in them."""

import os

_MOST_BYTES = 65_536
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


def read_small(path: str) -> str | None:
    """The text; None where there is no such file, or where the kernel does not support or allow reading it.

    Three system calls: `open()` of the standard library makes seven, which is most of what such a file costs.
    """
    try:
        descriptor = os.open(path, _READ_ONLY)
    except OSError:
        return None
    try:
        return _drain(descriptor).decode("utf-8", "surrogateescape")
    except OSError:  # ENOTSUP and EOPNOTSUPP, ENODEV of a group that was removed, EIO
        return None
    finally:
        os.close(descriptor)


def _drain(descriptor: int) -> bytes:
    text = os.read(descriptor, _MOST_BYTES)
    if len(text) < 4096:  # the kernel hands out whole pages, so a shorter answer is the end
        return text
    parts = [text]
    while part := os.read(descriptor, _MOST_BYTES):
        parts.append(part)
    return b"".join(parts)
