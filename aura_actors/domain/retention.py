"""What may be removed from a folder, and why everything else stays.

Owns the rules of age, kind and caps, as one pure function from what a scan saw to a plan. Refuses to know how an
item is found or removed, what is open, and what time it is: `now_ns` is an argument.
"""

import enum
import heapq
import itertools
from collections.abc import Iterable

import msgspec

FUTURE_SLACK_SECONDS = 60.0
"""Stamps this far ahead of `now` are only young (written while the scan ran); beyond, they are not believed."""

SHARE_COUNTS_ABOVE = 1_000
"""`max_share` says nothing about folders with fewer entries than this."""


class Kind(enum.Enum):
    """What sort of directory entry an item is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"
    """A socket, FIFO or device."""


class Keep(enum.Enum):
    """Why an item stays. The values are the keys of a report's `kept`."""

    YOUNG = "young"
    FUTURE = "future"
    SPECIAL = "special"
    SYMLINK = "symlink"
    HARD_LINKED = "hard-linked"
    EXCLUDED = "excluded"
    OTHER_FILESYSTEM = "other-filesystem"
    LOCKED = "locked"
    UNREADABLE = "unreadable"
    NOT_EMPTY = "not-empty"
    OVER_CAP = "over-cap"
    # Found only when the plan is carried out:
    CHANGED = "changed"
    IN_USE = "in-use"
    UNKNOWN_USE = "unknown-use"
    FAILED = "failed"


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One directory entry as the scan saw it; stamps are nanoseconds since 1970.

    Directories have numbers: the root is 0, a directory's number is larger than its parent's. `parent` is the
    number of the directory that the entry is in, so that a deep tree needs no long paths.
    """

    parent: int
    name: str
    kind: Kind
    device: int = 0
    inode: int = 0
    links: int = 1
    size_bytes: int = 0
    allocated_bytes: int = 0
    modified_ns: int = 0
    changed_ns: int = 0
    number: int = 0
    """Of a directory; 0 where it was not entered, and for everything else."""
    obstacle: Keep | None = None
    """What the scan already knows to speak against removal."""

    @property
    def newest_ns(self) -> int:
        """The stamp that counts: an item is as old as the latest sign of life."""
        return max(self.modified_ns, self.changed_ns)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When an item may go, and how much may go in one pass."""

    older_than_seconds: float
    remove_symlinks: bool = False
    max_files: int = 100_000
    max_bytes: int | None = None
    max_share: float = 1.0
    """Largest part of all files that one pass may remove, 0-1."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An item that stays."""

    parent: int
    name: str
    reason: Keep


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Invariant: every scanned item is in exactly one of the three."""

    remove: tuple[Item, ...]
    """Files and links, the oldest first."""
    directories: tuple[Item, ...]
    """To be removed if empty then, every directory after all that are below it."""
    keep: tuple[Kept, ...]


def judge(item: Item, now_ns: int, rule: Rule) -> Keep | None:
    """Why this item alone must stay; None where nothing speaks against its removal."""
    if item.obstacle is not None:
        return item.obstacle
    if item.kind is Kind.SPECIAL:
        return Keep.SPECIAL
    if item.kind is Kind.SYMLINK and not rule.remove_symlinks:
        return Keep.SYMLINK
    if item.kind is not Kind.DIRECTORY and item.links > 1:
        return Keep.HARD_LINKED
    if item.newest_ns > now_ns + int(FUTURE_SLACK_SECONDS * 1e9):
        return Keep.FUTURE
    if now_ns - item.newest_ns < int(rule.older_than_seconds * 1e9):
        return Keep.YOUNG
    return None


def plan(items: Iterable[Item], now_ns: int, rule: Rule) -> Plan:
    """Split what a scan saw into what goes and what stays.

    A directory goes when it is old itself and everything in it goes. Where a cap bites, the oldest go.
    """
    draft = _Draft(now_ns, rule)
    for item in items:
        draft.add(item)
    return draft.finish()


class _Draft:
    """A plan in the making; holds at most `max_files` candidates, however many the scan yields."""

    def __init__(self, now_ns: int, rule: Rule) -> None:
        self._now_ns = now_ns
        self._rule = rule
        self._kept: list[Kept] = []
        self._blocked: set[int] = set()  # numbers of directories with something in them that stays
        self._directories: list[Item] = []
        self._youngest_first: list[tuple[int, int, Item]] = []
        self._order = itertools.count()
        self._total = 0

    def add(self, item: Item) -> None:
        if item.kind is Kind.DIRECTORY:
            if item.obstacle is None:
                self._directories.append(item)  # its turn comes when everything in it is decided
            else:
                self._keep(item, item.obstacle)
            return
        self._total += 1
        reason = judge(item, self._now_ns, self._rule)
        if reason is not None:
            self._keep(item, reason)
            return
        heapq.heappush(self._youngest_first, (-item.newest_ns, next(self._order), item))
        if len(self._youngest_first) > self._rule.max_files:
            self._keep(heapq.heappop(self._youngest_first)[2], Keep.OVER_CAP)

    def finish(self) -> Plan:
        remove = self._capped([entry[2] for entry in sorted(self._youngest_first, reverse=True)])
        return Plan(remove=tuple(remove), directories=tuple(self._emptied()), keep=tuple(self._kept))

    def _capped(self, oldest_first: list[Item]) -> list[Item]:
        rule = self._rule
        most = len(oldest_first)
        if rule.max_share < 1 and self._total > SHARE_COUNTS_ABOVE:
            most = min(most, int(self._total * rule.max_share))
        remove: list[Item] = []
        freed_bytes = 0
        for item in oldest_first:
            fits = rule.max_bytes is None or freed_bytes + item.size_bytes <= rule.max_bytes
            if fits and len(remove) < most:
                freed_bytes += item.size_bytes
                remove.append(item)
            else:
                self._keep(item, Keep.OVER_CAP)
        return remove

    def _emptied(self) -> list[Item]:
        removable: list[Item] = []
        # A directory's number is larger than its parent's, so this goes from the bottom up.
        for item in sorted(self._directories, key=lambda item: item.number, reverse=True):
            blocked = item.number in self._blocked
            reason = Keep.NOT_EMPTY if blocked else judge(item, self._now_ns, self._rule)
            if reason is None:
                removable.append(item)
            else:
                self._keep(item, reason)
        return removable

    def _keep(self, item: Item, reason: Keep) -> None:
        self._kept.append(Kept(item.parent, item.name, reason))
        self._blocked.add(item.parent)
