"""From quarantine back to where things were: the folders on the way are found, or made again.

Owns one haul's way back. Refuses to know why something goes back, and to put it onto anything.
"""

import os
from collections.abc import Sequence

from aura_actors.cleaners.cursor import Cursor, Place, Places, open_directory
from aura_actors.cleaners.journal import Folder, Move, Recorded
from aura_actors.cleaners.made_again import make_again
from aura_actors.cleaners.renaming import move_back
from aura_actors.cleaners.tree import Tree, shown_path
from aura_actors.domain.retention import Keep


class WayBack:
    """`trash_fd` is the run's folder; None where it is gone, with everything that was in it."""

    def __init__(self, tree: Tree, trash_fd: int | None, folders: Sequence[Folder]) -> None:
        self._tree = tree
        self._trash_fd = trash_fd
        self._folders = {folder.number: folder for folder in folders}
        # Places get their identity when they are reached: what was there then may have been made again since.
        self._places: Places = {0: tree.places[0]}
        self._cursor = Cursor(tree.fd, self._places)

    def close(self) -> None:
        """Let go of what is open."""
        self._cursor.close()

    def lies(self, recorded: Recorded) -> bool:
        """Whether the item is in quarantine. Of a directory the record is all there is."""
        if recorded.move.kind == "directory":
            return True
        if self._trash_fd is None:
            return False
        try:
            os.stat(str(recorded.seq), dir_fd=self._trash_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def put_back(self, recorded: Recorded) -> Keep | None:
        """Put an item that lies in quarantine back; why not, where that cannot be. Raises `OSError`."""
        try:
            reason = self._reach(recorded.move.folder)
            if reason is None:
                self._put(recorded)
        except (FileExistsError, NotADirectoryError):
            return Keep.ORIGIN_TAKEN
        return reason

    def path(self, item: Move) -> str:
        """Where an item was, from the root."""
        parts, number = [item.name], item.folder
        while number:
            parts.append(self._folders[number].name)
            number = self._folders[number].parent
        return "/".join(reversed(parts))

    def shown(self, item: Move) -> str:
        """Where an item was, absolute, as text that can be printed."""
        return shown_path(f"{self._tree.root}/{self.path(item)}")

    def _put(self, recorded: Recorded) -> None:
        item = recorded.move
        if item.kind == "directory":
            make_again(item.name, item.mode, self._cursor.fd)
        else:
            assert self._trash_fd is not None
            move_back(str(recorded.seq), self._trash_fd, item.name, self._cursor.fd)

    def _reach(self, number: int) -> Keep | None:
        missing: list[int] = []
        while number not in self._places:
            missing.append(number)
            number = self._folders[number].parent
        reason = self._cursor.go(number)
        while missing and reason is None:
            number = missing.pop()
            self._places[number] = self._find_or_make(self._folders[number])
            reason = self._cursor.go(number)
        return reason

    def _find_or_make(self, folder: Folder) -> Place:
        make_again(folder.name, folder.mode, self._cursor.fd)
        fd = open_directory(folder.name, dir_fd=self._cursor.fd)
        try:
            found = os.fstat(fd)
        finally:
            os.close(fd)
        parent = self._places[folder.parent]
        return Place(
            parent=folder.parent,
            depth=parent.depth + 1,
            name=folder.name,
            device=found.st_dev,
            inode=found.st_ino,
        )
