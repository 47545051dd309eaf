"""The files of an archived project, made anew where they were.

Owns that nothing is overwritten, and that what is made is what the archive says, durably, before it has its name.
Refuses to know rows and quarantine.
"""

import errno
import hashlib
import os
from collections.abc import Generator, Iterator
from typing import IO

from aura_actors.cleaners.contents import steps_below
from aura_actors.cleaners.cursor import open_directory
from aura_actors.cleaners.made_again import make_again
from aura_actors.cleaners.sealing import CHUNK_BYTES, Draft, chunks, drop_draft, open_file
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.tarball import Manifest, Member, open_archive, path_text
from aura_actors.cleaners.tree import Tree


def put_files_back(
    archive: Tree, file: str, *, projects: Tree, folder: list[str] | None, uploads: Tree | None
) -> Iterator[None]:
    """Make every file of an archive that is not where it was; one that is there has to be the same.

    `folder` is the way to the project's folder, None where it has none. Raises `Damaged`; `OSError`, of it
    `FileExistsError` where something else is in the way.
    """
    fd = open_file(archive.fd, file)
    try:
        with open_archive(fd) as opened:
            for member, content in opened.contents():
                if member.kind == "upload" and uploads is not None:
                    yield from _put_back(uploads.fd, _upload_steps(uploads, member.path_text), member, content)
                elif member.kind != "upload" and folder is not None:
                    yield from _put_back(projects.fd, [*folder, *_steps(member.path_text)], member, content)
    finally:
        os.close(fd)


def read_manifest(archive: Tree, file: str) -> Manifest:
    """What an archive says of itself. Raises `Damaged`, `OSError`."""
    fd = open_file(archive.fd, file)
    try:
        with open_archive(fd) as opened:
            return opened.manifest
    finally:
        os.close(fd)


def _upload_steps(uploads: Tree, path: str) -> list[str]:
    steps = steps_below(uploads, path)
    if steps is None:
        raise Damaged(f"{path} leads out of the folder of uploads")
    return steps


def _steps(path: str) -> list[str]:
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if ".." in steps:
        raise Damaged(f"{path} leads out of its folder")
    return steps


def _put_back(root_fd: int, steps: list[str], member: Member, content: IO[bytes] | None) -> Iterator[None]:
    folder_fd = _folder(root_fd, steps[:-1])
    try:
        name = steps[-1]
        match member.kind:
            case "directory":
                make_again(name, member.mode, folder_fd)
            case "symlink":
                _make_link(folder_fd, name, path_text(member.target))
            case _:
                assert content is not None
                yield from _make_file(folder_fd, name, member, content)
    finally:
        os.close(folder_fd)


def _folder(root_fd: int, steps: list[str]) -> int:
    fd = os.dup(root_fd)
    try:
        for step in steps:
            make_again(step, 0o700, fd)
            inner = open_directory(step, dir_fd=fd)
            os.close(fd)
            fd = inner
    except BaseException:  # raised again: no descriptor stays open
        os.close(fd)
        raise
    return fd


def _make_link(folder_fd: int, name: str, target: str) -> None:
    try:
        os.symlink(target, name, dir_fd=folder_fd)
    except FileExistsError:
        try:
            there: str | None = os.readlink(name, dir_fd=folder_fd)
        except OSError:
            there = None
        if there != target:
            raise


def _make_file(folder_fd: int, name: str, member: Member, content: IO[bytes]) -> Iterator[None]:
    label = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    drop_draft(folder_fd, label)
    if (yield from _is_there(folder_fd, name, member)):
        return
    with Draft(folder_fd, label) as draft:
        digest = hashlib.sha256()
        while data := content.read(CHUNK_BYTES):
            digest.update(data)
            draft.write(data)
            yield
        if (digest.hexdigest(), draft.size_bytes) != (member.sha256, member.size_bytes):
            raise Damaged(f"{member.path_text} is not what the manifest says")
        os.fchmod(draft.fd, member.mode)
        os.utime(draft.fd, ns=(member.modified_ns, member.modified_ns))
        draft.settle()
        draft.seal(name)
    drop_draft(folder_fd, label)  # nobody would come by for it here


def _is_there(folder_fd: int, name: str, member: Member) -> Generator[None, None, bool]:
    try:
        fd = open_file(folder_fd, name)
    except FileNotFoundError:
        return False
    try:
        digest = hashlib.sha256()
        for data in chunks(fd):
            digest.update(data)
            yield
    finally:
        os.close(fd)
    if digest.hexdigest() != member.sha256:
        raise FileExistsError(errno.EEXIST, "something else is there now", name)
    return True
