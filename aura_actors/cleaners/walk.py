"""Looking at everything below a root, without recursion, links, or leaving the root's file system.

Owns what is looked at and in which order: depth first, the files of a directory before what is below it. Says what
speaks against an entry where only the scan can know; whether the rest is old enough is the retention rule's affair.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence

import msgspec

from aura_actors.cleaners.base import LOOKS, Books
from aura_actors.cleaners.birth import born_ns
from aura_actors.cleaners.cursor import Cursor, Place
from aura_actors.cleaners.quarantine import TRASH
from aura_actors.cleaners.roots import SENTINEL
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.pins import FREE, Scope
from aura_actors.domain.retention import Draft, Item, Keep, Kind

BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system's own block size."""

OURS = frozenset({SENTINEL, TRASH})
"""Names that are this program's own, wherever they are found."""

Excluded = Callable[[int, str], bool]
Objection = Callable[[str, Item], Keep | None]
"""Asked about a file that is old enough, by its absolute path with links resolved: why it must stay, if it must."""


class Uses(msgspec.Struct, frozen=True):
    """That uses count as signs of life, and how exact their stamps are."""

    last: Callable[[str], int]
    """What the application says of when a path was used, ns since 1970; 0 where it says nothing."""
    stamp_slack_ns: int = 0
    """So much later than that it may have been."""
    access_slack_ns: int = 0
    """So much later than its access time a file may have been read."""


