"""The jobs of one scenario under one seed: every policy sees exactly these, at exactly these times.

Owns all chance of the harness. Knows no policy and no clock.
"""

from collections.abc import Iterator
from random import Random

import msgspec

from benchmarks.throttle.scenario import MIB, Arrivals, Crashes, Kind, Lies, Room, Scenario


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one job does, and what it says."""

    id: str
    kind: str
    arrives_at: float
    """Seconds from the start of the run."""
    declared_bytes: int
    uses_bytes: int
    ramp_seconds: float
    hold_seconds: float
    cores: float = 0.0
    crashes_after: float | None = None
    """Seconds from its start."""

    @property
    def lies(self) -> bool:
        """Whether it uses more than it declares."""
        return self.uses_bytes > self.declared_bytes

    @property
    def runtime_seconds(self) -> float:
        """How long it runs when nothing happens to it."""
        return self.ramp_seconds + self.hold_seconds

    @property
    def byte_seconds(self) -> float:
        """Memory times time of a whole run: half of it over the ramp."""
        return self.uses_bytes * (self.ramp_seconds / 2 + self.hold_seconds)


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One appearance of a hog."""

    name: str
    uses_bytes: int
    ramp_seconds: float
    from_seconds: float
    until_seconds: float


class Past(msgspec.Struct, frozen=True):
    """One run of a kind before this one."""

    kind: str
    peak_bytes: int
    runtime_seconds: float


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happens, whatever is decided."""

    seed: int
    room: Room
    jobs: tuple[Job, ...]
    visits: tuple[Visit, ...]
    past: tuple[Past, ...]

    @property
    def begins_at(self) -> float:
        """When the first job comes."""
        return min(job.arrives_at for job in self.jobs)


def draw(scenario: Scenario, seed: int) -> Workload:
    """The same for the same arguments, on every machine."""
    chance = Random(f"{scenario.name}/{seed}")
    times = list(_times(scenario.arrivals, chance))
    kinds = _kinds(scenario.kinds, len(times), chance)
    jobs = [
        _job(f"job-{number}", kind, at, chance) for number, (kind, at) in enumerate(zip(kinds, times, strict=True))
    ]
    jobs = _lying(jobs, scenario.lies, chance)
    jobs = _crashing(jobs, scenario.crashes, chance)
    visits = tuple(
        Visit(
            name=f"hog-{number}",
            uses_bytes=hog.memory_mib * MIB,
            ramp_seconds=hog.ramp_seconds,
            from_seconds=hog.from_seconds,
            until_seconds=hog.until_seconds,
        )
        for number, hog in enumerate(scenario.hogs)
    )
    past = tuple(
        Past(kind.name, job.uses_bytes, job.runtime_seconds)
        for kind in scenario.kinds
        for job in (_job("past", kind, 0.0, chance) for _ in range(kind.history_runs))
    )
    return Workload(seed=seed, room=scenario.room, jobs=tuple(jobs), visits=visits, past=past)


def _times(arrivals: Arrivals, chance: Random) -> Iterator[float]:
    at = arrivals.from_seconds
    if arrivals.process == "trace":
        yield from sorted(at + seconds for seconds in arrivals.times_seconds)
        return
    for number in range(arrivals.count):
        if arrivals.process == "poisson":
            at += chance.expovariate(arrivals.rate_per_second)
        elif arrivals.process == "bursts" and number and number % arrivals.burst == 0:
            at += arrivals.every_seconds
        yield at


def _kinds(kinds: tuple[Kind, ...], count: int, chance: Random) -> list[Kind]:
    """One for each arrival."""
    free = [kind for kind in kinds if kind.count is None]
    drawn: list[Kind | None] = [None] * count
    for kind in kinds:
        for number in range(kind.count or 0):
            place = int((number + 0.5) * count / (kind.count or 1))
            drawn[place] = kind
    weights = [kind.weight for kind in free]
    return [kind or chance.choices(free, weights)[0] for kind in drawn]


def _job(name: str, kind: Kind, at: float, chance: Random) -> Job:
    declared_bytes = chance.choice(kind.declared_mib) * MIB
    return Job(
        id=name,
        kind=kind.name,
        arrives_at=at,
        declared_bytes=declared_bytes,
        uses_bytes=int(declared_bytes * chance.uniform(*kind.uses)),
        ramp_seconds=kind.ramp_seconds,
        hold_seconds=chance.uniform(*kind.hold_seconds),
        cores=kind.cores,
    )


def _lying(jobs: list[Job], lies: Lies, chance: Random) -> list[Job]:
    liars = set(chance.sample(range(len(jobs)), round(lies.share * len(jobs))))
    return [
        msgspec.structs.replace(job, uses_bytes=int(job.declared_bytes * lies.factor)) if number in liars else job
        for number, job in enumerate(jobs)
    ]


def _crashing(jobs: list[Job], crashes: Crashes, chance: Random) -> list[Job]:
    doomed = set(chance.sample(range(len(jobs)), round(crashes.share * len(jobs))))
    return [
        msgspec.structs.replace(job, crashes_after=job.runtime_seconds * chance.uniform(0.2, 0.9))
        if number in doomed
        else job
        for number, job in enumerate(jobs)
    ]
