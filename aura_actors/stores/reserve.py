"""A little space that is kept aside while there is some, for the run that has to make room when there is none.

Owns one file, which is given up part by part for writes that failed, and taken again when there is room. Refuses to
know what is written.
"""

import os
from contextlib import suppress
from pathlib import Path

RESERVED_BYTES = 4 * 1024 * 1024
PARTS = 8
"""Another program that fills the disk may take a part before we do; so not all of it goes at once."""


class Reserve:
    """`path` is the file; whoever else is on the disk sees it as taken."""

    def __init__(self, path: Path, size_bytes: int = RESERVED_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def spend(self) -> bool:
        """Give up a part of it, for a write that failed; False where nothing is left. Raises `OSError`."""
        try:
            left = self._path.stat().st_size - self._size_bytes // PARTS
        except FileNotFoundError:
            return False
        if left > 0:
            os.truncate(self._path, left)
        else:
            self._path.unlink()
        return True

    def renew(self) -> None:
        """Have all of it again, where twice as much is free. That it cannot be had is no error."""
        with suppress(OSError):
            if self._is_whole() or self._free_bytes() < 2 * self._size_bytes:
                return
            made = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(made, 0, self._size_bytes)
            finally:
                os.close(made)

    def _is_whole(self) -> bool:
        return self._path.exists() and self._path.stat().st_size >= self._size_bytes

    def _free_bytes(self) -> int:
        space = os.statvfs(self._path.parent)
        return space.f_bavail * space.f_frsize
