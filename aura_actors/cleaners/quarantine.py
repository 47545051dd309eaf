"""The folder that things go to before they are gone for good: `<root>/.aura-trash/<run>/<seq>`.

Owns where it is, that it is private and on the root's own file system, and that it is never somebody else's. What
lies in it, and where that came from, is in the journal.
"""

import os
from collections.abc import Collection
from contextlib import suppress

from aura_actors.cleaners.cursor import mount_id, open_directory
from aura_actors.cleaners.roots import Declined

TRASH = ".aura-trash"
"""Never walked into, and never a candidate."""


def open_run_folder(root_fd: int, run_id: str, *, make: bool) -> int | None:
    """A descriptor of a run's folder, which the caller closes; None where there is none and none is to be made.

    Raises `Declined` where the folder's name is taken by something that is not this program's.
    """
    trash_fd = _open(root_fd, TRASH, make=make)
    if trash_fd is None:
        return None
    try:
        _inspect(root_fd, trash_fd)
        return _open(trash_fd, run_id, make=make)
    finally:
        os.close(trash_fd)


def unknown_run_folders(root_fd: int, known: Collection[str]) -> list[str]:
    """Folders of runs that nobody has on record and that are not empty; the empty ones are removed on the way."""
    trash_fd = _open(root_fd, TRASH, make=False)
    if trash_fd is None:
        return []
    try:
        _inspect(root_fd, trash_fd)
        unknown = [run_id for run_id in os.listdir(trash_fd) if run_id not in known]  # noqa: PTH208 - names
        unknown = [run_id for run_id in unknown if not _drop(trash_fd, run_id)]
    finally:
        os.close(trash_fd)
    _drop(root_fd, TRASH)
    return unknown


def drop_run_folder(root_fd: int, run_id: str) -> None:
    """Remove a run's folder if it is empty, and the one above if that is then."""
    trash_fd = _open(root_fd, TRASH, make=False)
    if trash_fd is None:
        return
    try:
        _inspect(root_fd, trash_fd)
        _drop(trash_fd, run_id)
    finally:
        os.close(trash_fd)
    _drop(root_fd, TRASH)


def _open(parent_fd: int, name: str, *, make: bool) -> int | None:
    if make:
        with suppress(FileExistsError):  # from an earlier run, or a batch of this one
            os.mkdir(name, 0o700, dir_fd=parent_fd)
    try:
        return open_directory(name, dir_fd=parent_fd)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise Declined(f"{name} in the folder is not a directory of this program") from None


def _inspect(root_fd: int, trash_fd: int) -> None:
    root, trash = os.fstat(root_fd), os.fstat(trash_fd)
    if trash.st_uid != os.geteuid() or trash.st_mode & 0o077:
        raise Declined(f"{TRASH} in the folder is not this program's alone")
    if trash.st_dev != root.st_dev or mount_id(trash_fd) != mount_id(root_fd):
        raise Declined(f"{TRASH} in the folder is on another file system")


def _drop(parent_fd: int, name: str) -> bool:
    try:
        os.rmdir(name, dir_fd=parent_fd)
    except OSError:
        return False  # something is in it still, or it is gone: either way it is nobody's loss
    return True
