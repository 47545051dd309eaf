"""Listing everything below a root, without recursion, links, or leaving the root's file system.

Owns what is looked at and in which order: depth first, the files of a directory before what is below it. Says what
speaks against an entry where only the scan can know; whether the rest is old enough is the retention rule's affair.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import Pass
from aura_actors.cleaners.cursor import Cursor, Place
from aura_actors.cleaners.roots import SENTINEL
from aura_actors.domain.retention import Item, Keep, Kind

BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system's own block size."""

Excluded = Callable[[int, str], bool]


def walk(books: Pass, exclude: Sequence[str] = ()) -> Iterator[Item]:
    """Every entry below the root, as it is now.

    A directory comes after the files in it. One that cannot be read is a failure in the books, and an item with an
    obstacle; the rest goes on. Ends early when the pass is stopped.
    """
    return _Walk(books, _matcher(books, exclude)).items()


class _Walk:
    def __init__(self, books: Pass, excluded: Excluded) -> None:
        self._books = books
        self._excluded = excluded
        self._cursor = Cursor(books.root_fd, books.places)
        self._device = books.places[0].device
        # Directories that were seen and not yet entered, with what was seen.
        self._pending: list[Item] = []

    def items(self) -> Iterator[Item]:
        try:
            yield from self._list(0)
            while self._pending and not self._books.stopped:
                yield from self._enter(self._pending.pop())
        finally:
            self._cursor.close()

    def _enter(self, seen: Item) -> Iterator[Item]:
        books, places = self._books, self._books.places
        number = len(places)
        places.append(
            Place(
                parent=seen.parent,
                depth=places[seen.parent].depth + 1,
                name=seen.name,
                device=seen.device,
                inode=seen.inode,
            )
        )
        obstacle: Keep | None
        try:
            obstacle = self._cursor.go(number)
            if obstacle is None:
                yield from self._list(number)
        except (FileNotFoundError, NotADirectoryError):
            obstacle = Keep.CHANGED  # gone, or something else since it was listed
        except OSError as error:
            books.fail(seen.parent, seen.name, error)
            obstacle = Keep.UNREADABLE
        books.saw()
        yield msgspec.structs.replace(seen, number=number, obstacle=obstacle)

    def _list(self, number: int) -> Iterator[Item]:
        with os.scandir(self._cursor.fd) as entries:
            for entry in entries:
                if self._books.stopping():
                    return
                item = self._look(number, entry)
                if item is None:
                    continue
                if item.kind is Kind.DIRECTORY and item.obstacle is None:
                    self._pending.append(item)
                else:
                    self._books.saw()
                    yield item

    def _look(self, parent: int, entry: "os.DirEntry[str]") -> Item | None:
        if entry.name == SENTINEL:
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None  # gone since it was listed
        except OSError as error:
            self._books.fail(parent, entry.name, error)
            return Item(parent=parent, name=entry.name, kind=Kind.SPECIAL, obstacle=Keep.UNREADABLE)
        obstacle = None
        if status.st_dev != self._device:
            obstacle = Keep.OTHER_FILESYSTEM
        elif self._excluded(parent, entry.name):
            obstacle = Keep.EXCLUDED
        return item_of(parent, entry.name, status, obstacle)


def item_of(parent: int, name: str, status: os.stat_result, obstacle: Keep | None = None) -> Item:
    """A directory entry as `lstat` saw it; directories have no size of their own here."""
    kind = kind_of(status.st_mode)
    sized = kind is not Kind.DIRECTORY
    return Item(
        parent=parent,
        name=name,
        kind=kind,
        device=status.st_dev,
        inode=status.st_ino,
        links=status.st_nlink,
        size_bytes=status.st_size if sized else 0,
        allocated_bytes=status.st_blocks * BLOCK_BYTES if sized else 0,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        obstacle=obstacle,
    )


def kind_of(mode: int) -> Kind:
    """The kind of entry that a mode says."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    return Kind.SYMLINK if stat.S_ISLNK(mode) else Kind.SPECIAL


def _matcher(books: Pass, patterns: Sequence[str]) -> Excluded:
    names = [re.compile(fnmatch.translate(p)) for p in patterns if "/" not in p]
    paths = [re.compile(fnmatch.translate(p.strip("/"))) for p in patterns if "/" in p]

    def excluded(parent: int, name: str) -> bool:
        if any(pattern.match(name) for pattern in names):
            return True
        if not paths:
            return False
        path = books.relative_path(parent, name)
        return any(pattern.match(path) for pattern in paths)

    return excluded
