"""An SQLite file as it is at this moment, in memory, read without a call that modifies anything.

Owns the format of the write-ahead log, as far as reading needs it: what was committed to it lies over the pages of
the file. SQLite itself opens a log as if to make it; a dry run must not. Format: "Database File Format", section 4,
in the documentation of SQLite.
"""

import sqlite3
import struct
from pathlib import Path

from aura_actors.cleaners.roots import Declined

LARGEST_BYTES = 256 << 20
"""A larger file is not read into memory."""

TRIES = 5

_HEADER = struct.Struct(">8I")
"""Magic, version, page size, sequence number, two salts, two sums."""
_FRAME = struct.Struct(">6I")
"""Page, size of the file in pages after a commit (else 0), two salts, two sums."""
_MAGIC, _BIG_ENDIAN = 0x377F0682, 1
_VERSIONS = slice(18, 20)
"""Where a file says that it has a log; an image in memory can have none."""

Sums = tuple[int, int]


def keeps_a_log(path: str) -> bool:
    """Whether a file says that its newest pages may be in a log beside it."""
    with Path(path).open("rb") as file:
        return file.read(_VERSIONS.stop)[_VERSIONS] == b"\2\2"


def load(path: str) -> sqlite3.Connection:
    """A database in memory with the content of a file and its log.

    Raises `Declined` where others write too fast, `OSError` where it cannot be read.
    """
    for _ in range(TRIES):
        before = _log_of(path)
        # A checkpoint under way only writes pages that are in the log, and so lie over what is read here.
        image = bytearray(Path(path).read_bytes())
        if _log_of(path) == before:
            return _database(_laid_over(image, before))
    raise Declined(f"the database {path} is written to all the time")


def committed_pages(log: bytes) -> tuple[dict[int, bytes], int]:
    """The newest committed content of each page in a log, by number from 1; and the file's size in pages, 0 for
    a log with nothing committed.
    """
    if len(log) < _HEADER.size:
        return {}, 0
    magic, _, page_size, _, *salts, sum_0, sum_1 = _HEADER.unpack_from(log)
    words = ">" if magic & _BIG_ENDIAN else "<"
    sums = _sums(log[:24], (0, 0), words)
    if magic & ~_BIG_ENDIAN != _MAGIC or sums != (sum_0, sum_1):
        return {}, 0
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    pages = 0
    for at in range(_HEADER.size, len(log) - _FRAME.size - page_size + 1, _FRAME.size + page_size):
        number, size, *frame_salts, sum_0, sum_1 = _FRAME.unpack_from(log, at)
        page = log[at + _FRAME.size : at + _FRAME.size + page_size]
        sums = _sums(page, _sums(log[at : at + 8], sums, words), words)
        if frame_salts != salts or sums != (sum_0, sum_1):
            break  # of an earlier round of the log, or half written
        pending[number] = page
        if size:
            committed.update(pending)
            pending.clear()
            pages = size
    return committed, pages


def _log_of(path: str) -> bytes:
    try:
        return Path(f"{path}-wal").read_bytes()
    except FileNotFoundError:
        return b""  # closed by everybody: all of it is in the file


def _laid_over(image: bytearray, log: bytes) -> bytearray:
    committed, pages = committed_pages(log)
    if not pages:
        return image
    size = len(next(iter(committed.values())))
    wanted = pages * size
    image.extend(b"\0" * (wanted - len(image)))
    del image[wanted:]
    for number, page in committed.items():
        if number <= pages:
            image[(number - 1) * size : number * size] = page
    return image


def _database(image: bytearray) -> sqlite3.Connection:
    if len(image) > _VERSIONS.stop:
        image[_VERSIONS] = b"\1\1"
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.deserialize(bytes(image))
        connection.execute("PRAGMA query_only = ON")
    except BaseException:  # raised again: nothing stays open
        connection.close()
        raise
    return connection


def _sums(data: bytes, start: Sums, words: str) -> Sums:
    one, two = start
    for first, second in struct.iter_unpack(f"{words}2I", data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
