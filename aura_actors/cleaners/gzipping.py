"""One log becomes its `.gz`: written beside it, read back, compared, named; only then does the log go.

Owns the protocol for one file in one open folder. Killed at any point, the log is whole, or a `.gz` that unpacks
to the same is. Refuses to know which logs are to be compressed.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Generator

import msgspec

from aura_actors.cleaners.contents import Busy, Unwritten, nobody_writing
from aura_actors.cleaners.hold import take_hold
from aura_actors.cleaners.in_use import read_open_files
from aura_actors.cleaners.sealing import Draft, chunks, open_file
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.walk import BLOCK_BYTES
from aura_actors.domain.retention import Item, Keep

PREFIX = ".aura-gz-"
SUFFIX = ".gz"
GZIP = 31
"""For zlib: a window of 32 KiB, and gzip's own header and check."""

Digest = tuple[str, int]
"""SHA-256 and size of a content."""


class Compressed(msgspec.Struct, frozen=True):
    """What a log became."""

    size_bytes: int
    allocated_bytes: int


def compress(folder_fd: int, log: Item) -> Generator[None, None, Compressed]:
    """Compress a log. Raises `Busy` where somebody uses it, `Damaged` where its name is taken, `OSError`.

    A `.gz` that is there already counts only if it unpacks to the same.
    """
    name = log.name + SUFFIX
    with nobody_writing(folder_fd, log, read_open_files) as source:
        there = yield from _unpacked(folder_fd, name)
        if there is None:
            yield from _write(folder_fd, log.name, source)
        elif there != (yield from _digest(source.fd)):
            raise Damaged(f"{name} is there already, with another content")
    hold = take_hold(folder_fd, log, 0, read_open_files)
    if isinstance(hold, Keep):
        raise Busy(hold)  # it is compressed, and goes when nobody reads it any more
    try:
        os.unlink(log.name, dir_fd=folder_fd)
    finally:
        hold.release()
    os.fsync(folder_fd)
    status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    return Compressed(status.st_size, status.st_blocks * BLOCK_BYTES)


def _write(folder_fd: int, name: str, source: Unwritten) -> Generator[None, None, None]:
    with Draft(folder_fd, name, prefix=PREFIX) as draft:
        deflate = zlib.compressobj(wbits=GZIP)
        digest, size = hashlib.sha256(), 0
        for data in chunks(source.fd):
            digest.update(data)
            size += len(data)
            draft.write(deflate.compress(data))
            yield
        draft.write(deflate.flush())
        _dress(draft.fd, os.fstat(source.fd))
        draft.settle()
        yield
        if (yield from _digest_unpacked(draft.fd)) != (digest.hexdigest(), size):
            raise Damaged("what was compressed does not unpack to the same")
        source.check()
        draft.seal(name + SUFFIX)


def _dress(fd: int, status: os.stat_result) -> None:
    """Mode and time of the log, and its owner where that is allowed."""
    with contextlib.suppress(PermissionError):
        os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, status.st_mode & 0o7777)
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _unpacked(folder_fd: int, name: str) -> Generator[None, None, Digest | None]:
    try:
        fd = open_file(folder_fd, name)
    except FileNotFoundError:
        return None
    try:
        return (yield from _digest_unpacked(fd))
    finally:
        os.close(fd)


def _digest(fd: int) -> Generator[None, None, Digest]:
    digest, size = hashlib.sha256(), 0
    for data in chunks(fd):
        digest.update(data)
        size += len(data)
        yield
    return digest.hexdigest(), size


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
