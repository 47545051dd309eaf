"""A little space that is kept aside while there is some, for the run that has to make room when there is none.

Owns one file, which is given up when its disk is full and taken again when it is not. Refuses to know what the
space is for.
"""

import os
from contextlib import suppress
from pathlib import Path

RESERVED_BYTES = 4 * 1024 * 1024


class Reserve:
    """`path` is the file; whoever else is on the disk sees it as taken."""

    def __init__(self, path: Path, size_bytes: int = RESERVED_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def spend(self) -> None:
        """Give the space up where so much is not free anyway. Raises `OSError`."""
        if self._free_bytes() < self._size_bytes:
            self._path.unlink(missing_ok=True)

    def renew(self) -> None:
        """Take it again, where twice as much is free. That it cannot be had is no error."""
        with suppress(OSError):
            if self._path.exists() or self._free_bytes() < 2 * self._size_bytes:
                return
            made = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(made, 0, self._size_bytes)
            finally:
                os.close(made)

    def _free_bytes(self) -> int:
        space = os.statvfs(self._path.parent)
        return space.f_bavail * space.f_frsize
