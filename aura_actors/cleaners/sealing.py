"""Files that come into being whole: written under a name that does not count, made durable, then given their name.

Owns the steps (exclusive creation, fsync and its answer, a name that is never taken from another, fsync of the
folder) and the removal of what a crash left half made. Refuses to know what is written.
"""

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

CHUNK_BYTES = 1 << 20

DRAFT_PREFIX = ".aura-tmp-"
"""What begins like this is a draft of ours: nothing refers to it; whoever finds one after a crash removes it."""


class Draft:
    """A file in the making, in the folder of the descriptor `folder_fd`, which stays the caller's.

    Leaving the block without `seal` removes it. Every method may raise `OSError`.
    """

    def __init__(self, folder_fd: int, label: str, *, prefix: str = DRAFT_PREFIX) -> None:
        self._folder_fd = folder_fd
        self._name = f"{prefix}{label}"
        self._sealed = False
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        drop_draft(folder_fd, label, prefix=prefix)
        self.fd = os.open(self._name, flags, 0o600, dir_fd=folder_fd)
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._sealed:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._name, dir_fd=self._folder_fd)
        finally:
            os.close(self.fd)

    def write(self, data: bytes) -> None:
        """Add to the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]
        self.size_bytes += len(data)

    def settle(self) -> None:
        """Have the content on the disk; what is read from now on is what will be found after a power cut."""
        os.fsync(self.fd)

    def seal(self, name: str) -> None:
        """Give it its name, durably. Raises `FileExistsError` where the name is taken, and takes nothing away."""
        folder = self._folder_fd
        os.link(self._name, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)
        self._sealed = True
        with contextlib.suppress(OSError):  # it is sealed; a second name of it is dropped with the next drafts
            os.unlink(self._name, dir_fd=folder)


def open_file(folder_fd: int, name: str) -> int:
    """A descriptor of a sealed file for reading, never through a link; the caller closes it."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)


def chunks(fd: int) -> Iterator[bytes]:
    """The content of a file from its beginning, whatever was read or written through the descriptor before."""
    position = 0
    while data := os.pread(fd, CHUNK_BYTES, position):
        position += len(data)
        yield data


def drop(folder_fd: int, name: str) -> None:
    """The end of a sealed file, durably; of one that is gone, too."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder_fd)
        os.fsync(folder_fd)


def drop_draft(folder_fd: int, label: str, *, prefix: str = DRAFT_PREFIX) -> None:
    """Remove what a run that died left half made under one label: there is never a second run beside us."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{prefix}{label}", dir_fd=folder_fd)


def drop_drafts(folder_fd: int, *, prefix: str = DRAFT_PREFIX) -> None:
    """Remove what a run that died left half made."""
    dropped = False
    for name in os.listdir(folder_fd):
        if name.startswith(prefix):
            os.unlink(name, dir_fd=folder_fd)
            dropped = True
    if dropped:
        os.fsync(folder_fd)
