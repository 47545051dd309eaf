"""What others use at one place where memory is limited: everything that is in use and is no admitted job's.

    used = attributed (sum of M) + credited + ghosts (K) + external          Y = peak of external over 30 s

Owns this division and what moves between its parts: a job's first reading, its end, its credit. Jobs whose
processes are known are attributed; of others only growth since their grant can be told, and becomes theirs as
credit. Refuses to promise anything. Readings and time are arguments; all of one look are read in one pass.
"""

from math import inf

import msgspec

from aura_actors.domain.window import Window

GHOST_SECONDS = 5.0
FLAT_SECONDS = 2.0
FLAT_SHARE = 0.01
SETTLING_SECONDS = 60.0
"""A job that has not grown by then is taken as settled without credit, so that it keeps no others waiting."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One place where memory is limited, and what is used of it by everybody there."""

    name: str
    capacity_bytes: int
    used_bytes: int


class Claim(msgspec.Struct, gc=False):
    """A job whose processes are not known: what was in use when it began, and what it earned since."""

    since: float
    use_then: int
    external_then: int
    declared: int
    credit: int = 0
    settled: bool = False


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A group that was not read yet: since when, and what was external use then, its own included.

    `bytes_before` is what it used before already, in every value since `seen_since`; `returning` is what it left
    behind as a ghost the last time it held a lease, which is in none.
    """

    since: float
    external_then: int
    bytes_before: float
    seen_since: float
    returning: int


class Ghost(msgspec.Struct, kw_only=True):
    """Memory of jobs that ended and was in use at the last look."""

    group: str | None
    amount: int
    until: float


class External:
    """The books over the use of others at one level. `window` may have seen more than these books have.

    Invariant: `external + ghosts + credited + attributed = used` at the last look, unless attribution says more.
    """

    def __init__(self, window: Window | None = None) -> None:
        self._window = window or Window()
        self._ghosts: list[Ghost] = []
        self._expected: dict[str, Expected] = {}
        self._claims: dict[int, Claim] = {}
        self._recent: list[tuple[float, int]] = []
        """Use by nobody known, lately: what the settling gate looks at."""
        self._unattributed = 0
        """used - attributed - ghosts, at the last look: external and credited use together."""
        self.external_bytes = 0
        self.ghost_bytes = 0
        self.credited_bytes = 0

    @property
    def peak_bytes(self) -> int:
        """Y: the highest external use of the window."""
        return self._window.peak

    @property
    def held_bytes(self) -> int:
        """Y + K: what cannot be promised to anybody."""
        return self._window.peak + self.ghost_bytes

    def credit_of(self, fence: int) -> int:
        """What was credited to a job."""
        claim = self._claims.get(fence)
        return 0 if claim is None else claim.credit

    # --- a look ---

    def look(self, now: float, level: Level, attributed: int) -> None:
        """Take in what is used, and how much of it is attributed to jobs, both read in one pass."""
        others = max(0, level.used_bytes - attributed)
        self._fade(now, others)
        self._unattributed = others - self.ghost_bytes
        self._cut_back()
        self._settle(now, level.capacity_bytes)
        self.external_bytes = max(0, self._unattributed - self.credited_bytes)
        self._window.add(now, self.external_bytes)

    def _fade(self, now: float, others: int) -> None:
        """Ghosts fall as use falls, the oldest first, and are external use like any other when their time is up."""
        if not self._ghosts:
            return
        over = sum(ghost.amount for ghost in self._ghosts if ghost.until <= now)
        if over:
            self._ghosts = [ghost for ghost in self._ghosts if ghost.until > now]
            self._unattributed += over
            for claim in self._claims.values():
                # That growth is no running job's.
                claim.use_then += over
        left = max(0, others - self._unattributed)
        for ghost in reversed(self._ghosts):
            ghost.amount = min(ghost.amount, left)
            left -= ghost.amount
        self._ghosts = [ghost for ghost in self._ghosts if ghost.amount]
        self.ghost_bytes = sum(ghost.amount for ghost in self._ghosts)

    # --- jobs with known processes ---

    def expect(self, group: str, bytes_before: int, now: float) -> None:
        """A group begins whose processes are known and will be read."""
        returning = sum(ghost.amount for ghost in self._ghosts if ghost.group == group)
        self._expected[group] = Expected(
            since=now,
            external_then=self.external_bytes,
            bytes_before=bytes_before,
            seen_since=-inf,
            returning=returning,
        )

    def expect_running(self, group: str, now: float) -> None:
        """A group has run for long when this level is first seen: all that it uses is in what was just read."""
        self._expected[group] = Expected(
            since=now, external_then=self.external_bytes, bytes_before=inf, seen_since=now, returning=0
        )

    def attribute(self, group: str, bytes_first: int) -> None:
        """It was read for the first time: what it used before its grant, and since, was not external use."""
        expected = self._expected.pop(group, None)
        if expected is None:
            return
        seen = max(0, bytes_first - expected.returning)
        before = int(min(seen, max(0, expected.bytes_before - expected.returning)))
        floor = max(0, expected.external_then - before)
        self._window.correct(before, since=expected.seen_since, floor=floor)
        self._window.correct(seen - before, since=expected.since, floor=floor)

    def dismiss(self, group: str, now: float, amount: int) -> None:
        """The group's last job ended; what it used is in use until it is seen to be given back, for a while."""
        self._expected.pop(group, None)
        self._haunt(now, amount, group)

    def _haunt(self, now: float, amount: int, group: str | None = None) -> None:
        if amount > 0:
            self._ghosts.append(Ghost(group=group, amount=amount, until=now + GHOST_SECONDS))
            self.ghost_bytes += amount

    # --- jobs with unknown processes ---

    def claim(self, fence: int, declared: int, now: float) -> None:
        """A job begins of which nothing can be read."""
        self._claims[fence] = Claim(now, self._unattributed, self.external_bytes, declared)

    def redeclare(self, fence: int, declared: int, now: float) -> None:
        """It declares another amount; what it was credited beyond that is a ghost now."""
        claim = self._claims.get(fence)
        if claim is not None:
            claim.declared = declared
            self._take_credit(claim, max(0, claim.credit - declared), now)

    def disclaim(self, fence: int, now: float) -> bool:
        """It ended: its credit is a ghost now. True if it had any."""
        claim = self._claims.pop(fence, None)
        if claim is None or not claim.credit:
            return False
        self._take_credit(claim, claim.credit, now)
        return True

    def _take_credit(self, claim: Claim, amount: int, now: float) -> None:
        """It is in use until it is seen to be given back."""
        claim.credit -= amount
        self.credited_bytes -= amount
        self._unattributed -= amount
        self._haunt(now, amount)

    def ready(self, fence: int) -> None:
        """It says that it uses what it will use: growth since its grant is its own, each byte credited once."""
        claim = self._claims.get(fence)
        if claim is None:
            return
        claim.settled = True
        # Each byte is credited once: of what grew since a job began, later ones may have had their part.
        earned = claim.declared - claim.credit
        for other in self._claims.values():
            if other is claim or (other.credit and other.since <= claim.since):
                grown = self._unattributed - other.use_then
                earned = min(earned, grown - self._credited_since(other.since))
        if earned > 0:
            claim.credit += earned
            self.credited_bytes += earned
            self._window.correct(earned, since=claim.since, floor=claim.external_then)
            self.external_bytes = max(0, self._unattributed - self.credited_bytes)

    def _credited_since(self, since: float) -> int:
        return sum(claim.credit for claim in self._claims.values() if claim.since >= since)

    def _cut_back(self) -> None:
        """Use fell: for every credited job, what it and later ones were credited is no more than grew since."""
        if not self.credited_bytes:
            return
        newer = 0
        for claim in sorted(self._claims.values(), key=lambda each: -each.since):
            if claim.credit:
                claim.credit = max(0, min(claim.credit, self._unattributed - claim.use_then - newer))
                newer += claim.credit
        self.credited_bytes = newer

    def _settle(self, now: float, capacity_bytes: int) -> None:
        """The gate: the only unsettled job earns what grew, once use has been flat for two seconds."""
        unsettled = [(fence, claim) for fence, claim in self._claims.items() if not claim.settled]
        if not unsettled:
            self._recent.clear()
            return
        self._recent.append((now, self._unattributed))
        while len(self._recent) > 1 and self._recent[1][0] <= now - FLAT_SECONDS:
            self._recent.pop(0)
        for _, claim in unsettled:
            claim.settled = now - claim.since >= SETTLING_SECONDS and self._unattributed <= claim.use_then
        if len(unsettled) != 1 or now - unsettled[0][1].since < FLAT_SECONDS:
            return
        values = [value for _, value in self._recent]
        flat = now - self._recent[0][0] >= FLAT_SECONDS and max(values) - min(values) <= FLAT_SHARE * capacity_bytes
        if flat and self._unattributed > unsettled[0][1].use_then:
            self.ready(unsettled[0][0])
