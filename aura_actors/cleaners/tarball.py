"""Archives of projects: a compressed tar that anybody can unpack, which proves its own content.

Owns the format: a manifest first, with every row and the size and digest of every file, then the files. Refuses to
know databases and where files are from.
"""

import gzip
import hashlib
import os
import tarfile
import typing
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Literal

import msgspec

from aura_actors.cleaners.sealing import CHUNK_BYTES, Draft
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.values import Row, spell, understand

SUFFIX = ".tar.gz"
FORMAT = 1
MANIFEST = "manifest.json"
LEVEL = 1
"""Of compression: what projects hold is mostly media, which no level makes smaller."""


MemberKind = Literal["file", "directory", "symlink", "upload"]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a project's folder, or one upload."""

    kind: MemberKind
    path: object
    """From the project's folder; of an upload, as its row names it. Text, or `{"base64": …}` where it is none."""
    mode: int
    modified_ns: int
    size_bytes: int = 0
    sha256: str = ""
    target: object = ""
    """Of a symbolic link."""

    @property
    def path_text(self) -> str:
        """The path as Python spells names."""
        return path_text(self.path)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The first member. Enough to put the project back without looking at anything else."""

    format: int = FORMAT
    project: object
    """Its id, spelt as in `values`."""
    tables: dict[str, list[str]]
    rows: list[tuple[str, list[object]]]
    members: list[Member]

    def read_rows(self) -> list[tuple[str, Row]]:
        """Pairs of a table's name and the values of its columns."""
        return [(table, tuple(understand(value) for value in row)) for table, row in self.rows]


def path_spelt(path: str) -> object:
    """A path for the manifest, also where its bytes are no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return spell(os.fsencode(path))
    return path


def path_text(spelt: object) -> str:
    """The inverse of `path_spelt`."""
    value = understand(spelt)
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


class Writer:
    """Writes an archive into a draft, piece by piece. After `finish`, `sha256` is of the whole file."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
        self._digest = hashlib.sha256()
        self._size = self._fed = 0

    @property
    def sha256(self) -> str:
        """Of what was written."""
        return self._digest.hexdigest()

    def manifest(self, manifest: Manifest) -> None:
        """The first member."""
        data = msgspec.json.encode(manifest)
        self._header(MANIFEST, tarfile.REGTYPE, len(data), 0o600, 0)
        self.feed(data)
        self.end()

    def begin(self, number: int, member: Member) -> None:
        """The next member; of a file or an upload, `feed` and `end` have to follow."""
        kinds = {"directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}
        kind = kinds.get(member.kind, tarfile.REGTYPE)
        target = path_text(member.target) if member.kind == "symlink" else ""
        size, seconds = member.size_bytes, member.modified_ns // 10**9
        self._header(member_name(number, member), kind, size, member.mode, seconds, target)

    def feed(self, data: bytes) -> None:
        """Content of the member."""
        self._fed += len(data)
        self._put(data)

    def end(self) -> None:
        """The member is complete. Raises `Damaged` where its content is not as long as was said."""
        if self._fed != self._size:
            raise Damaged("a file's size changed while it was read")
        self._put(b"\0" * (-self._size % tarfile.BLOCKSIZE))

    def finish(self) -> None:
        """The end of the archive, durably."""
        self._put(b"\0" * (2 * tarfile.BLOCKSIZE))
        self._write(self._deflate.flush())
        self._draft.settle()

    def _header(self, name: str, kind: bytes, size: int, mode: int, seconds: int, target: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode, info.mtime, info.linkname = kind, size, mode & 0o7777, seconds, target
        self._size, self._fed = size, 0
        self._put(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _put(self, data: bytes) -> None:
        self._write(self._deflate.compress(data))

    def _write(self, data: bytes) -> None:
        if data:
            self._digest.update(data)
            self._draft.write(data)


def member_name(number: int, member: Member) -> str:
    """Where a member is when the archive is unpacked."""
    if member.kind == "upload":
        return f"uploads/{number}-{os.path.basename(member.path_text)}"  # noqa: PTH119 - a string
    return f"project/{member.path_text}".rstrip("/")


class Archive:
    """A whole archive being read from beginning to end, once. `manifest` is there at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=stream, mode="r|", errorlevel=2)  # noqa: SIM115 - it has nothing to close
        first = self._tar.next()
        text = None if first is None or first.name != MANIFEST else self._tar.extractfile(first)
        if text is None:
            raise Damaged("an archive without a manifest")
        self.manifest = msgspec.json.decode(text.read(), type=Manifest)
        if self.manifest.format != FORMAT:
            raise Damaged(f"an archive of format {self.manifest.format}; this program knows {FORMAT}")

    def contents(self) -> Iterator[tuple[Member, IO[bytes] | None]]:
        """Every member, in order, with its content if it is a file; to be read before the next is asked for."""
        for number, member in enumerate(self.manifest.members):
            found = self._tar.next()
            if found is None or found.name != member_name(number, member):
                raise Damaged(f"{member_name(number, member)} is not where the manifest says")
            yield member, self._tar.extractfile(found) if member.kind in ("file", "upload") else None


@contextmanager
def open_archive(fd: int) -> Iterator[Archive]:
    """Read the archive that a descriptor is of. What is not as it should be raises `Damaged`."""
    with os.fdopen(os.dup(fd), "rb") as raw:
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield Archive(typing.cast("IO[bytes]", stream))
                while stream.read(CHUNK_BYTES):  # to the end, where gzip's own check is
                    pass
        except Damaged:
            raise
        except (
            tarfile.TarError,
            zlib.error,
            EOFError,
            gzip.BadGzipFile,
            ValueError,
            msgspec.MsgspecError,
        ) as error:
            raise Damaged(f"not a whole archive: {error}") from error


def verify(fd: int) -> Generator[None, None, Manifest]:
    """Read an archive to its end; its manifest. Raises `Damaged` unless every digest is as the manifest says."""
    with open_archive(fd) as archive:
        for member, content in archive.contents():
            if content is None:
                continue
            digest, size = hashlib.sha256(), 0
            while data := content.read(CHUNK_BYTES):
                digest.update(data)
                size += len(data)
                yield
            if (size, digest.hexdigest()) != (member.size_bytes, member.sha256):
                raise Damaged(f"{member.path_text} is not what the manifest says")
        return archive.manifest
