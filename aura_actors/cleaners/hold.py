"""A file that is being moved, held so that nobody can begin to use it unnoticed.

Owns the descriptor and the lease on it. Refuses to know where the file goes and why.
"""

import os
from collections.abc import Callable

from aura_actors.cleaners.in_use import OpenFiles, lease, lease_is_whole
from aura_actors.cleaners.walk import kind_of
from aura_actors.domain.retention import Item, Keep, Kind

SEEN_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Hold:
    """An item on its way to quarantine, where its name is `seq`; with the lease on it, where there is one."""

    def __init__(self, item: Item, seq: int, fd: int = -1) -> None:
        self.item = item
        self.seq = seq
        self.stuck = False
        """It should go back, and cannot."""
        self._fd = fd

    @property
    def nobodys(self) -> bool:
        """Nobody can have it in use unseen: there is a lease on it, or it is a link, which nobody can open."""
        return not self.stuck and (self._fd >= 0 or self.item.kind is Kind.SYMLINK)

    def undisturbed(self) -> bool:
        """Whether nobody waits for the lease; True as well where there is none."""
        return self._fd < 0 or lease_is_whole(self._fd)

    def release(self) -> None:
        """Let whoever waits for it have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def take_hold(dir_fd: int, item: Item, seq: int, open_files: Callable[[], OpenFiles]) -> Hold | Keep:
    """Take the write lease on a file that is still what was scanned, or say why it must stay.

    Where the kernel grants no lease, the map of what processes have open decides, and a hold without one is given.
    """
    # First a descriptor that opens nothing: what took the file's place may be a device that acts when opened.
    seen_fd = os.open(item.name, SEEN_FLAGS, dir_fd=dir_fd)
    try:
        if not same(item, os.fstat(seen_fd)):
            return Keep.CHANGED
        held = _leased(seen_fd)
    finally:
        os.close(seen_fd)
    if held is not None:
        return held if isinstance(held, Keep) else Hold(item, seq, held)
    # Our own descriptors are closed again by now, so that they are not taken for somebody's.
    match open_files().ask(item.device, item.inode):
        case "free":
            return Hold(item, seq)
        case "in-use":
            return Keep.IN_USE
        case "unknown":
            return Keep.UNKNOWN_USE


def same(item: Item, status: os.stat_result) -> bool:
    """Whether an entry is still the one that was scanned, unwritten, and linked nowhere else.

    Where access counts, unread as well.
    """
    return (
        (status.st_dev, status.st_ino) == (item.device, item.inode)
        and (status.st_mtime_ns, status.st_ctime_ns) == (item.modified_ns, item.changed_ns)
        and (status.st_size, status.st_nlink) == (item.size_bytes, item.links)
        and kind_of(status.st_mode) is item.kind
        and (item.accessed_ns == 0 or status.st_atime_ns == item.accessed_ns)
    )


def _leased(seen_fd: int) -> int | Keep | None:
    """A descriptor with the write lease, which the caller closes; None where nothing can be known that way."""
    try:
        fd = os.open(f"/proc/self/fd/{seen_fd}", READ_FLAGS)
    except BlockingIOError:
        return Keep.IN_USE  # somebody holds a lease on it
    except (PermissionError, FileNotFoundError):
        return None
    try:
        answer = lease(fd)
    except BaseException:  # raised again: no descriptor stays open
        os.close(fd)
        raise
    if answer == "free":
        return fd
    os.close(fd)
    return Keep.IN_USE if answer == "in-use" else None
