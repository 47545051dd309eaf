"""The peers: who starts next under no throttling, the guide's algorithm, reservations, and free minus predicted.

Owns what every policy is asked (`Policy`) and the simple ones; ours is in `ours.py`. A policy decides: it starts
and measures nothing. Lines are looked at after everything that happens and on every tick, so that nobody is slow
for want of being asked.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from aura_actors.domain.attribution import GroupUse
from aura_actors.domain.needs import ProcessIdentity
from benchmarks.throttle.scenario import Room

GUIDE_MAX_JOBS = 10

Measure = Callable[[], int]
"""Bytes in use now, of everybody: read only by those who ask for it."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A job that wants to start. Policies see what it reserves, never what it will use."""

    id: str
    kind: str
    reserve_bytes: int
    cores: float = 0.0
    process: ProcessIdentity | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look: what is in use of the shared memory, and by whose processes, read in one pass."""

    taken_at: float
    used_bytes: int
    groups: tuple[GroupUse, ...]


class Policy(Protocol):
    """Decides who starts. Times are seconds of the run."""

    look_seconds: float | None
    """How often it wants a reading; None: never."""
    looks_after_ends: bool
    """Whether it wants one too when somebody has ended while others wait."""

    def arrive(self, ask: Ask, now: float) -> None:
        """Somebody wants to start."""
        ...

    def look(self, reading: Reading) -> None:
        """Take in a reading."""
        ...

    def ended(self, job: str, now: float, *, crashed: bool) -> None:
        """A job ended; `crashed`: its client went with it and gave nothing back."""
        ...

    def starts(self, now: float, measure: Measure) -> list[str]:
        """Those who start now, in order."""
        ...

    def fence(self, job: str) -> int:
        """Under which number its use is read; 0 where nobody asks."""
        ...


class Line:
    """A line of those who wait, looked through in order of arrival."""

    look_seconds: float | None = None
    looks_after_ends = False
    passing = False
    """Whether one that does not fit lets others by."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.waiting: dict[str, Ask] = {}
        self.running: dict[str, Ask] = {}

    def arrive(self, ask: Ask, now: float) -> None:
        """The end of the line."""
        self.waiting[ask.id] = ask

    def look(self, reading: Reading) -> None:
        """Nobody here looks."""

    def ended(self, job: str, now: float, *, crashed: bool) -> None:
        """Its reservation ends with its process: the peers have leases too, as far as this goes."""
        del self.running[job]

    def starts(self, now: float, measure: Measure) -> list[str]:
        """Everybody who fits, up to the first who does not unless passing is allowed."""
        started: list[str] = []
        for ask in list(self.waiting.values()):
            if self.fits(ask, measure):
                self.running[ask.id] = self.waiting.pop(ask.id)
                started.append(ask.id)
            elif not self.passing:
                break
        return started

    def fits(self, ask: Ask, measure: Measure) -> bool:
        """Whether it may start now."""
        raise NotImplementedError

    def fence(self, job: str) -> int:
        """Nobody asks."""
        return 0

    @property
    def reserved_bytes(self) -> int:
        """Of all who run."""
        return sum(ask.reserve_bytes for ask in self.running.values())


class Unthrottled(Line):
    """Everybody starts at once."""

    def fits(self, ask: Ask, measure: Measure) -> bool:
        """Always."""
        return True


class Guide(Line):
    """The guide's throttler as it is: a request against what is free *now*, and ten job slots.

    What was granted and has not grown yet is not subtracted; a client that crashes keeps its slot for ever; those
    who are denied come back in any order. It samples for every request, as the original does.
    """

    passing = True

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.slots = GUIDE_MAX_JOBS

    def fits(self, ask: Ask, measure: Measure) -> bool:
        """A slot, and enough that is not in use at this moment."""
        if len(self.running) >= self.slots:
            return False
        return self.room.allowed_bytes - measure() >= ask.reserve_bytes

    def ended(self, job: str, now: float, *, crashed: bool) -> None:
        """Only a client gives a slot back."""
        super().ended(job, now, crashed=crashed)
        self.slots -= crashed


class Reservation(Line):
    """The sum of what was declared, first come first served; blind to what is really used."""

    def fits(self, ask: Ask, measure: Measure) -> bool:
        """Within what was promised to nobody."""
        return self.reserved_bytes + ask.reserve_bytes <= self.room.allowed_bytes


class FirstFit(Reservation):
    """The same, and whoever fits passes."""

    passing = True


class FreeMinusPredicted(Line):
    """ollama's: `min(free, limit - sum of predictions)`, in order. What strangers use counts where it is more."""

    def fits(self, ask: Ask, measure: Measure) -> bool:
        """Within the smaller of both."""
        taken = max(measure(), self.reserved_bytes)
        return self.room.allowed_bytes - taken >= ask.reserve_bytes
