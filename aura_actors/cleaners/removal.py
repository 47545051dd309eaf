"""Carrying out a plan: removing what it names, from the bottom up, as far as it is still what was scanned.

Owns the last looks before each removal: place, identity, lock, use. Everything happens by name in an open
directory, so a path that was bent meanwhile leads nowhere. Decides nothing that the plan could have decided.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Callable

from aura_actors.cleaners.base import Pass
from aura_actors.cleaners.cursor import Cursor, locked_by_another, open_directory
from aura_actors.cleaners.in_use import OpenFiles, lease, lease_is_whole, read_open_files
from aura_actors.cleaners.walk import item_of
from aura_actors.domain.retention import Item, Keep, Kind, Plan

SEEN_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def remove(books: Pass, plan: Plan, *, read_processes: Callable[[], OpenFiles] = read_open_files) -> None:
    """Carry out a plan and write into the books what came of each item.

    Stops early when the pass is stopped. Failures of single items go into the books.
    """
    _Removal(books, read_processes).run(plan)


class _Removal:
    def __init__(self, books: Pass, read_processes: Callable[[], OpenFiles]) -> None:
        self._books = books
        self._read_processes = read_processes
        self._open_files: OpenFiles | None = None
        self._cursor = Cursor(books.root_fd, books.places, hold_locks=True)
        self._touched: set[int] = set()  # directories whose stamps are ours

    def run(self, plan: Plan) -> None:
        by_parent: defaultdict[int, list[Item]] = defaultdict(list)
        for item in (*plan.remove, *plan.directories):
            by_parent[item.parent].append(item)
        if plan.directories:
            self._look_at_processes()  # before we ourselves stand in one of them
        try:
            # A directory's number is larger than its parent's: what is below goes first.
            for parent in sorted(by_parent, reverse=True):
                self._clear(parent, by_parent[parent])
        finally:
            self._cursor.close()

    def _clear(self, parent: int, items: list[Item]) -> None:
        reason: Keep | None
        try:
            reason = self._cursor.go(parent)
        except (FileNotFoundError, NotADirectoryError):
            reason = Keep.CHANGED
        except OSError as error:
            self._books.fail(self._books.places[parent].parent, self._books.places[parent].name, error)
            reason = Keep.FAILED
        for item in items:
            if self._books.stopping():
                return
            self._settle(item, reason or self._remove(item))

    def _settle(self, item: Item, reason: Keep | None) -> None:
        if reason is not None:
            self._books.kept[reason] += 1
            return
        self._touched.add(item.parent)
        self._books.free(item)

    def _remove(self, item: Item) -> Keep | None:
        if not self._cursor.inside():
            return Keep.CHANGED  # the directory was moved out of the root while we stand in it
        try:
            match item.kind:
                case Kind.FILE:
                    return self._remove_file(item)
                case Kind.DIRECTORY:
                    return self._remove_directory(item)
                case _:
                    return self._unlink(item)
        except (FileNotFoundError, NotADirectoryError):
            return Keep.CHANGED
        except OSError as error:
            if error.errno == errno.EBUSY:
                return Keep.OTHER_FILESYSTEM  # something is mounted on it
            self._books.fail(item.parent, item.name, error)
            return Keep.FAILED

    def _remove_file(self, item: Item) -> Keep | None:
        reason = self._remove_leased(item)
        if reason is Keep.UNKNOWN_USE:
            # Our own descriptors are closed again by now, so that they are not taken for somebody's.
            answer = self._look_at_processes().ask(item.device, item.inode)
            if answer == "free":
                return self._unlink(item)
            return Keep.IN_USE if answer == "in-use" else Keep.UNKNOWN_USE
        return reason

    def _remove_leased(self, item: Item) -> Keep | None:
        # First a descriptor that opens nothing: what took the file's place may be a device that acts when opened.
        seen_fd = os.open(item.name, SEEN_FLAGS, dir_fd=self._cursor.fd)
        try:
            if not same(item, os.fstat(seen_fd)):
                return Keep.CHANGED
            try:
                fd = os.open(f"/proc/self/fd/{seen_fd}", READ_FLAGS)
            except BlockingIOError:
                return Keep.IN_USE  # somebody holds a lease on it
            except (PermissionError, FileNotFoundError):
                return Keep.UNKNOWN_USE
            try:
                answer = lease(fd)
                if answer != "free":
                    return Keep.IN_USE if answer == "in-use" else Keep.UNKNOWN_USE
                return self._unlink(item) if lease_is_whole(fd) else Keep.IN_USE
            finally:
                os.close(fd)
        finally:
            os.close(seen_fd)

    def _unlink(self, item: Item) -> Keep | None:
        folder_fd = self._cursor.fd
        if not same(item, os.stat(item.name, dir_fd=folder_fd, follow_symlinks=False)):
            return Keep.CHANGED
        os.unlink(item.name, dir_fd=folder_fd)
        return None

    def _remove_directory(self, item: Item) -> Keep | None:
        fd = open_directory(item.name, dir_fd=self._cursor.fd)
        try:
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != (item.device, item.inode):
                return Keep.CHANGED
            if item.number not in self._touched and status.st_mtime_ns != item.modified_ns:
                return Keep.CHANGED
            if locked_by_another(fd, hold=True):
                return Keep.LOCKED
            # Unknown is no reason to keep an empty directory: nothing is in it that could be lost.
            if self._look_at_processes().ask(item.device, item.inode) == "in-use":
                return Keep.IN_USE
            os.rmdir(item.name, dir_fd=self._cursor.fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return Keep.NOT_EMPTY
            raise
        finally:
            os.close(fd)
        return None

    def _look_at_processes(self) -> OpenFiles:
        if self._open_files is None:
            self._open_files = self._read_processes()
        return self._open_files


def same(item: Item, status: os.stat_result) -> bool:
    """Whether an entry is still the one that was scanned, unwritten and unlinked anywhere else."""
    now = item_of(item.parent, item.name, status)
    return now == item
