"""Writing one project into an archive: what goes in, twice read, then checked against its own manifest.

Owns the order of the readings. Every file is digested first, then written, then read back from the archive; at the
end the files are looked at again, and must be what they were. Refuses to know the database.
"""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import msgspec

from aura_actors.cleaners.contents import Busy, Contents, Reader, upload
from aura_actors.cleaners.cursor import Cursor
from aura_actors.cleaners.hold import same
from aura_actors.cleaners.projects import ProjectRows
from aura_actors.cleaners.sealing import Draft, chunks
from aura_actors.cleaners.tarball import Manifest, Member, MemberKind, Writer, path_spelt, verify
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.values import Value, spell
from aura_actors.domain.retention import Item, Keep, Kind

Opener = Callable[[], AbstractContextManager[int]]


class Source(msgspec.Struct, frozen=True):
    """A member to be, and how its content is opened; None where it has none."""

    member: Member
    open: Opener | None


class Sealed(msgspec.Struct, frozen=True):
    """An archive that has its name."""

    sha256: str
    size_bytes: int


def write_archive(
    archive: Tree,
    name: str,
    project: Value,
    rows: ProjectRows,
    sources: Sequence[Source],
    unchanged: Callable[[], Iterator[None]],
) -> Generator[None, None, Sealed]:
    """Seal an archive of these rows and sources; `unchanged` is asked when it is whole, and raises `Busy` if not.

    Killed at any point, there is a draft, or the whole archive under its name. Raises `Busy`, `OSError`, `Damaged`,
    `Unspeakable`; then there is neither.
    """
    members = yield from _digests(sources)
    with Draft(archive.fd, name) as draft:
        writer = Writer(draft)
        writer.manifest(
            Manifest(
                project=spell(project),
                tables=rows.tables,
                rows=[(table, [spell(value) for value in row]) for table, row in rows.rows],
                members=members,
            )
        )
        for number, (source, member) in enumerate(zip(sources, members, strict=True)):
            writer.begin(number, member)
            if source.open is not None:
                with source.open() as fd:
                    for data in chunks(fd):
                        writer.feed(data)
                        yield
                writer.end()
        writer.finish()
        yield
        yield from verify(draft.fd)
        yield from unchanged()
        draft.seal(name)
    return Sealed(writer.sha256, draft.size_bytes)


def sources_of(tree: Tree, contents: Contents, reader: Reader) -> list[Source]:
    """Everything in a project's folder, directories before what is in them."""
    prefix = "" if not contents.start else f"{_path(tree, contents.start)}/"
    found: list[Source] = []
    for item in (*reversed(contents.plan.directories), *contents.plan.remove):
        path = tree.relative_path(item.parent, item.name)
        below = "" if item.number == contents.start else path.removeprefix(prefix)
        found.append(_source(item, below, reader))
    return found


def uploads_of(tree: Tree, paths: Sequence[str]) -> Iterator[Source]:
    """Those of the files that are there. Raises `Busy` where one is there that cannot be archived."""
    for path in paths:
        with upload(tree, path) as found:
            if found is not None:
                _, item = found
                yield Source(_member("upload", path, item), partial(_opened_upload, tree, path))


def unchanged_since(tree: Tree, contents: Contents) -> Iterator[None]:
    """Look at every item again. Raises `Busy` where one is not what it was; yields now and then."""
    cursor = Cursor(tree.fd, tree.places)
    try:
        for number, item in enumerate((*contents.plan.remove, *contents.plan.directories)):
            reason = cursor.go(item.parent)
            if reason is not None:
                raise Busy(reason)
            if not _is_same(item, os.stat(item.name, dir_fd=cursor.fd, follow_symlinks=False)):
                raise Busy(Keep.CHANGED)
            if number % 256 == 255:
                yield
    except (FileNotFoundError, NotADirectoryError):
        raise Busy(Keep.CHANGED) from None
    finally:
        cursor.close()


def _is_same(item: Item, status: os.stat_result) -> bool:
    if item.kind is not Kind.DIRECTORY:
        return same(item, status)
    now = (status.st_dev, status.st_ino, status.st_mtime_ns)
    return now == (item.device, item.inode, item.modified_ns)


def _source(item: Item, path: str, reader: Reader) -> Source:
    match item.kind:
        case Kind.DIRECTORY:
            return Source(_member("directory", path, item), None)
        case Kind.SYMLINK:
            target = path_spelt(reader.link_target(item))
            return Source(
                msgspec.structs.replace(_member("symlink", path, item), target=target, size_bytes=0), None
            )
        case _:
            return Source(_member("file", path, item), lambda: reader.opened(item))


def _member(kind: MemberKind, path: str, item: Item) -> Member:
    return Member(
        kind=kind,
        path=path_spelt(path),
        mode=item.mode & 0o7777,
        modified_ns=item.modified_ns,
        size_bytes=item.size_bytes,
    )


def _digests(sources: Sequence[Source]) -> Generator[None, None, list[Member]]:
    members: list[Member] = []
    for source in sources:
        member = yield from _digested(source)
        members.append(member)
    return members


def _digested(source: Source) -> Generator[None, None, Member]:
    if source.open is None:
        return source.member
    digest = hashlib.sha256()
    with source.open() as fd:
        for data in chunks(fd):
            digest.update(data)
            yield
    return msgspec.structs.replace(source.member, sha256=digest.hexdigest())


@contextmanager
def _opened_upload(tree: Tree, path: str) -> Iterator[int]:
    with upload(tree, path) as found:
        if found is None:
            raise Busy(Keep.CHANGED)
        yield found[0]


def _path(tree: Tree, number: int) -> str:
    place = tree.places[number]
    return tree.relative_path(place.parent, place.name)
