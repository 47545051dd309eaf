"""The files of one project: found, judged together, and read while nobody writes to them.

Owns that a project's folder goes whole or stays whole: one young, pinned, linked or unreadable file keeps them all.
Refuses to know what they are read for.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import msgspec

from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.cursor import Cursor, open_directory
from aura_actors.cleaners.foresight import foresight
from aura_actors.cleaners.hold import same
from aura_actors.cleaners.in_use import OpenFiles, lease, lease_is_whole, read_open_files
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.walk import Walk, is_marked, item_of, place_of
from aura_actors.domain.retention import Draft, Item, Keep, Kind, Plan, Rule

SOURCE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
WHATEVER_ITS_SIZE = 1 << 40


class Busy(Exception):
    """A file cannot be read as it is now; why it must stay."""

    def __init__(self, reason: Keep) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A project's folder, or the want of one: then there is nothing in the plan."""

    plan: Plan
    """Everything in the folder, and the folder itself as the last of the directories."""
    start: int = 0
    """The folder's place in the tree."""

    @property
    def items(self) -> int:
        """How many entries there are, the folder with them."""
        return len(self.plan.remove) + len(self.plan.directories)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(item.size_bytes for item in self.plan.remove)


NOTHING = Contents(plan=Plan(remove=(), directories=(), kept={}, keep=()))


def survey(
    bench: Bench, tree: Tree, path: str | None, *, older_than_seconds: float | None
) -> Generator[None, None, Contents | Keep]:
    """Look at a project's folder; why it must stay, where anything in it must.

    `path` is absolute, or from the tree's root. What was scanned is in the books either way; what stays, too.
    """
    if path is None:
        return NOTHING
    steps = steps_below(tree, path)
    if steps is None:
        return Keep.OUTSIDE
    own = _enter(tree, steps)
    if own is None:
        return NOTHING
    if isinstance(own, Keep):
        return own
    rule = Rule(older_than_seconds=older_than_seconds, remove_symlinks=True, max_files=WHATEVER_ITS_SIZE)
    draft = Draft(bench.now_ns, rule)
    pins = bench.pins.at(tree.real_path(own.parent, own.name))
    if pins.covered:
        return Keep.PINNED
    bench.books.scanned += 1  # the folder itself; the walk counts what is in it
    yield from Walk(tree, draft, bench.books, pins=pins).steps(own.number)
    planned = draft.finish()
    if planned.kept:
        for reason, count in planned.kept.items():
            bench.books.keep(reason, count)
        bench.books.keep(Keep.NOT_EMPTY, len(planned.remove) + len(planned.directories) + 1)
        return max(planned.kept.items(), key=lambda kept: (kept[0] is not Keep.NOT_EMPTY, kept[1]))[0]
    plan = msgspec.structs.replace(planned, directories=(*planned.directories, own))
    return Contents(plan=plan, start=own.number)


