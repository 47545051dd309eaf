"""The journal of one plan: what is about to be moved, with the folders on the way to it.

Owns the translation from items and places to what the journal keeps. Refuses to move anything.
"""

import stat
from collections.abc import Mapping, Sequence

from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.journal import Folder, Move, MoveKind
from aura_actors.cleaners.tree import Tree
from aura_actors.domain.retention import Item, Kind

_KINDS: Mapping[Kind, MoveKind] = {Kind.FILE: "file", Kind.SYMLINK: "symlink", Kind.DIRECTORY: "directory"}


class Intents:
    """Opens a haul with the first batch; a plan of which nothing goes leaves no trace."""

    def __init__(self, bench: Bench, tree: Tree) -> None:
        self._bench = bench
        self._tree = tree
        self._haul: int | None = None
        self._written = {0}  # numbers of folders that the journal knows; it always knows the root

    def write(self, items: Sequence[Item]) -> Sequence[int]:
        """Write down what is about to be moved; the `seq` of each."""
        if not items:
            return ()
        if self._haul is None:
            self._haul = self._bench.journal.open_haul(self._bench.run_id, self._bench.task, self._tree.root)
        folders = self._new_folders({item.parent for item in items})
        seqs = self._bench.journal.intend(self._haul, folders, [_move(item) for item in items])
        self._written.update(folder.number for folder in folders)
        return seqs

    def settle(
        self, *, quarantined: Sequence[int] = (), purged: Sequence[int] = (), forgotten: Sequence[int] = ()
    ) -> None:
        """Write down what came of a batch."""
        if quarantined or purged or forgotten:
            self._bench.journal.settle(
                quarantined=quarantined, purged=purged, forgotten=forgotten, now_ns=self._bench.now_ns
            )

    def _new_folders(self, numbers: set[int]) -> list[Folder]:
        places, found = self._tree.places, {}
        for number in numbers:
            while number not in self._written and number not in found:
                place = places[number]
                found[number] = Folder(number, place.parent, place.name, stat.S_IMODE(place.mode))
                number = place.parent
        return [found[number] for number in sorted(found)]


def _move(item: Item) -> Move:
    return Move(
        folder=item.parent,
        name=item.name,
        kind=_KINDS[item.kind],
        inode=item.inode,
        size_bytes=item.size_bytes,
        allocated_bytes=item.allocated_bytes,
        modified_ns=item.modified_ns,
        mode=stat.S_IMODE(item.mode),
    )
