"""Folders that may be swept: made once, marked, and recognised again before anything in them is touched.

Owns the sentinel file and the identity of a root. A run on a root that is missing, replaced, or no longer
marked is declined with a sentence; what is inside is somebody else's file. Refuses to know where identities are
stored.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from aura_actors.cleaners.cursor import open_directory
from aura_actors.errors import Unavailable

SENTINEL = ".aura-root"
"""Name of the file that marks a root; never a candidate for removal, wherever it is found."""

SENTINEL_TEXT = (
    b"aura-actors removes files from this folder once they are old enough. Keep this file: it marks it.\n"
)


class Declined(Unavailable):
    """The folder is not, or not surely, the one that was to be swept; nothing in it was touched."""


class RootIdentity(msgspec.Struct, frozen=True):
    """What tells a root from one that took its place."""

    device: int
    inode: int
    sentinel_inode: int


class Ground(msgspec.Struct, frozen=True):
    """A root and who it has to be."""

    path: str
    identity: RootIdentity


def prepare_root(path: str, recorded: RootIdentity | None, *, keep_out: str) -> RootIdentity:
    """Make or recognise a root when the program starts; the identity to record. Blocks.

    A root without a record is made and marked. A recorded one is recognised by device and inode, also when only the
    device's number has changed (a reboot) while the inodes of folder and sentinel have not; or because a person
    has put an empty sentinel into it, which says: this folder from now on. `keep_out` is the program's own data,
    which a root must not contain. Raises `Declined`.
    """
    if Path(os.path.realpath(keep_out)).is_relative_to(os.path.realpath(path)):
        raise Declined(f"{path} contains the program's own data ({keep_out})")
    try:
        if recorded is None:
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
        root_fd = _open(path)
        try:
            return _recognise(path, root_fd, recorded)
        finally:
            os.close(root_fd)
    except OSError as error:
        raise Declined(f"{path} cannot be prepared: {error.strerror}") from error


def recognised(grounds: Mapping[str, Ground], path: str) -> Ground:
    """The root at `path`. Raises `Declined` where it was not recognised when the program started."""
    try:
        return grounds[path]
    except KeyError:
        raise Declined(f"{path} was not recognised as a folder of this program") from None


def open_root(ground: Ground) -> int:
    """A descriptor of the root, which the caller closes. Raises `Declined` unless it is the recorded one."""
    try:
        root_fd = _open(ground.path)
    except OSError as error:
        raise Declined(f"{ground.path} cannot be opened: {error.strerror}") from error
    try:
        found = _look(root_fd)
    except OSError as error:
        os.close(root_fd)
        raise Declined(f"{ground.path} cannot be read: {error.strerror}") from error
    if found == ground.identity:
        return root_fd
    os.close(root_fd)
    raise Declined(_refusal(ground.path, found, ground.identity))


@contextmanager
def claimed(path: str, root_fd: int) -> Iterator[None]:
    """Keep other daemons out of an open root; where its file system has no locks, nothing does.

    Each daemon does one run at a time, but two may have been given the same folder. What one of them has half done
    looks to the other like what a kill left. Raises `Declined` where another one is at it.
    """
    try:
        sentinel_fd = os.open(SENTINEL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root_fd)
    except OSError:
        yield  # not ours to read
        return
    try:
        with suppress(OSError):
            try:
                fcntl.flock(sentinel_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Declined(f"{path} is being cleaned up by another daemon at this moment") from None
        yield
    finally:
        os.close(sentinel_fd)


def filesystem_now_ns(folder: str) -> int:
    """What time the file system of `folder` believes it is: the stamp of a new file without a name."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime_ns


def _open(path: str) -> int:
    try:
        return open_directory(path)
    except FileNotFoundError:
        advice = f"put it back, or make it with an empty {SENTINEL} in it and restart"
        raise Declined(f"{path} is missing; {advice}") from None
    except NotADirectoryError:
        raise Declined(f"{path} is not a folder (links are not followed)") from None


def _look(root_fd: int) -> RootIdentity | None:
    root = os.fstat(root_fd)
    try:
        sentinel = os.stat(SENTINEL, dir_fd=root_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(sentinel.st_mode):
        return None
    return RootIdentity(root.st_dev, root.st_ino, sentinel.st_ino)


def _recognise(path: str, root_fd: int, recorded: RootIdentity | None) -> RootIdentity:
    found = _look(root_fd)
    if recorded is None:
        return found or _mark(root_fd)
    if found is not None and (
        (found.inode, found.sentinel_inode) == (recorded.inode, recorded.sentinel_inode)
        or _accepted_by_hand(root_fd)
    ):
        return found
    raise Declined(_refusal(path, found, recorded))


def _mark(root_fd: int) -> RootIdentity:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    sentinel_fd = os.open(SENTINEL, flags, 0o600, dir_fd=root_fd)
    try:
        os.write(sentinel_fd, SENTINEL_TEXT)
        root, sentinel = os.fstat(root_fd), os.fstat(sentinel_fd)
    finally:
        os.close(sentinel_fd)
    return RootIdentity(root.st_dev, root.st_ino, sentinel.st_ino)


def _accepted_by_hand(root_fd: int) -> bool:
    sentinel_fd = os.open(SENTINEL, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root_fd)
    try:
        if os.fstat(sentinel_fd).st_size:
            return False
        os.write(sentinel_fd, SENTINEL_TEXT)  # so that the word is given once
        return True
    finally:
        os.close(sentinel_fd)


def _refusal(path: str, found: RootIdentity | None, recorded: RootIdentity) -> str:
    if found is None:
        wrong = f"has no {SENTINEL} file in it any more (is a disk not mounted?)"
    elif (found.device, found.inode) != (recorded.device, recorded.inode):
        wrong = "is another folder than the one that was recorded"
    else:
        wrong = f"has another {SENTINEL} file in it than the one that was recorded"
    return f"{path} {wrong}; to go on with it as it is, put an empty {SENTINEL} into it and restart"