def is_gone(tree: Tree, contents: Contents) -> bool:
    """Whether nothing is where the folder was."""
    if not contents.start:
        return True
    place = tree.places[contents.start]
    cursor = Cursor(tree.fd, tree.places)
    try:
        if cursor.go(place.parent) is None:
            os.stat(place.name, dir_fd=cursor.fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return True
    finally:
        cursor.close()
    return False


def steps_below(tree: Tree, path: str) -> list[str] | None:
    """The names on the way from the tree's root; None where the path does not lead strictly below it.

    An absolute path may come to the root by other links than the root's own path does.
    """
    if "\0" in path:
        return None
    if path.startswith("/"):
        root = tree.root
        if not path.startswith(f"{root}/"):
            folder, name = os.path.split(path.rstrip("/"))
            root, path = tree.real_path(0, ""), os.path.join(os.path.realpath(folder or "/"), name)  # noqa: PTH118 - text
        if not path.startswith(f"{root}/"):
            return None
        path = path[len(root) + 1 :]
    steps = [step for step in path.split("/") if step not in ("", ".")]
    return steps if steps and ".." not in steps else None


def _enter(tree: Tree, steps: list[str]) -> Item | Keep | None:
    """The folder as an item whose number is its place; None where there is nothing."""
    cursor = Cursor(tree.fd, tree.places)
    number, item = 0, None
    try:
        for step in steps:
            status = os.stat(step, dir_fd=cursor.fd, follow_symlinks=False)
            item = item_of(number, step, status)
            if item.kind is not Kind.DIRECTORY:
                return Keep.SYMLINK if item.kind is Kind.SYMLINK else Keep.SPECIAL
            number = len(tree.places)
            item = msgspec.structs.replace(item, number=number)
            tree.places.append(place_of(tree, item))
            reason = cursor.go(number)
            if reason is not None:
                return reason
        if is_marked(cursor.fd):
            return Keep.OTHER_ROOT
    except FileNotFoundError:
        return None
    finally:
        cursor.close()
    return item


def probe(tree: Tree, contents: Contents) -> Iterator[None]:
    """Raises `Busy` where anybody has one of the files open; yields now and then."""
    with foresight(tree) as looks:
        for number, item in enumerate(contents.plan.remove):
            reason = looks.objection(item)
            if reason is not None:
                raise Busy(reason)
            if number % 64 == 63:
                yield


class Reader:
    """Opens files of a tree one after the other, each only where nobody writes to it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._cursor = Cursor(tree.fd, tree.places)
        self._open_files: OpenFiles | None = None

    def close(self) -> None:
        """Let go of the directory it stands in."""
        self._cursor.close()

    @contextmanager
    def opened(self, item: Item) -> Iterator[int]:
        """A descriptor of what was scanned. Raises `Busy` where it is not that any more, or is being written to,
        before the block or by its end."""
        reason = self._cursor.go(item.parent)
        if reason is not None:
            raise Busy(reason)
        with nobody_writing(self._cursor.fd, item, self._processes) as unwritten:
            yield unwritten.fd

    def link_target(self, item: Item) -> str:
        """Where a symbolic link leads."""
        reason = self._cursor.go(item.parent)
        if reason is not None:
            raise Busy(reason)
        return os.readlink(item.name, dir_fd=self._cursor.fd)

    def _processes(self) -> OpenFiles:
        if self._open_files is None:
            self._open_files = read_open_files()
        return self._open_files


@contextmanager
def upload(tree: Tree, path: str) -> Iterator[tuple[int, Item] | None]:
    """A file below the tree, opened where nobody writes to it; None where there is nothing of that path.

    Raises `Busy` as `Reader.opened` does, and where what is there is no regular file below the tree: nobody could
    tell that it is not in the archive.
    """
    steps = steps_below(tree, path)
    folder = None if steps is None else _open_folder(tree.fd, steps[:-1])
    if steps is None or folder is None:
        if _is_there(f"{tree.root}/{path}" if not path.startswith("/") else path):
            raise Busy(Keep.OUTSIDE)
        yield None
        return
    try:
        try:
            item = item_of(0, steps[-1], os.stat(steps[-1], dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:
            yield None
            return
        if item.kind is not Kind.FILE:
            raise Busy(Keep.OUTSIDE)
        with nobody_writing(folder, item, read_open_files) as unwritten:
            yield unwritten.fd, item
    finally:
        os.close(folder)


def _is_there(path: str) -> bool:
    if "\0" in path:
        return False  # no file can be called so
    try:
        os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a string
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _open_folder(root_fd: int, steps: list[str]) -> int | None:
    fd = os.dup(root_fd)
    try:
        for step in steps:
            inner = open_directory(step, dir_fd=fd)
            os.close(fd)
            fd = inner
    except (FileNotFoundError, NotADirectoryError):
        os.close(fd)
        return None
    except BaseException:  # raised again: no descriptor stays open
        os.close(fd)
        raise
    return fd


class Unwritten(msgspec.Struct, frozen=True):
    """A file that nobody has open for writing; `check` raises `Busy` where that, or the file, has changed."""

    fd: int
    item: Item
    leased: bool

    def check(self) -> None:
        """Where the kernel granted no lease, only the stamps speak."""
        if self.leased and not lease_is_whole(self.fd, fcntl.F_RDLCK):
            raise Busy(Keep.IN_USE)
        if not same(self.item, os.fstat(self.fd)):
            raise Busy(Keep.CHANGED)


@contextmanager
def nobody_writing(folder_fd: int, item: Item, processes: Callable[[], OpenFiles]) -> Iterator[Unwritten]:
    """Open what was scanned. Raises `Busy`, now or at the end of the block, where it is not that any more, or
    somebody writes to it.
    """
    fd = _open(folder_fd, item)
    try:
        if not same(item, os.fstat(fd)):
            raise Busy(Keep.CHANGED)
        answer = lease(fd, fcntl.F_RDLCK)
        if answer == "in-use":
            raise Busy(Keep.IN_USE)
        if answer == "unknown":
            os.close(fd)  # not to be taken for somebody's
            fd = -1
            seen = processes().ask(item.device, item.inode)
            if seen != "free":
                raise Busy(Keep.IN_USE if seen == "in-use" else Keep.UNKNOWN_USE)
            fd = _open(folder_fd, item)
        unwritten = Unwritten(fd, item, leased=answer == "free")
        unwritten.check()
        yield unwritten
        unwritten.check()
    finally:
        if fd >= 0:
            os.close(fd)


def _open(folder_fd: int, item: Item) -> int:
    for flags in (SOURCE_FLAGS | os.O_NOATIME, SOURCE_FLAGS):  # the first is for the owner only
        try:
            return os.open(item.name, flags, dir_fd=folder_fd)
        except PermissionError:
            continue
        except BlockingIOError:
            raise Busy(Keep.IN_USE) from None
        except FileNotFoundError:
            raise Busy(Keep.CHANGED) from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise Busy(Keep.CHANGED) from None
            raise
    raise Busy(Keep.UNREADABLE)
