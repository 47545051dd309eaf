"""The files of a project whose archive is sealed: they go to quarantine, those of them that the archive has.

Owns the comparison. A file that is not, byte by byte, what the archive has of it stays where it is. Refuses to know
how a project came to be archived.
"""

import hashlib
import os
from collections.abc import Generator, Iterator

import msgspec

from aura_actors.cleaners.archiving import Sealed
from aura_actors.cleaners.contents import Busy, Contents, Reader, is_gone, survey
from aura_actors.cleaners.database import write
from aura_actors.cleaners.ledger import Entry
from aura_actors.cleaners.projects import Project
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.sealing import chunks, open_file
from aura_actors.cleaners.tarball import Manifest, Member, path_text, verify
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.workshop import Workshop, bench_of
from aura_actors.domain.retention import Item, Keep, Kind, without


def clear(shop: Workshop, entry: Entry, project: Project, contents: Contents, *, archived: str) -> Iterator[None]:
    """Remove what was archived, as long as the project has the status `archived`; the entry is done when the folder
    is gone."""
    if contents.items:
        recheck = shop.as_long_as(archived, project)
        yield from Removal(bench_of(shop, entry), shop.tree, recheck=recheck).steps(contents.plan)
    if is_gone(shop.tree, contents):
        _done(shop, entry)


def clear_after_kill(
    shop: Workshop, entry: Entry, project: Project, manifest: Manifest, *, archived: str
) -> Iterator[None]:
    """The same for what an earlier run archived: everything in the folder is compared with the manifest.

    A folder is somebody's again when its project does not have the status `archived` any more, or another one names
    it: then the entry is done.
    """
    if not shop.tables.has_status(project.id, archived) or shop.shared(project):
        _done(shop, entry)
        return
    contents = yield from survey(shop.bench, shop.tree, project.path, older_than_seconds=None)
    if isinstance(contents, Keep):
        return
    stay = yield from _differing(shop.tree, contents, manifest)
    plan = without(contents.plan, stay)
    for reason, count in plan.kept.items():
        shop.bench.books.keep(reason, count)
    going = msgspec.structs.replace(contents, plan=plan)
    yield from clear(shop, entry, project, going, archived=archived)
    if not plan.remove:
        _done(shop, entry)  # what is there was not there when the project was archived


def verified(archive: Tree, file: str) -> Generator[None, None, tuple[Manifest, Sealed]]:
    """Read an archive from beginning to end. Raises `Damaged`, `FileNotFoundError`."""
    fd = open_file(archive.fd, file)
    try:
        manifest = yield from verify(fd)
        digest = hashlib.sha256()
        for data in chunks(fd):
            digest.update(data)
            yield
        return manifest, Sealed(digest.hexdigest(), os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _done(shop: Workshop, entry: Entry) -> None:
    with write(shop.connection):
        shop.ledger.put(msgspec.structs.replace(entry, state="done"))


def _differing(tree: Tree, contents: Contents, manifest: Manifest) -> Generator[None, None, dict[int, Keep]]:
    """Which files are not what the archive has, by their index in the plan."""
    archived = {member.path_text: member for member in manifest.members if member.kind in ("file", "symlink")}
    place = tree.places[contents.start]
    prefix = f"{tree.relative_path(place.parent, place.name)}/"
    reader = Reader(tree)
    stay: dict[int, Keep] = {}
    try:
        for index, item in enumerate(contents.plan.remove):
            member = archived.get(tree.relative_path(item.parent, item.name).removeprefix(prefix))
            reason = Keep.CHANGED if member is None else (yield from _difference(reader, item, member))
            if reason is not None:
                stay[index] = reason
    finally:
        reader.close()
    return stay


def _difference(reader: Reader, item: Item, member: Member) -> Generator[None, None, Keep | None]:
    try:
        if item.kind is Kind.SYMLINK:
            same = member.kind == "symlink" and reader.link_target(item) == path_text(member.target)
            return None if same else Keep.CHANGED
        digest = hashlib.sha256()
        with reader.opened(item) as fd:
            for data in chunks(fd):
                digest.update(data)
                yield
    except Busy as busy:
        return busy.reason
    return None if (item.size_bytes, digest.hexdigest()) == (member.size_bytes, member.sha256) else Keep.CHANGED
