"""What came of one run, and of several: the figures of a policy under one seed, and their medians.

Owns these shapes and the arithmetic. Nothing here ran anything.
"""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from aura_actors.domain.learning import percentile

Fate = Literal["finished", "killed", "capped", "crashed"]
"""`killed`: by the kernel, for want of memory in the group; `capped`: at its own limit."""


KILLED: tuple[Fate, ...] = ("killed", "capped")
Backend = Literal["virtual", "real", "server"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One process of one job. In JSON a list, in the order of `ATTEMPT_FIELDS`."""

    job: str
    pid: int
    arrived_at: float
    started_at: float
    ended_at: float
    peak_bytes: int
    fate: Fate
    lies: bool


ATTEMPT_FIELDS = Attempt.__struct_fields__


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """A memory control group as the kernel counts it."""

    oom_kills: int
    limit_hits: int
    used_bytes: int
    machine_oom_kills: int
    """Of the whole machine, with everybody else on it."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run with real processes."""

    cgroup: str
    """Below the group that the harness ran in."""
    before: Counters
    after: Counters
    load_average: float
    """Of the machine, over the last minute, at the end: others were there too."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One policy, one seed. Seconds and bytes; waits are from arrival to the last start of a job."""

    scenario: str
    policy: str
    seed: int
    backend: Backend
    jobs: int
    finished: int
    lost: int
    """Killed and not tried again, and never started."""
    lost_honest: int
    """Of those, jobs that kept to what they declared."""
    crashed: int
    stuck: int
    """Still waiting when nothing moved any more."""
    oom_kills: int
    """Of all attempts, at a limit of their own or of all."""
    oom_kills_honest: int
    hogs_killed: int
    makespan_seconds: float
    utilisation: float
    """Memory in use over the limit, averaged over the makespan."""
    useful_utilisation: float
    """The same, of jobs that finished."""
    peak_bytes: int
    waits_seconds: tuple[float, ...]
    """Of every job that started, ascending."""
    max_wait_of_largest_seconds: float
    overcommitted_seconds: float
    false_denials: int
    freed_to_granted_seconds: tuple[float, ...]
    attempts: tuple[Attempt, ...]
    memory: tuple[tuple[float, int], ...]
    """What was in use, over time."""
    evidence: Evidence | None = None

    @property
    def max_wait_seconds(self) -> float:
        """The longest."""
        return max(self.waits_seconds, default=0.0)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One policy over all seeds: medians; kills, losses and overcommitment are the worst of any seed."""

    scenario: str
    policy: str
    backend: str
    seeds: int
    jobs: int
    lost: float
    lost_worst: int
    lost_honest_worst: int
    oom_kills: float
    oom_kills_worst: int
    oom_kills_honest_worst: int
    hogs_killed: int
    stuck: int
    makespan_seconds: float
    makespan_range_seconds: tuple[float, float]
    utilisation: float
    useful_utilisation: float
    wait_p50_seconds: float
    wait_p99_seconds: float
    wait_max_seconds: float
    wait_max_of_largest_seconds: float
    overcommitted_seconds: float
    false_denials: float
    freed_to_granted_p50_seconds: float
    freed_to_granted_p99_seconds: float
    freed_to_granted_max_seconds: float


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Of one policy in one scenario."""
    first = outcomes[0]
    freed = [seconds for outcome in outcomes for seconds in outcome.freed_to_granted_seconds]
    waits = [outcome.waits_seconds for outcome in outcomes]
    makespans = [outcome.makespan_seconds for outcome in outcomes]
    return Summary(
        scenario=first.scenario,
        policy=first.policy,
        backend=first.backend,
        seeds=len(outcomes),
        jobs=first.jobs,
        lost=statistics.median(outcome.lost for outcome in outcomes),
        lost_worst=max(outcome.lost for outcome in outcomes),
        lost_honest_worst=max(outcome.lost_honest for outcome in outcomes),
        oom_kills=statistics.median(outcome.oom_kills for outcome in outcomes),
        oom_kills_worst=max(outcome.oom_kills for outcome in outcomes),
        oom_kills_honest_worst=max(outcome.oom_kills_honest for outcome in outcomes),
        hogs_killed=sum(outcome.hogs_killed for outcome in outcomes),
        stuck=max(outcome.stuck for outcome in outcomes),
        makespan_seconds=statistics.median(makespans),
        makespan_range_seconds=(min(makespans), max(makespans)),
        utilisation=statistics.median(outcome.utilisation for outcome in outcomes),
        useful_utilisation=statistics.median(outcome.useful_utilisation for outcome in outcomes),
        wait_p50_seconds=statistics.median(percentile(each, 50) or 0.0 for each in waits),
        wait_p99_seconds=statistics.median(percentile(each, 99) or 0.0 for each in waits),
        wait_max_seconds=statistics.median(outcome.max_wait_seconds for outcome in outcomes),
        wait_max_of_largest_seconds=statistics.median(outcome.max_wait_of_largest_seconds for outcome in outcomes),
        overcommitted_seconds=max(outcome.overcommitted_seconds for outcome in outcomes),
        false_denials=statistics.median(outcome.false_denials for outcome in outcomes),
        freed_to_granted_p50_seconds=percentile(freed, 50) or 0.0,
        freed_to_granted_p99_seconds=percentile(freed, 99) or 0.0,
        freed_to_granted_max_seconds=max(freed, default=0.0),
    )


def ratio(ours: Sequence[Outcome], peers: Sequence[Outcome], figure: str) -> float | None:
    """Median over the seeds that both ran; None without any."""
    theirs = {outcome.seed: float(getattr(outcome, figure)) for outcome in peers}
    pairs = [(float(getattr(outcome, figure)), theirs[outcome.seed]) for outcome in ours if outcome.seed in theirs]
    return statistics.median(mine / other for mine, other in pairs) if pairs and all(b for _, b in pairs) else None