class Walk:
    """One scan, into a draft of the plan.

    With `uses`, access times count as signs of life too, and so does what the application says.
    """

    def __init__(
        self,
        tree: Tree,
        draft: Draft,
        books: Books,
        *,
        exclude: Sequence[str] = (),
        pins: Scope = FREE,
        objection: Objection | None = None,
        uses: Uses | None = None,
    ) -> None:
        self._tree = tree
        self._draft = draft
        self._books = books
        self._excluded = _matcher(tree, exclude) if exclude else None
        self._objection = objection
        self._uses = uses
        self._cursor = Cursor(tree.fd, tree.places)
        # Directories that were seen and not yet entered, with what was seen, and the pins in them.
        self._pending: list[tuple[Item, Scope]] = []
        self._root_scope = pins
        self._unreported = 0

    def steps(self, start: int = 0) -> Iterator[None]:
        """Look at everything below a place; yields after every few hundred entries.

        A directory that cannot be read is a failure in the books, and an item with an obstacle; the rest goes on.
        """
        try:
            reason = self._cursor.go(start) if start else None
            if reason is not None:  # it stands somewhere on the way, and what is there is not meant
                place = self._tree.places[start]
                self._draft.keep(place.parent, place.name, reason)
                self._unreported += 1
                return
            yield from self._list(start, self._root_scope)
            while self._pending:
                yield from self._enter(*self._pending.pop())
        finally:
            self._report()
            self._cursor.close()

    def _enter(self, seen: Item, scope: Scope) -> Iterator[None]:
        tree = self._tree
        number = len(tree.places)
        tree.places.append(place_of(tree, seen))
        obstacle: Keep | None
        try:
            obstacle = self._cursor.go(number)
            if obstacle is None and is_marked(self._cursor.fd):
                obstacle = Keep.OTHER_ROOT
            if obstacle is None:
                yield from self._list(number, scope)
        except (FileNotFoundError, NotADirectoryError):
            obstacle = Keep.CHANGED  # gone, or something else since it was listed
        except OSError as error:
            self._books.fail(tree.shown(seen.parent, seen.name), error)
            obstacle = Keep.UNREADABLE
        if obstacle is None and not scope.free:
            obstacle = Keep.PINNED  # a directory on the way to a pin
        self._unreported += 1
        self._draft.add(msgspec.structs.replace(seen, number=number, obstacle=obstacle))
        if self._unreported >= LOOKS:
            self._report()
            yield

    def _list(self, number: int, scope: Scope) -> Iterator[None]:
        draft, device, uses = self._draft, self._tree.device, self._uses
        young_from_ns, young_until_ns = draft.young_from_ns, draft.young_until_ns
        simple = self._excluded is None and scope.free
        with os.scandir(self._cursor.fd) as entries:
            for entry in entries:
                name = entry.name
                if name in OURS:
                    draft.block(number)
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone since it was listed
                except OSError as error:
                    self._books.fail(self._tree.shown(number, name), error)
                    draft.add(Item(parent=number, name=name, kind=Kind.SPECIAL, obstacle=Keep.UNREADABLE))
                    self._unreported += 1
                    continue
                newest_ns = max(status.st_mtime_ns, status.st_ctime_ns)
                if uses is not None:
                    newest_ns = max(newest_ns, draft.at_most_now(status.st_atime_ns, uses.access_slack_ns))
                # The hot path: most files are young, or more than one pass removes, and no more needs to be known.
                plain = simple and stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_dev == device
                if plain and young_from_ns <= newest_ns <= young_until_ns:
                    draft.keep_file(number, name, Keep.YOUNG)
                elif plain and draft.over_cap_from_ns <= newest_ns < young_from_ns:
                    draft.keep_file(number, name, Keep.OVER_CAP)
                else:
                    item = self._look(number, name, status, scope)
                    if item.kind is Kind.DIRECTORY and item.obstacle is None:
                        self._pending.append((item, scope.enter(name)))
                        continue  # counted when it has been entered
                    draft.add(item)
                self._unreported += 1
                if self._unreported >= LOOKS:
                    self._report()
                    yield
        self._report()
        yield

    def _look(self, parent: int, name: str, status: os.stat_result, scope: Scope) -> Item:
        item = item_of(parent, name, status)
        uses = self._uses
        if uses is not None and item.kind is not Kind.DIRECTORY:
            used_ns = self._draft.at_most_now(status.st_atime_ns, uses.access_slack_ns)
            item = msgspec.structs.replace(item, accessed_ns=status.st_atime_ns, used_ns=used_ns)
        obstacle = self._obstacle(parent, name, status, scope)
        if obstacle is not None:
            return msgspec.structs.replace(item, obstacle=obstacle)
        if item.newest_ns >= self._draft.young_from_ns:
            return item
        item = msgspec.structs.replace(item, born_ns=born_ns(self._cursor.fd, name))
        if item.kind is Kind.DIRECTORY or (self._objection is None and uses is None):
            return item
        path = self._tree.real_path(parent, name)
        if uses is not None:
            said_ns = self._draft.at_most_now(uses.last(path), uses.stamp_slack_ns)
            item = msgspec.structs.replace(item, used_ns=max(item.used_ns, said_ns))
        reason = None if self._objection is None else self._objection(path, item)
        return item if reason is None else msgspec.structs.replace(item, obstacle=reason)

    def _obstacle(self, parent: int, name: str, status: os.stat_result, scope: Scope) -> Keep | None:
        if status.st_dev != self._tree.device:
            return Keep.OTHER_FILESYSTEM
        if self._excluded is not None and self._excluded(parent, name):
            return Keep.EXCLUDED
        return Keep.PINNED if not scope.free and scope.enter(name).covered else None

    def _report(self) -> None:
        self._books.scanned += self._unreported
        self._unreported = 0


def is_marked(folder_fd: int) -> bool:
    """Whether a directory is a root, or was marked as one."""
    try:
        os.stat(SENTINEL, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def place_of(tree: Tree, seen: Item) -> Place:
    """The place that a directory becomes when it is entered."""
    return Place(
        parent=seen.parent,
        depth=tree.places[seen.parent].depth + 1,
        name=seen.name,
        device=seen.device,
        inode=seen.inode,
        mode=seen.mode,
    )


def item_of(parent: int, name: str, status: os.stat_result) -> Item:
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
        mode=status.st_mode,
    )


def kind_of(mode: int) -> Kind:
    """The kind of entry that a mode says."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    return Kind.SYMLINK if stat.S_ISLNK(mode) else Kind.SPECIAL


def _matcher(tree: Tree, patterns: Sequence[str]) -> Excluded:
    names = [re.compile(fnmatch.translate(p)) for p in patterns if "/" not in p]
    paths = [re.compile(fnmatch.translate(p.strip("/"))) for p in patterns if "/" in p]

    def excluded(parent: int, name: str) -> bool:
        if any(pattern.match(name) for pattern in names):
            return True
        if not paths:
            return False
        path = tree.relative_path(parent, name)
        return any(pattern.match(path) for pattern in paths)

    return excluded
