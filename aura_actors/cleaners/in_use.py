"""Whether somebody has a file open: by a write lease where the kernel grants one, else by looking into /proc.

Owns the two ways of finding out. A write lease (`fcntl(2)`, F_SETLEASE) is granted only while nobody else has the
file open or mapped, whoever they are, and who opens it meanwhile waits until it is given back. /proc shows less:
processes that may be looked at, at the moment it was read; what it cannot say is said to be unknown.
"""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from typing import Literal

import msgspec

Answer = Literal["free", "in-use", "unknown"]

UNDERSTANDS_NO_LEASE = {
    errno.EACCES,  # somebody else's file, without CAP_LEASE
    errno.EPERM,
    errno.EINVAL,  # a file system without leases
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
}


def lease(fd: int, kind: int = fcntl.F_WRLCK) -> Answer:
    """Try to take a lease on an open regular file; `free` means it is held until `fd` is closed.

    The write lease is granted while nobody else has the file open; F_RDLCK while nobody has it open for writing,
    and only through a descriptor that cannot write.
    """
    # The default signal of a lease that somebody wants back, SIGIO, ends the process; SIGURG is ignored by default.
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
    except BlockingIOError:
        return "in-use"
    except OSError as error:
        if error.errno in UNDERSTANDS_NO_LEASE:
            return "unknown"
        raise
    return "free"


def lease_is_whole(fd: int, kind: int = fcntl.F_WRLCK) -> bool:
    """Whether a lease is still wanted by nobody."""
    return fcntl.fcntl(fd, fcntl.F_GETLEASE) == kind


class OpenFiles(msgspec.Struct, frozen=True):
    """What other processes, and mappings of this one, held when /proc was read."""

    files: frozenset[tuple[int, int]]
    """(device, inode) of descriptors, working and root directories, programs."""
    mapped_inodes: frozenset[int]
    """Device numbers in `maps` are not those of `stat` on every file system, so they are left out."""
    complete: bool
    """False where some process could not be looked at."""

    def ask(self, device: int, inode: int) -> Answer:
        """`free` only where every process could be looked at."""
        if (device, inode) in self.files or inode in self.mapped_inodes:
            return "in-use"
        return "free" if self.complete else "unknown"

    def stand_in(self, device: int, inode: int) -> bool:
        """Whether some process is known to be in a directory, or to have it open."""
        return (device, inode) in self.files


def read_open_files(proc: str = "/proc") -> OpenFiles:
    """Look at every process once; takes about 5 µs for each open descriptor of the machine."""
    reading = _Reading(proc)
    try:
        pids = [name for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208 - names, not paths
    except OSError:
        pids = []
        reading.complete = False
    for pid in pids:
        reading.process(pid)
    return OpenFiles(frozenset(reading.files), frozenset(reading.mapped), reading.complete)


class _Reading:
    def __init__(self, proc: str) -> None:
        self._proc = proc
        self.files: set[tuple[int, int]] = set()
        self.mapped: set[int] = set()
        self.complete = True

    def process(self, pid: str) -> None:
        base = f"{self._proc}/{pid}"
        for link in ("cwd", "root", "exe"):
            self._note(f"{base}/{link}")
        for name in self._names(f"{base}/fd"):
            self._note(f"{base}/fd/{name}")
        self._maps(f"{base}/maps")

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(folder)  # noqa: PTH208 - names, not paths
        except OSError as error:
            self._failed(error)
            return []

    def _note(self, link: str) -> None:
        try:
            # Reading the link touches no file system; looking at what it names may (a dead network mount), so
            # sockets and pipes, the bulk, are not looked at.
            if not os.readlink(link).startswith("/"):  # noqa: PTH115 - hot
                return
            status = os.stat(link)  # noqa: PTH116 - hot
        except OSError as error:
            self._failed(error)
            return
        self.files.add((status.st_dev, status.st_ino))

    def _maps(self, path: str) -> None:
        try:
            self.mapped.update(_inodes(path))
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        # A process that has ended holds nothing; a kernel thread has no program.
        if error.errno not in (errno.ENOENT, errno.ESRCH):
            self.complete = False


def _inodes(path: str) -> Iterator[int]:
    with open(path, "rb") as maps:  # noqa: PTH123 - not a file, and hot
        for line in maps:
            fields = line.split(None, 5)
            if len(fields) > 5 and fields[5].startswith(b"/"):
                yield int(fields[4])
