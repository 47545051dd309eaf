"""Sealed segments: rows of a database as a file that proves its own content.

Owns the format (gzip of one line of header and one line for each row), the name, which follows from the content,
and what makes a segment whole. Refuses to know which rows go, and when.
"""

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from aura_actors.cleaners.sealing import Draft, chunks, open_file
from aura_actors.cleaners.values import Row, Value, decode, encode

SUFFIX = ".jsonl.gz"
FORMAT = 1


class Damaged(ValueError):
    """The file is not what its header says; nothing may be deleted on its word."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `sha256` is of the lines after it."""

    format: int = FORMAT
    task: str
    run_id: str
    tables: dict[str, list[str]]
    """Name to columns, of every table that rows are from."""
    rows: int
    first: object
    last: object
    sha256: str


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a file. `rows` are pairs of a table's name and the values of its columns."""

    task: str
    run_id: str
    tables: Mapping[str, list[str]]
    rows: Sequence[tuple[str, Row]]


class Packed(msgspec.Struct, frozen=True):
    """A segment as the file that it is going to be."""

    name: str
    data: bytes
    sha256: str
    """Of the whole file."""


def pack(segment: Segment, label: str, *, first: Value, last: Value) -> Packed:
    """The same rows always make a file of the same name.

    `label`, `first` and `last` are for people. Raises `values.Unspeakable` for text that is no UTF-8.
    """
    order = {name: number for number, name in enumerate(segment.tables)}
    body = b"".join(b"[%d,%s]\n" % (order[table], encode(row)) for table, row in segment.rows)
    digest = hashlib.sha256(body).hexdigest()
    header = Header(
        task=segment.task,
        run_id=segment.run_id,
        tables={name: list(columns) for name, columns in segment.tables.items()},
        rows=len(segment.rows),
        first=slug(first),
        last=slug(last),
        sha256=digest,
    )
    data = gzip.compress(msgspec.json.encode(header) + b"\n" + body, mtime=0)
    name = f"{slug(label)}-{slug(first)}-{slug(last)}-{digest[:12]}{SUFFIX}"
    return Packed(name, data, hashlib.sha256(data).hexdigest())


def unpack(data: bytes) -> Segment:
    """Raises `Damaged` unless everything is as the header says."""
    try:
        line, _, body = gzip.decompress(data).partition(b"\n")
        header = msgspec.json.decode(line, type=Header)
        names = list(header.tables)
        rows = [_row(names, line) for line in body.splitlines()]
    except (OSError, EOFError, zlib.error, ValueError, IndexError, msgspec.MsgspecError) as error:
        raise Damaged(f"not a whole segment: {error}") from error
    if header.format != FORMAT:
        raise Damaged(f"a segment of format {header.format}; this program knows {FORMAT}")
    if len(rows) != header.rows or hashlib.sha256(body).hexdigest() != header.sha256:
        raise Damaged("not a whole segment: count or digest differ from its header's")
    if any(len(row) != len(header.tables[table]) for table, row in rows):
        raise Damaged("not a whole segment: a row has too few columns")
    return Segment(task=header.task, run_id=header.run_id, tables=header.tables, rows=rows)


def write_segment(folder_fd: int, packed: Packed) -> Packed:
    """Seal it in a folder; what is there then. A file that is there already is as good if it has the same rows.

    Raises `OSError`; `Damaged` where what was read back, or what has the name already, is something else.
    """
    with Draft(folder_fd, packed.name) as draft:
        draft.write(packed.data)
        draft.settle()
        if b"".join(chunks(draft.fd)) != packed.data:
            raise Damaged("what was written is not what is read back")
        segment = unpack(packed.data)
        try:
            draft.seal(packed.name)
        except FileExistsError:
            there = read_file(folder_fd, packed.name)
            found = unpack(there)
            if (found.task, found.tables, found.rows) != (segment.task, segment.tables, segment.rows):
                raise Damaged(f"{packed.name} is there already, with another content") from None
            return Packed(packed.name, there, hashlib.sha256(there).hexdigest())
    return packed


def read_file(folder_fd: int, name: str) -> bytes:
    """The content of a file in a folder, never through a link."""
    fd = open_file(folder_fd, name)
    try:
        return b"".join(chunks(fd))
    finally:
        os.close(fd)


def slug(value: Value) -> str:
    """Part of a file's name that reminds of a value."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", str(value))[:40].strip(".") or "_"


def _row(names: list[str], line: bytes) -> tuple[str, Row]:
    number, values = msgspec.json.decode(line, type=tuple[int, msgspec.Raw])
    return names[number], decode(values)
