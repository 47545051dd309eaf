"""One open directory somewhere below a root, moved from place to place.

Owns how a directory is entered: name by name from its parent, never through a link, never onto another mount, and
only as long as it is the directory that was seen before. However deep the tree, one descriptor is open besides the
root's, and no path is longer than one name. Refuses to know what is looked for or removed.
"""

import errno
import fcntl
import os

import msgspec

from aura_actors.domain.retention import Keep

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A directory that a scan has entered; its number is its index in the list of places."""

    parent: int
    depth: int
    name: str
    device: int
    inode: int
    mode: int = 0


Places = list[Place] | dict[int, Place]


class Cursor:
    """`fd` is the directory it stands in. `root_fd` stays the caller's; `places[0]` is the root.

    With `hold_locks`, the shared flock that shows a directory to be free is kept while it stands there.
    """

    def __init__(self, root_fd: int, places: Places, *, hold_locks: bool = False) -> None:
        self._root_fd = root_fd
        self._hold_locks = hold_locks
        self._places = places
        self._mount_id = mount_id(root_fd)
        self._number = 0
        self.fd = root_fd

    def close(self) -> None:
        """Let go of what is open, and stand in the root again."""
        self._stand(0, self._root_fd)

    def go(self, number: int) -> Keep | None:
        """Move to a place; None when there. Otherwise it stands somewhere on the way, and here is why.

        Raises `OSError` where a directory on the way cannot be opened.
        """
        common, down = self._route(number)
        while self._number != common:
            if not self._climb():
                self.close()  # somebody moved what we stood in: start again from the root, by names
                return self.go(number)
        for step in reversed(down):
            reason = self._descend(step)
            if reason is not None:
                return reason
        return None

    def inside(self) -> bool:
        """Whether the directory is still below the root, as the kernel sees both now.

        True as well where the kernel cannot spell the path (longer than a page, no /proc): then only the way in,
        checked step by step, speaks for it.
        """
        try:
            root, here = (os.readlink(f"/proc/self/fd/{fd}") for fd in (self._root_fd, self.fd))  # noqa: PTH115 - hot
        except OSError:
            return True
        return here == root or here.startswith(f"{root}/")

    def _route(self, number: int) -> tuple[int, list[int]]:
        """The nearest directory above both here and `number`, and the way down from it, in reverse."""
        places = self._places
        here, there, down = self._number, number, []
        while places[here].depth > places[there].depth:
            here = places[here].parent
        while here != there:
            down.append(there)
            if places[there].depth == places[here].depth:
                here = places[here].parent
            there = places[there].parent
        return here, down

    def _climb(self) -> bool:
        parent = self._places[self._number].parent
        if parent == 0:
            self.close()
            return True
        try:
            fd = open_directory("..", dir_fd=self.fd)
        except OSError:
            return False
        if not self._is(fd, parent):
            os.close(fd)
            return False
        self._stand(parent, fd)
        return True

    def _descend(self, number: int) -> Keep | None:
        fd = open_directory(self._places[number].name, dir_fd=self.fd)
        try:
            reason = self._obstacle(fd, number)
        except BaseException:  # raised again: no descriptor stays open
            os.close(fd)
            raise
        if reason is None:
            self._stand(number, fd)
        else:
            os.close(fd)
        return reason

    def _obstacle(self, fd: int, number: int) -> Keep | None:
        if not self._is(fd, number):
            return Keep.CHANGED
        # A bind mount of the same file system has the same device number; only the mount's own id tells.
        if mount_id(fd) != self._mount_id:
            return Keep.OTHER_FILESYSTEM
        return Keep.LOCKED if locked_by_another(fd, hold=self._hold_locks) else None

    def _is(self, fd: int, number: int) -> bool:
        found, place = os.fstat(fd), self._places[number]
        return (found.st_dev, found.st_ino) == (place.device, place.inode)

    def _stand(self, number: int, fd: int) -> None:
        if self.fd not in (self._root_fd, fd):
            os.close(self.fd)
        self._number, self.fd = number, fd


def open_directory(name: str, *, dir_fd: int | None = None) -> int:
    """Open a directory for listing, never through a link, leaving its access time alone where that is allowed."""
    try:
        return os.open(name, DIRECTORY_FLAGS | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError:
        # O_NOATIME is for the owner only.
        return os.open(name, DIRECTORY_FLAGS, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(error.errno, "is a link", name) from None
        raise


def mount_id(fd: int) -> int | None:
    """The id of the mount that a descriptor was opened on; None where the kernel does not say."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as info:  # noqa: PTH123 - not a file, and hot
            for line in info:
                if line.startswith(b"mnt_id:"):
                    return int(line[7:])
    except OSError:
        pass
    return None


def locked_by_another(fd: int, *, hold: bool) -> bool:
    """Whether somebody holds an exclusive flock on an open directory.

    With `hold`, a shared flock stays on a free one until `fd` is closed.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks: nobody can hold one
    if not hold:
        fcntl.flock(fd, fcntl.LOCK_UN)
    return False
