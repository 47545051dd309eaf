"""One log becomes its `.gz`: written beside it, read back, compared, named.

Owns the protocol for one file in one open folder. Killed at any point, the log is whole, and so is what has the
name of its `.gz`. Refuses to know which logs are to be compressed, and how a log goes after that.
"""

import contextlib
import hashlib
import os
import time
import zlib
from collections.abc import Generator

import msgspec

from aura_actors.cleaners.contents import Busy, Unwritten, nobody_writing
from aura_actors.cleaners.hold import take_hold
from aura_actors.cleaners.in_use import read_open_files
from aura_actors.cleaners.sealing import Draft, chunks, open_file
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.walk import BLOCK_BYTES, item_of
from aura_actors.domain.retention import Item, Keep

PREFIX = ".aura-gz-"
SUFFIX = ".gz"
GZIP = 31
"""For zlib: a window of 32 KiB, and gzip's own header and check."""

Digest = tuple[str, int]
"""SHA-256 and size of a content."""
NOTHING: Digest = (hashlib.sha256().hexdigest(), 0)


class Compressed(msgspec.Struct, frozen=True):
    """What a log became."""

    size_bytes: int
    allocated_bytes: int


def compress(folder_fd: int, log: Item) -> Generator[None, None, Compressed]:
    """Compress a log, which stays. Raises `Busy` where somebody uses it, `Damaged` where its name is taken,
    `OSError`.

    A `.gz` that is there already counts only if it unpacks to the same. One that unpacks to the beginning of the
    log was made before somebody went on with it: it is made anew. One of another log, which had this name before
    it was rotated, stays, and this one's has the time of its last line in its name.
    """
    with nobody_writing(folder_fd, log, read_open_files) as source:
        for name in _names(log):
            there, digest = yield from _unpacked(folder_fd, name)
            if there is None or digest == (yield from _digest(source.fd, digest[1])):
                break
        else:
            raise Damaged(f"{name} is there already, with another content")
        if there is None or digest[1] < log.size_bytes:
            yield from _write(folder_fd, name, source, outdated=there)
        else:
            os.fsync(folder_fd)  # whoever made it may have died before
    status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    return Compressed(status.st_size, status.st_blocks * BLOCK_BYTES)


def obstacle(folder_fd: int, log: Item) -> Keep | None:
    """Why a log would not go now: somebody writes to it, or reads it. Raises `OSError`."""
    try:
        with nobody_writing(folder_fd, log, read_open_files):
            pass
    except Busy as busy:
        return busy.reason
    hold = take_hold(folder_fd, log, 0, read_open_files)
    if isinstance(hold, Keep):
        return hold
    hold.release()
    return None


def is_compressed(folder_fd: int, log: Item) -> bool:
    """Whether something has the name of its `.gz`."""
    try:
        os.stat(log.name + SUFFIX, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _names(log: Item) -> tuple[str, str]:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(log.modified_ns // 10**9))
    return log.name + SUFFIX, f"{log.name}.{stamp}{SUFFIX}"


def _write(folder_fd: int, name: str, source: Unwritten, *, outdated: Item | None) -> Generator[None, None, None]:
    disk = os.fstatvfs(folder_fd)
    most_bytes = disk.f_bavail * disk.f_frsize // 2
    with Draft(folder_fd, name.removesuffix(SUFFIX), prefix=PREFIX) as draft:
        deflate = zlib.compressobj(wbits=GZIP)
        digest, size = hashlib.sha256(), 0
        for data in chunks(source.fd):
            digest.update(data)
            size += len(data)
            draft.write(deflate.compress(data))
            if draft.size_bytes > most_bytes:
                raise Damaged("compressed it would take more than half of what is free on the disk")
            yield
        draft.write(deflate.flush())
        _dress(draft.fd, os.fstat(source.fd))
        draft.settle()
        yield
        if (yield from _digest_unpacked(draft.fd)) != (digest.hexdigest(), size):
            raise Damaged("what was compressed does not unpack to the same")
        source.check()
        if outdated is not None:
            _drop(folder_fd, outdated)
        draft.seal(name)


def _drop(folder_fd: int, outdated: Item) -> None:
    """The end of a `.gz` whose whole content is in the log, and in what takes its place."""
    hold = take_hold(folder_fd, outdated, 0, read_open_files)
    if isinstance(hold, Keep):
        raise Busy(hold)
    try:
        os.unlink(outdated.name, dir_fd=folder_fd)
    finally:
        hold.release()


def _dress(fd: int, status: os.stat_result) -> None:
    """Mode and time of the log, and its owner where that is allowed."""
    with contextlib.suppress(PermissionError):
        os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, status.st_mode & 0o7777)
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _unpacked(folder_fd: int, name: str) -> Generator[None, None, tuple[Item | None, Digest]]:
    """A file and what it unpacks to; None, and nothing, where there is none."""
    try:
        fd = open_file(folder_fd, name)
    except FileNotFoundError:
        return None, NOTHING
    try:
        os.fsync(fd)
        found = item_of(0, name, os.fstat(fd))
        return found, (yield from _digest_unpacked(fd))
    finally:
        os.close(fd)


def _digest(fd: int, size: int) -> Generator[None, None, Digest]:
    """Of the first so many bytes; of all where there are fewer."""
    digest, left = hashlib.sha256(), size
    for data in chunks(fd):
        digest.update(data[:left])
        left -= len(data[:left])
        if not left:
            break
        yield
    return digest.hexdigest(), size - left


def _digest_unpacked(fd: int) -> Generator[None, None, Digest]:
    """Of what a `.gz` unpacks to. Raises `Damaged` where it is not one, or not whole."""
    inflate = zlib.decompressobj(wbits=GZIP)
    digest, size = hashlib.sha256(), 0
    try:
        for data in chunks(fd):
            while data:
                text = inflate.decompress(data, 1 << 20)
                digest.update(text)
                size += len(text)
                data = inflate.unconsumed_tail
                yield
    except zlib.error as error:
        raise Damaged(f"not a whole gzip file: {error}") from error
    if not inflate.eof or inflate.unused_data:
        raise Damaged("not a whole gzip file")
    return digest.hexdigest(), size
