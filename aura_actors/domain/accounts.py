"""One dimension of the machine, and what of it is promised: counted ones, and those whose use is measured.

    counted     H = capacity - sum R                       cores, units, a budget
    measured    H = A - Y - K - sum P, least over levels   main memory, each GPU's memory, scratch space

Owns H and its parts. A group is the leases of one process tree: its memory counts once, however many leases it
holds, with P = max(sum R, M). Refuses to know what a job is: it is charged amounts in the name of a fence.
"""

from collections.abc import Iterable, Mapping
from math import inf

import msgspec

from aura_actors.domain.external import External, Level
from aura_actors.domain.window import Window

MACHINE = "machine"
"""Name of the level that everything on the machine counts for."""


class Group(msgspec.Struct, frozen=True):
    """A process tree that holds leases: as attribution names it, and as it was when it was named."""

    key: str
    bytes_before: int = 0
    cgroup: str | None = None
    """Directory of its control group in the hierarchy that accounts for memory."""


class Counted:
    """A dimension of which there is a fixed number; it is never out of date."""

    external = 0
    ghosts = 0
    looked_at = inf

    def __init__(self, name: str, capacity: int, unit: str = "units") -> None:
        self.name = name
        self.unit = unit
        self.capacity = capacity
        self.room = capacity

    @property
    def promised(self) -> int:
        """What all leases hold together."""
        return self.capacity - self.room

    @property
    def most(self) -> int:
        """What could be promised if nothing was."""
        return self.capacity

    def resize(self, capacity: int) -> None:
        """There is another number now; nothing is taken away from anybody."""
        self.room += capacity - self.capacity
        self.capacity = capacity

    def charge(self, fence: int, amount: int, group: Group | None, now: float) -> None:
        """Promise `amount`, which fits or is promised already."""
        self.room -= amount

    def refund(self, fence: int, amount: int, group: Group | None, now: float) -> None:
        """End that promise."""
        self.room += amount

    def redeclare(self, fence: int, before: int, after: int, group: Group | None, now: float) -> None:
        """The same lease is promised another amount."""
        self.room -= after - before

    def ready(self, fence: int) -> None:
        """Nothing is measured here."""

    def use_of(self, group: str | None) -> None:
        """Nothing is measured here."""


class Use(msgspec.Struct, frozen=True):
    """What a group was seen to use: at least, and at most."""

    least: int
    most: int


