"""Carrying out a plan: what it names goes to quarantine, as far as it is still what was scanned.

Owns the order of the protocol "delete an aged file": intent, last looks, lease, rename, lease again, outcome.
Everything happens by name in an open directory, so a path that was bent meanwhile leads nowhere. Decides nothing
that the plan could have decided.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.cursor import Cursor, locked_by_another, open_directory
from aura_actors.cleaners.hold import Hold, same, take_hold
from aura_actors.cleaners.in_use import OpenFiles, read_open_files
from aura_actors.cleaners.intents import Intents
from aura_actors.cleaners.quarantine import drop_run_folder, open_run_folder
from aura_actors.cleaners.renaming import move_away, move_back
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.retention import Item, Keep, Kind, Plan

T = TypeVar("T")

Recheck = Callable[[Sequence[Item]], Sequence[Keep | None]]
"""Asked before each batch: why an item must stay after all."""


class Removal:
    """One plan being carried out.

    With `quarantine` False, what was taken is deleted as soon as the second look at its lease has shown that nobody
    waits for it; what the kernel grants no lease for waits in quarantine all the same.
    """

    def __init__(
        self,
        bench: Bench,
        tree: Tree,
        *,
        quarantine: bool = True,
        recheck: Recheck | None = None,
        read_processes: Callable[[], OpenFiles] | None = None,
    ) -> None:
        self._bench = bench
        self._tree = tree
        self._books = bench.books
        self._quarantine = quarantine
        self._recheck = recheck
        self._read_processes = read_processes
        self._open_files: OpenFiles | None = None
        self._cursor = Cursor(tree.fd, tree.places, hold_locks=True)
        self._intents = Intents(bench, tree)
        self._touched: set[int] = set()  # directories whose stamps are ours
        self._trash_fd = -1

    def steps(self, plan: Plan) -> Iterator[None]:
        """Carry out the plan and write into the books what came of each item; yields after every batch."""
        if not plan.remove and not plan.directories:
            return
        if plan.directories:
            self._look_at_processes()  # before we ourselves stand in one of them
        trash_fd = open_run_folder(self._tree.fd, self._bench.run_id, make=True)
        assert trash_fd is not None
        self._trash_fd = trash_fd
        try:
            # Neighbours together; then the directories, which the plan lists from the bottom up.
            for batch in _batches(sorted(plan.remove, key=lambda item: -item.parent)):
                self._take(batch)
                yield
            for batch in _batches(plan.directories):
                self._remove_directories(batch)
                yield
        finally:
            self._cursor.close()
            os.close(trash_fd)
            drop_run_folder(self._tree.fd, self._bench.run_id)

    # --- files and links ---

    def _take(self, batch: Sequence[Item]) -> None:
        going = self._still_going(batch)
        seqs = self._intents.write(going)
        held: list[Hold] = []
        stayed: list[int] = []
        try:
            for item, seq in zip(going, seqs, strict=True):
                taken = self._guarded(item, lambda item=item, seq=seq: self._move(item, seq))  # type: ignore[misc]  # a default binds the loop variable
                if isinstance(taken, Hold):
                    held.append(taken)
                else:
                    self._books.keep(taken)
                    stayed.append(seq)
            # Who had found a file by its name just before it was renamed is waiting by now.
            returned = [hold for hold in held if self._wanted(hold) and self._return(hold)]
            moved = [hold for hold in held if hold not in returned]
            deleted = [] if self._quarantine else [hold for hold in moved if hold.nobodys and self._delete(hold)]
            lying = [hold for hold in moved if hold not in deleted]
            self._intents.settle(
                quarantined=[hold.seq for hold in lying],
                purged=[hold.seq for hold in deleted],
                forgotten=[*stayed, *(hold.seq for hold in returned)],
            )
        finally:
            for hold in held:
                hold.release()
        self._books.keep(Keep.IN_USE, len(returned))
        for hold in moved:
            self._free(hold.item, quarantined=hold not in deleted)

    def _move(self, item: Item, seq: int) -> Hold | Keep:
        if item.kind is Kind.FILE:
            hold = take_hold(self._cursor.fd, item, seq, self._look_at_processes)
            if not isinstance(hold, Hold):
                return hold
        else:
            if not same(item, os.stat(item.name, dir_fd=self._cursor.fd, follow_symlinks=False)):
                return Keep.CHANGED
            hold = Hold(item, seq)
        try:
            move_away(item.name, self._cursor.fd, str(seq), self._trash_fd)
        except BaseException:  # raised again: no descriptor stays open
            hold.release()
            raise
        # From here on it lies in quarantine, so it is held, or it is put back; nothing may be raised.
        reason = self._look_again(hold)
        if reason is None or not self._return(hold):
            return hold
        hold.release()
        return reason

    def _wanted(self, hold: Hold) -> bool:
        return not hold.stuck and not hold.undisturbed()

    def _look_again(self, hold: Hold) -> Keep | None:
        """Whether what was moved is what was meant, and nobody wants it."""
        try:
            status = os.stat(str(hold.seq), dir_fd=self._trash_fd, follow_symlinks=False)
        except OSError as error:
            self._books.fail(self._tree.shown(hold.item.parent, hold.item.name), error)
            return Keep.FAILED
        if (status.st_dev, status.st_ino) != (hold.item.device, hold.item.inode):
            return Keep.CHANGED
        if (status.st_size, status.st_mtime_ns) != (hold.item.size_bytes, hold.item.modified_ns):
            return Keep.CHANGED
        return None if hold.undisturbed() else Keep.IN_USE

    def _return(self, hold: Hold) -> bool:
        """Put something back where it was; False where it must stay in quarantine, which is a failure."""
        item = hold.item
        try:
            if self._cursor.go(item.parent) is None:
                move_back(str(hold.seq), self._trash_fd, item.name, self._cursor.fd)
                return True
            text = "the way back to it has changed"
        except OSError as error:
            text = error.strerror or type(error).__name__
        hold.stuck = True
        path = self._tree.shown(item.parent, item.name)
        self._books.fail(path, f"it was wanted while it was moved, and lies in quarantine now: {text}")
        return False

    def _delete(self, hold: Hold) -> bool:
        try:
            os.unlink(str(hold.seq), dir_fd=self._trash_fd)
        except OSError as error:
            self._books.fail(self._tree.shown(hold.item.parent, hold.item.name), error)
            return False
        return True

    # --- directories ---

    def _remove_directories(self, batch: Sequence[Item]) -> None:
        going = self._still_going(batch)
        seqs = self._intents.write(going) if self._quarantine else range(len(going))
        removed: list[int] = []
        stayed: list[int] = []
        for item, seq in zip(going, seqs, strict=True):
            reason = self._guarded(item, lambda item=item: self._remove_directory(item))  # type: ignore[misc]  # a default binds the loop variable
            if reason is None:
                removed.append(seq)
                self._free(item, quarantined=self._quarantine)
            else:
                self._books.keep(reason)
                stayed.append(seq)
        if self._quarantine:
            self._intents.settle(quarantined=removed, forgotten=stayed)

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
            if self._look_at_processes().stand_in(item.device, item.inode):
                return Keep.IN_USE
            os.rmdir(item.name, dir_fd=self._cursor.fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return Keep.NOT_EMPTY
            raise
        finally:
            os.close(fd)
        return None

    # --- both ---

    def _still_going(self, batch: Sequence[Item]) -> list[Item]:
        """Those that neither a pin nor the application's records have come to hold meanwhile."""
        reasons = self._recheck(batch) if self._recheck is not None else [None] * len(batch)
        pins = self._bench.held()
        going: list[Item] = []
        for item, objection in zip(batch, reasons, strict=True):
            reason = objection
            if not pins.root.free and pins.hold(self._tree.real_path(item.parent, item.name)):
                reason = Keep.PINNED
            if reason is None:
                going.append(item)
            else:
                self._books.keep(reason)
        return going

    def _guarded(self, item: Item, action: Callable[[], T]) -> T | Keep:
        """Do it where the item is; what the disk says against it goes into the books."""
        try:
            reason = self._cursor.go(item.parent)
            if reason is not None:
                return reason
            if not self._cursor.inside():
                return Keep.CHANGED  # the directory was moved out of the root while we stand in it
            return action()
        except (FileNotFoundError, NotADirectoryError):
            return Keep.CHANGED
        except OSError as error:
            if error.errno == errno.EBUSY:
                return Keep.OTHER_FILESYSTEM  # something is mounted on it
            self._books.fail(self._tree.shown(item.parent, item.name), error)
            return Keep.FAILED

    def _free(self, item: Item, *, quarantined: bool) -> None:
        self._touched.add(item.parent)
        self._books.free(item.size_bytes, item.allocated_bytes, quarantined=quarantined)

    def _look_at_processes(self) -> OpenFiles:
        if self._open_files is None:
            self._open_files = (self._read_processes or read_open_files)()
        return self._open_files


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
