"""What may be removed from a folder, and why everything else stays.

Owns the rules of age, kind and caps, from what a scan saw to a plan. Refuses to know how an item is found or
removed, what is open, and what time it is: `now_ns` is an argument.
"""

import enum
import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

FUTURE_SLACK_SECONDS = 60.0
"""Stamps this far ahead of `now` are only young (written while the scan ran); beyond, they are not believed."""

SHARE_COUNTS_ABOVE = 1_000
"""`max_share` says nothing about folders with fewer entries than this."""

_NEVER = 1 << 100


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
    OTHER_ROOT = "other-root"
    """A directory that is marked as a root of its own: it has its own task."""
    LOCKED = "locked"
    UNREADABLE = "unreadable"
    NOT_EMPTY = "not-empty"
    OVER_CAP = "over-cap"
    PINNED = "pinned"
    """A live job or project holds it."""
    REFERENCED = "referenced"
    """The application's records point at it."""
    SEEN_ONCE = "seen-once"
    """Nothing points at it, for the first time; it goes when that is seen again, hours later."""
    OUTSIDE = "outside"
    """A project's folder that is not below the folder for projects, or an upload that is no file below its own."""
    NEWEST = "newest"
    """The log that may still be written to."""
    NOT_WORTH_IT = "not-worth-it"
    """Free pages of a database, too few to give back."""
    # Found only when the plan is carried out:
    CHANGED = "changed"
    IN_USE = "in-use"
    UNKNOWN_USE = "unknown-use"
    FAILED = "failed"
    ORIGIN_TAKEN = "origin-taken"
    """It cannot go back from quarantine: something else has its name now."""


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
    born_ns: int = 0
    """0 where it is not known."""
    used_ns: int = 0
    """When it was used last, at the latest; 0 where that does not count."""
    accessed_ns: int = 0
    """Its access time, where that counts."""
    mode: int = 0
    number: int = 0
    """Of a directory; 0 where it was not entered, and for everything else."""
    obstacle: Keep | None = None
    """What the scan already knows to speak against removal."""

    @property
    def newest_ns(self) -> int:
        """The stamp that counts: an item is as old as the latest sign of life."""
        return max(self.modified_ns, self.changed_ns, self.born_ns, self.used_ns)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When an item may go, and how much may go in one pass."""

    older_than_seconds: float | None
    """None: whatever its age; infinite: at no age."""
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
    """Invariant: every scanned item is in `remove`, in `directories`, or counted in `kept`."""

    remove: tuple[Item, ...]
    """Files and links, the oldest first."""
    directories: tuple[Item, ...]
    """To be removed if empty then, every directory after all that are below it."""
    kept: Mapping[Keep, int]
    keep: tuple[Kept, ...]
    """The first of those that stay, as many as were to be listed."""


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
    if rule.older_than_seconds is None:
        return None
    newest_ns = item.newest_ns
    if newest_ns > now_ns + int(FUTURE_SLACK_SECONDS * 1e9):
        return Keep.FUTURE
    return None if now_ns - newest_ns >= age_ns(rule.older_than_seconds) else Keep.YOUNG


def age_ns(seconds: float) -> float:
    """An age in nanoseconds, exact; one that is infinite, or no number, is more than anything has."""
    nanoseconds = seconds * 1e9
    return int(nanoseconds) if math.isfinite(nanoseconds) else math.inf


def plan(items: Iterable[Item], now_ns: int, rule: Rule, *, list_kept: int = 0) -> Plan:
    """Split what a scan saw into what goes and what stays."""
    draft = Draft(now_ns, rule, list_kept=list_kept)
    for item in items:
        draft.add(item)
    return draft.finish()


def without(planned: Plan, stay: Mapping[int, Keep]) -> Plan:
    """The plan if some of it stays after all: by the index in `remove`, or after those in `directories`, and why.

    The directories that they are in stay with them.
    """
    if not stay:
        return planned
    kept = Counter(planned.kept)
    blocked: set[int] = set()
    for index, item in enumerate(planned.remove):
        if index in stay:
            kept[stay[index]] += 1
            blocked.add(item.parent)
    directories: list[Item] = []
    for index, item in enumerate(planned.directories, start=len(planned.remove)):  # from the bottom up
        if item.number in blocked or index in stay:
            kept[Keep.NOT_EMPTY if item.number in blocked else stay[index]] += 1
            blocked.add(item.parent)
        else:
            directories.append(item)
    return Plan(
        remove=tuple(item for index, item in enumerate(planned.remove) if index not in stay),
        directories=tuple(directories),
        kept=kept,
        keep=planned.keep,
    )


class Draft:
    """A plan in the making. A directory goes when it is old itself and everything in it goes; where a cap bites,
    the oldest go.

    Holds at most `max_files` candidates and `list_kept` of those that stay, however many items a scan yields.
    """

    def __init__(self, now_ns: int, rule: Rule, *, list_kept: int = 0) -> None:
        self._now_ns = now_ns
        self._rule = rule
        self._list_kept = list_kept
        self._kept: Counter[Keep] = Counter()
        self._listed: list[Kept] = []
        self._blocked: set[int] = set()  # numbers of directories with something in them that stays
        self._directories: list[Item] = []
        self._youngest_first: list[tuple[int, int, Item]] = []
        self._order = itertools.count()
        self._total = 0
        self.young_until_ns = now_ns + int(FUTURE_SLACK_SECONDS * 1e9)
        age = rule.older_than_seconds
        self.young_from_ns = self.young_until_ns + 1 if age is None else now_ns - age_ns(age) + 1
        """A stamp from here on, up to `young_until_ns`, is enough for an item to be young."""
        self.over_cap_from_ns = _NEVER if rule.max_files else -_NEVER
        """There are `max_files` candidates, and all of them are older than this: what is not is over the cap."""

    def add(self, item: Item) -> None:
        """One item that the scan saw. A directory comes after what is in it, or with an obstacle."""
        if item.kind is Kind.DIRECTORY:
            if item.obstacle is None:
                self._directories.append(item)  # its turn comes when everything in it is decided
            else:
                self.keep(item.parent, item.name, item.obstacle)
            return
        self._total += 1
        reason = judge(item, self._now_ns, self._rule)
        if reason is not None:
            self.keep(item.parent, item.name, reason)
            return
        candidates, entry = self._youngest_first, (-item.newest_ns, next(self._order), item)
        if len(candidates) < self._rule.max_files:
            heapq.heappush(candidates, entry)
        else:
            _, _, last = heapq.heappushpop(candidates, entry)
            self.keep(last.parent, last.name, Keep.OVER_CAP)
        if len(candidates) == self._rule.max_files > 0:
            self.over_cap_from_ns = -candidates[0][0]

    def at_most_now(self, stamp_ns: int, slack_ns: int) -> int:
        """The latest that something can have happened whose stamp is only so exact."""
        return max(stamp_ns, min(stamp_ns + slack_ns, self._now_ns))

    def keep_file(self, parent: int, name: str, reason: Keep) -> None:
        """A file that the scan itself saw to be young or over the cap: no item is made of it, since most are."""
        self._total += 1
        self.keep(parent, name, reason)

    def keep(self, parent: int, name: str, reason: Keep) -> None:
        """Something stays, and so does the directory that it is in."""
        self._kept[reason] += 1
        self.block(parent)
        if len(self._listed) < self._list_kept:
            self._listed.append(Kept(parent, name, reason))

    def block(self, parent: int) -> None:
        """A directory stays, for something in it that is no item."""
        self._blocked.add(parent)

    def finish(self) -> Plan:
        """The plan for everything that was added."""
        remove = self._capped([entry[2] for entry in sorted(self._youngest_first, reverse=True)])
        directories = self._emptied()
        return Plan(remove=tuple(remove), directories=tuple(directories), kept=self._kept, keep=tuple(self._listed))

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
                self.keep(item.parent, item.name, Keep.OVER_CAP)
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
                self.keep(item.parent, item.name, reason)
        return removable


def judge_stamp(stamp: float | None, now: float, *, older_than_seconds: float) -> Keep | None:
    """Why a record with this stamp must stay; None where its age does not speak against its going. Unix seconds."""
    if stamp is None:
        return Keep.UNREADABLE
    if stamp > now + FUTURE_SLACK_SECONDS:
        return Keep.FUTURE
    return None if now - stamp >= older_than_seconds else Keep.YOUNG