class _Member(msgspec.Struct):
    """A group's part of one account. Invariant: it has at least one lease."""

    group: Group
    declared: int = 0
    leases: int = 0
    use: Use | None = None

    @property
    def promised(self) -> int:
        """P: the larger of what was declared and what is used."""
        return self.declared if self.use is None else max(self.declared, self.use.most)


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a capacity may be in use at all: A = min(C - S, theta * C)."""

    reserved_bytes: int = 0
    threshold_percent: float = 100.0

    def of(self, capacity_bytes: int) -> int:
        """A."""
        share = int(capacity_bytes * self.threshold_percent / 100)
        return max(0, min(capacity_bytes - self.reserved_bytes, share))


class Measured:
    """A dimension whose use by others is seen. `room` is -inf before the first look; `windows` may outlive it.

    Memory is limited at several levels at once, by the machine and by each control group around us; H is the least.
    A level that appears begins with the use that is seen; one that vanishes binds nobody any longer.

    Invariants: `promised` is the sum of P over groups and of R over leases without one; `room = free - promised`.
    """

    unit = "bytes"

    def __init__(
        self, name: str, allowance: Allowance, windows: dict[str, Window] | None = None, *, resident: bool = False
    ) -> None:
        """`resident`: what a process has resident counts here, so what it used before its grant is known."""
        self.name = name
        self._resident = resident
        self._allowance = allowance
        self._windows = {} if windows is None else windows
        self._levels: dict[str, tuple[Level, External]] = {}
        self._alone: dict[int, int] = {}
        """Declared by leases without a group, by fence."""
        self._members: dict[str, _Member] = {}
        self.promised = 0
        self.room: float = -inf
        self.looked_at: float = -inf

    # --- what there is ---

    @property
    def capacity(self) -> int | None:
        """C, of the tightest level; None before the first look."""
        return min((level.capacity_bytes for level, _ in self._levels.values()), default=None)

    @property
    def most(self) -> int | None:
        """A, of the tightest level: what could be promised if nothing was in use. None before the first look."""
        capacity = self.capacity
        return None if capacity is None else self._allowance.of(capacity)

    @property
    def external(self) -> int:
        """Y as it looks from the smallest capacity: A less ghosts and what is free where least is free."""
        return 0 if self.most is None else self.most - self._free() - self.ghosts

    @property
    def ghosts(self) -> int:
        """K, at the level where least is free."""
        if not self._levels:
            return 0
        return min(self._levels.values(), key=lambda each: self._free_at(*each))[1].ghost_bytes

    @property
    def free_now(self) -> int:
        """What is not in use, where least is free."""
        return min((level.capacity_bytes - level.used_bytes for level, _ in self._levels.values()), default=0)

    def use_of(self, group: str | None) -> Use | None:
        """What a group was seen to use."""
        member = self._members.get(group) if group is not None else None
        return None if member is None else member.use

    def credit_of(self, fence: int) -> int:
        """What a lease without a group was credited, where it was credited least."""
        return min((external.credit_of(fence) for _, external in self._levels.values()), default=0)

    # --- looks ---

    def look(self, now: float, levels: Iterable[Level], uses: Mapping[str, Use]) -> None:
        """Take in what is used at every level, and by which group, all of it read in one pass."""
        known, self._levels = self._levels, {}
        for level in levels:
            entry = known.get(level.name)
            self._levels[level.name] = (level, self._external(level.name) if entry is None else entry[1])
        for name in self._windows.keys() - self._levels.keys():
            del self._windows[name]
        for key, member in self._members.items():
            first = member.use is None
            member.use = uses.get(key, member.use)
            if first and member.use is not None:
                for level, external in self._levels.values():
                    if _inside(member.group, level):
                        external.attribute(key, member.use.least)
        for level, external in self._levels.values():
            external.look(now, level, sum(self._least_inside(level)))
            if level.name not in known:
                self._begin(level, external, now)
        self.promised = sum(self._alone.values()) + sum(member.promised for member in self._members.values())
        self.room = self._free() - self.promised
        self.looked_at = now

    def _external(self, level: str) -> External:
        return External(self._windows.setdefault(level, Window()))

    def _begin(self, level: Level, external: External, now: float) -> None:
        """What jobs from before this level use already, nobody can tell from what others use: it is no growth."""
        for fence, amount in self._alone.items():
            external.claim(fence, amount, now)
        for key, member in self._members.items():
            if member.use is None and _inside(member.group, level):
                external.expect_running(key, now)

    def _least_inside(self, level: Level) -> Iterable[int]:
        for member in self._members.values():
            if member.use is not None and _inside(member.group, level):
                yield member.use.least

    def _free(self) -> int:
        return min((self._free_at(*each) for each in self._levels.values()), default=0)

    def _free_at(self, level: Level, external: External) -> int:
        return self._allowance.of(level.capacity_bytes) - external.held_bytes

    # --- promises ---

    def charge(self, fence: int, amount: int, group: Group | None, now: float) -> None:
        """Promise `amount`, which fits or is promised already."""
        if group is None:
            self._alone[fence] = amount
            for _, external in self._levels.values():
                external.claim(fence, amount, now)
            self.promised += amount
            self.room -= amount
            return
        member = self._members.get(group.key)
        if member is None:
            member = self._members[group.key] = _Member(group)
            for level, external in self._levels.values():
                if _inside(group, level):
                    external.expect(group.key, group.bytes_before if self._resident else 0, now)
        before = member.promised
        member.declared += amount
        member.leases += 1
        self.promised += member.promised - before
        self.room -= member.promised - before

    def refund(self, fence: int, amount: int, group: Group | None, now: float) -> None:
        """End that promise. What the last lease of a group used stays held until it is given back, for a while."""
        if group is None:
            del self._alone[fence]
            self.promised -= amount
            self.room += amount
            for _, external in self._levels.values():
                if external.disclaim(fence, now):
                    self.room = self._free() - self.promised
            return
        member = self._members[group.key]
        self.promised -= member.promised
        member.declared -= amount
        member.leases -= 1
        if member.leases:
            self.promised += member.promised
        else:
            del self._members[group.key]
            for level, external in self._levels.values():
                if _inside(group, level):
                    external.dismiss(group.key, now, 0 if member.use is None else member.use.least)
        if self._levels:
            self.room = self._free() - self.promised

    def redeclare(self, fence: int, before: int, after: int, group: Group | None, now: float) -> None:
        """The same lease is promised another amount."""
        if group is None:
            self._alone[fence] = after
            self.promised += after - before
            for _, external in self._levels.values():
                external.redeclare(fence, after, now)
        else:
            member = self._members[group.key]
            self.promised -= member.promised
            member.declared += after - before
            self.promised += member.promised
        if self._levels:
            self.room = self._free() - self.promised

    def ready(self, fence: int) -> None:
        """A lease without a group uses what it will use: growth since its grant is its own."""
        for _, external in self._levels.values():
            external.ready(fence)
        if self._levels:
            self.room = self._free() - self.promised


Account = Counted | Measured


def _inside(group: Group, level: Level) -> bool:
    """Whether what a group uses is counted at a level; where that is not known, it is not."""
    if level.name == MACHINE:
        return True
    inner = group.cgroup
    return inner is not None and (inner == level.name or inner.startswith(level.name.rstrip("/") + "/"))
