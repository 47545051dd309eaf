"""What a run would find if it came to move things now: the looks that come before a move, with nothing moved.

Owns them for a dry run, and for whoever must know before it begins. The kernel is asked as a run asks it, by a
lease that is given back at once; no other answer is the same. Refuses to know why something is to go.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from aura_actors.cleaners.base import BATCH, Bench
from aura_actors.cleaners.cursor import Cursor
from aura_actors.cleaners.hold import same, take_hold
from aura_actors.cleaners.in_use import OpenFiles, read_open_files
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.retention import Item, Keep, Kind, Plan, without


class Foresight:
    """Looks at items of one tree, one by one."""

    def __init__(self, tree: Tree) -> None:
        self._cursor = Cursor(tree.fd, tree.places)
        self._open_files: OpenFiles | None = None

    def close(self) -> None:
        """Let go of the directory it stands in."""
        self._cursor.close()

    def objection(self, item: Item) -> Keep | None:
        """Why an item would stay. Raises `OSError`."""
        if item.kind is Kind.DIRECTORY:
            self._cursor.close()  # not to be taken for somebody who stands in it
            return Keep.IN_USE if self._processes().stand_in(item.device, item.inode) else None
        try:
            reason = self._cursor.go(item.parent)
            if reason is not None:
                return reason
            if item.kind is Kind.FILE:
                hold = take_hold(self._cursor.fd, item, 0, self._processes)
                if isinstance(hold, Keep):
                    return hold
                hold.release()
                return None
            there = os.stat(item.name, dir_fd=self._cursor.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return Keep.CHANGED
        return None if same(item, there) else Keep.CHANGED

    def _processes(self) -> OpenFiles:
        if self._open_files is None:
            self._open_files = read_open_files()
        return self._open_files


@contextmanager
def foresight(tree: Tree) -> Iterator[Foresight]:
    """One, closed at the end."""
    made = Foresight(tree)
    try:
        yield made
    finally:
        made.close()


def foreseen(bench: Bench, tree: Tree, planned: Plan) -> Generator[None, None, Plan]:
    """The plan as far as it could be carried out now; what cannot be looked at is a failure in the books."""
    stay: dict[int, Keep] = {}
    with foresight(tree) as looks:
        for index, item in enumerate((*planned.remove, *planned.directories)):
            try:
                reason = looks.objection(item)
            except OSError as error:
                bench.books.fail(tree.shown(item.parent, item.name), error)
                reason = Keep.FAILED
            if reason is not None:
                stay[index] = reason
            if index % BATCH == BATCH - 1:
                yield
    return without(planned, stay)
