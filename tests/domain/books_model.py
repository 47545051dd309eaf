"""Admission recomputed from its definitions, slowly: for every question all leases and samples are gone through.

    A = min(C - S, theta * C)          Y = peak over 30 s of max(0, used - sum M - sum c - K)
    P_g = max(sum R in g, M_g)         H = min over levels of (A - Y - K) - sum P_g - sum R of those without a group

Nothing is kept but what happened: the leases, and of every level the samples, with what was later found not to have
been external use in them. Used by `test_books_model.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from aura_actors.domain.leases import Lease

PEAK, GHOST, FLAT, FULL, STALE = 30.0, 5.0, 2.0, 4.0, 30.0

Charges = dict[str, int]
"""Amounts by dimension."""


@dataclass
class Ghost:
    group: str | None
    amount: int
    until: float


@dataclass
class Claim:
    """A lease without a process: what was in use, and what of it external, when it began."""

    since: float
    use_then: int
    external_then: int
    declared: int
    credit: int = 0
    settled: bool = False


@dataclass
class Expected:
    since: float
    external_then: int
    before: float
    seen_since: float
    returning: int


@dataclass
class Level:
    """One place where memory is limited. `found`: corrections, each until a sample, how much, since when, floor."""

    capacity: int
    used: int = 0
    samples: list[tuple[float, int]] = field(default_factory=list)
    found: list[tuple[int, int, float, int]] = field(default_factory=list)
    ghosts: list[Ghost] = field(default_factory=list)
    claims: dict[int, Claim] = field(default_factory=dict)
    expected: dict[str, Expected] = field(default_factory=dict)
    unattributed: int = 0
    flat: list[tuple[float, int]] = field(default_factory=list)

    @property
    def k(self) -> int:
        return sum(ghost.amount for ghost in self.ghosts)

    @property
    def credited(self) -> int:
        return sum(claim.credit for claim in self.claims.values())

    @property
    def external(self) -> int:
        return max(0, self.unattributed - self.credited)

    @property
    def y(self) -> int:
        if not self.samples:
            return 0
        last = self.samples[-1][0]
        values = []
        for number, (at, value) in enumerate(self.samples):
            if at < last - PEAK:
                continue
            for until, amount, since, floor in self.found:
                if number < until and at >= since:
                    value -= min(amount, max(0, value - floor))
            values.append(value)
        return max(values)

    def correct(self, amount: int, since: float, floor: int) -> None:
        self.found.append((len(self.samples), amount, since, floor))

    # --- groups ---

    def expect(self, group: str, before: float, now: float, seen_since: float = -inf) -> None:
        returning = sum(g.amount for g in self.ghosts if g.group == group) if seen_since == -inf else 0
        self.expected[group] = Expected(now, self.external, before, seen_since, returning)

    def first_read(self, group: str, least: int) -> None:
        then = self.expected.pop(group, None)
        if then is not None:
            seen = max(0, least - then.returning)
            before = int(min(seen, max(0, then.before - then.returning)))
            floor = max(0, then.external_then - before)
            self.correct(before, then.seen_since, floor)
            self.correct(seen - before, then.since, floor)

    def haunt(self, group: str | None, amount: int, now: float) -> None:
        if amount > 0:
            self.ghosts.append(Ghost(group, amount, now + GHOST))

    # --- credit ---

    def growth(self, claim: Claim) -> int:
        return self.unattributed - claim.use_then

    def ready(self, fence: int) -> None:
        claim = self.claims.get(fence)
        if claim is None:
            return
        claim.settled = True
        before = claim.credit
        # The most for which no byte of growth is credited twice, seen from every grant that has credit.
        for credit in range(claim.declared, before, -1):
            claim.credit = credit
            if all(
                sum(c.credit for c in self.claims.values() if c.since >= each.since) <= self.growth(each)
                for each in self.claims.values()
                if each.credit and each.since <= claim.since
            ):
                self.correct(credit - before, claim.since, claim.external_then)
                return
        claim.credit = before

    def cut(self, claim: Claim, amount: int, now: float) -> None:
        claim.credit -= amount
        self.unattributed -= amount
        self.haunt(None, amount, now)

    # --- a sample ---

    def look(self, now: float, capacity: int, used: int, attributed: int) -> None:
        others = max(0, used - attributed)
        for ghost in [ghost for ghost in self.ghosts if ghost.until <= now]:
            self.ghosts.remove(ghost)
            self.unattributed += ghost.amount
            for claim in self.claims.values():
                claim.use_then += ghost.amount
        excess = self.k - max(0, others - self.unattributed)
        while excess > 0:
            gone = min(excess, self.ghosts[0].amount)
            self.ghosts[0].amount -= gone
            excess -= gone
            if not self.ghosts[0].amount:
                self.ghosts.pop(0)
        self.capacity, self.used, self.unattributed = capacity, used, others - self.k
        newer = 0
        for claim in sorted(self.claims.values(), key=lambda each: -each.since):
            if claim.credit:
                claim.credit = max(0, min(claim.credit, self.growth(claim) - newer))
                newer += claim.credit
        self.gate(now)
        self.samples.append((now, self.external))

    def gate(self, now: float) -> None:
        open_claims = {fence: claim for fence, claim in self.claims.items() if not claim.settled}
        if not open_claims:
            self.flat = []
            return
        self.flat.append((now, self.unattributed))
        while len(self.flat) > 1 and self.flat[1][0] <= now - FLAT:
            self.flat.pop(0)
        for claim in open_claims.values():
            claim.settled = now - claim.since >= 60 and self.growth(claim) <= 0
        if len(open_claims) == 1 and now - self.flat[0][0] >= FLAT:
            ((fence, claim),) = open_claims.items()
            values = [value for _, value in self.flat]
            steady = max(values) - min(values) <= self.capacity * 0.01
            if steady and now - claim.since >= FLAT and self.growth(claim) > 0:
                self.ready(fence)


@dataclass
class Measured:
    """A dimension whose use is seen; `charged` by fence: amount and group (None: nothing is known of it)."""

    reserve: int
    theta: float
    resident: bool = False
    levels: dict[str, Level] = field(default_factory=dict)
    charged: dict[int, tuple[int, str | None]] = field(default_factory=dict)
    cgroups: dict[str, str | None] = field(default_factory=dict)
    uses: dict[str, tuple[int, int]] = field(default_factory=dict)
    looked_at: float = -inf

    def a(self, level: Level) -> int:
        return max(0, min(level.capacity - self.reserve, int(level.capacity * self.theta)))

    @property
    def most(self) -> int | None:
        return min((self.a(level) for level in self.levels.values()), default=None)

    @property
    def free(self) -> float:
        return min((self.a(level) - level.y - level.k for level in self.levels.values()), default=-inf)

    def groups(self) -> dict[str, int]:
        """Sum of R by group."""
        sums: dict[str, int] = {}
        for amount, group in self.charged.values():
            if group is not None:
                sums[group] = sums.get(group, 0) + amount
        return sums

    @property
    def promised(self) -> int:
        """Invariant 14 is here: P is of a group, so two leases of one process count its memory once."""
        alone = sum(amount for amount, group in self.charged.values() if group is None)
        return alone + sum(max(r, self.uses.get(g, (0, 0))[1]) for g, r in self.groups().items())

    @property
    def h(self) -> float:
        return self.free - self.promised

    def inside(self, group: str, level: str) -> bool:
        path = self.cgroups[group]
        return level == "machine" or (path is not None and path.startswith(level + "/"))

    def weight(self, fence: int) -> int:
        amount, group = self.charged.get(fence, (0, None))
        return max(amount, 0 if group is None else self.uses.get(group, (0, 0))[1]) if amount else 0

    def charge(self, fence: int, amount: int, lease: Lease, now: float) -> None:
        group = None if lease.process is None else group_of(lease)
        if group is None:
            for level in self.levels.values():
                level.claims[fence] = Claim(now, level.unattributed, level.external, amount)
        elif group not in self.groups():
            assert lease.process is not None
            self.cgroups[group] = lease.process.cgroup
            for name, level in self.levels.items():
                if self.inside(group, name):
                    level.expect(group, lease.process.resident_bytes if self.resident else 0, now)
        self.charged[fence] = amount, group

    def refund(self, fence: int, now: float) -> None:
        _, group = self.charged.pop(fence)
        for name, level in self.levels.items():
            if group is None:
                claim = level.claims.pop(fence, None)
                if claim is not None:
                    level.cut(claim, claim.credit, now)
            elif group not in self.groups() and self.inside(group, name):
                level.expected.pop(group, None)
                level.haunt(group, self.uses.get(group, (0, 0))[0], now)
        if group is not None and group not in self.groups():
            self.uses.pop(group, None)

    def redeclare(self, fence: int, amount: int, now: float) -> None:
        self.charged[fence] = amount, self.charged[fence][1]
        for level in self.levels.values():
            claim = level.claims.get(fence)
            if claim is not None:
                claim.declared = amount
                level.cut(claim, max(0, claim.credit - amount), now)

    def look(self, now: float, levels: Mapping[str, tuple[int, int]], uses: Mapping[str, tuple[int, int]]) -> None:
        known, self.levels = self.levels, {}
        for name, (capacity, _) in levels.items():
            self.levels[name] = known.get(name) or Level(capacity)
        for group in self.groups():
            if group in uses:
                if group not in self.uses:
                    for name, level in self.levels.items():
                        if self.inside(group, name):
                            level.first_read(group, uses[group][0])
                self.uses[group] = uses[group]
        for name, level in self.levels.items():
            inside = [least for group, (least, _) in self.uses.items() if self.inside(group, name)]
            level.look(now, *levels[name], sum(inside))
            if name not in known:
                for fence, (amount, group_or_none) in self.charged.items():
                    if group_or_none is None:
                        level.claims[fence] = Claim(now, level.unattributed, level.external, amount)
                for group in self.groups():
                    if group not in self.uses and self.inside(group, name):
                        level.expect(group, inf, now, seen_since=now)
        self.looked_at = now

    def share(self, now: float) -> float:
        age = now - self.looked_at
        return 1.0 if age <= FULL else min(1.0, max(0.0, (STALE - age) / (STALE - FULL)))


def group_of(lease: Lease) -> str:
    assert lease.process is not None
    return f"process {lease.process.pid} {lease.process.start_ticks}"
