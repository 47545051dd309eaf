"""A root that a run has open, and the directories below it that the run has seen.

Owns the descriptor of the root and the numbers and paths of places. Refuses to know what is looked for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.cursor import Place, locked_by_another
from aura_actors.cleaners.printable import printable
from aura_actors.cleaners.roots import Declined, Ground, claimed, open_root, recognised

LONGEST_PATH = 1_000


class Tree:
    """`places[0]` is the root; `fd` its descriptor, which whoever opened it closes."""

    def __init__(self, root: str, fd: int) -> None:
        status = os.fstat(fd)
        self.root = root
        self._real_root = os.path.realpath(root)
        self.fd = fd
        self.places = [
            Place(parent=0, depth=0, name="", device=status.st_dev, inode=status.st_ino, mode=status.st_mode)
        ]

    @property
    def device(self) -> int:
        """The device that the root is on."""
        return self.places[0].device

    def relative_path(self, parent: int, name: str) -> str:
        """The path of an entry from the root, as Python spells names (bytes that are no text as surrogates)."""
        parts = [name]
        while parent:
            parts.append(self.places[parent].name)
            parent = self.places[parent].parent
        return "/".join(reversed(parts))

    def path(self, parent: int, name: str) -> str:
        """The absolute path of an entry."""
        return f"{self.root}/{self.relative_path(parent, name)}"

    def real_path(self, parent: int, name: str) -> str:
        """The absolute path of an entry with the links on the way to the root resolved, as pins have it."""
        return f"{self._real_root}/{self.relative_path(parent, name)}".rstrip("/") or "/"

    def shown(self, parent: int, name: str) -> str:
        """The absolute path as text that can be printed."""
        return shown_path(self.path(parent, name).rstrip("/"))


@contextmanager
def opened(bench: Bench, path: str) -> Iterator[Tree]:
    """The recognised root at `path`, locked against those who exclude each other by flock, and other daemons.

    Raises `Declined` when the root is not the recorded one, or somebody else has it locked.
    """
    ground = recognised(bench.grounds, path)
    fd = open_root(ground)
    try:
        if locked_by_another(fd, hold=not bench.dry_run):
            raise Declined(f"{ground.path} is locked by another program")
        with _alone(bench, ground, fd):
            yield Tree(ground.path, fd)
    finally:
        os.close(fd)


@contextmanager
def _alone(bench: Bench, ground: Ground, root_fd: int) -> Iterator[None]:
    if bench.dry_run or ground.identity in bench.claimed:
        yield  # a run may have one root open twice, under two names or for two ends
        return
    with claimed(ground.path, root_fd):
        bench.claimed.add(ground.identity)
        try:
            yield
        finally:
            bench.claimed.discard(ground.identity)


def shown_path(path: str) -> str:
    """A path as text that can be printed: odd bytes and controls escaped, the middle cut if long."""
    raw, half = os.fsencode(path), LONGEST_PATH // 2
    parts = [raw] if len(raw) <= LONGEST_PATH else [raw[:half], raw[-half:]]
    return "…".join(printable(part.decode("utf-8", "backslashreplace")) for part in parts)
