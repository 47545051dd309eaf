"""One run of one policy: who waits, who runs, and what each event means for the policy and for the record.

Owns the run's books, and is the same for virtual time and for real processes, so that both are measured alike.
Refuses to know how memory is taken and by whom.
"""

import msgspec

from aura_actors.domain.learning import Learning, Run
from aura_actors.domain.needs import ProcessIdentity
from benchmarks.throttle.outcome import KILLED, Attempt, Backend, Evidence, Fate, Outcome
from benchmarks.throttle.policies import Ask, Measure, Policy, Reading
from benchmarks.throttle.truth import Truth
from benchmarks.throttle.variants import TRIES, Variant
from benchmarks.throttle.workload import Job, Visit, Workload


class Going(msgspec.Struct):
    """A job that waits or runs."""

    job: Job
    ask: Ask
    arrived_at: float
    started_at: float | None = None


class Conductor:
    """Told what happens, in order of time; says who starts."""

    def __init__(self, scenario: str, variant: Variant, workload: Workload, policy: Policy) -> None:
        self.policy = policy
        self.variant = variant
        self.workload = workload
        self.truth = Truth(workload.room)
        self.going: dict[str, Going] = {}
        self.attempts: list[Attempt] = []
        self.hogs_killed = 0
        self._scenario = scenario
        self.used_bytes = 0
        """At the last look at it."""
        self._memory: list[tuple[float, int]] = []
        self._integral = 0.0
        self._peak = 0
        self._tries: dict[str, int] = {}
        self._arrived: dict[str, float] = {}
        self._learning = Learning()
        if variant.auto:
            for past in workload.past:
                self._learning.finished(past.kind, Run(past.peak_bytes, past.runtime_seconds))

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(going.started_at is None for going in self.going.values())

    @property
    def running(self) -> int:
        """How many run."""
        return len(self.going) - self.waiting

    def fates(self) -> dict[str, int]:
        """How many attempts ended how."""
        return {fate: sum(each.fate == fate for each in self.attempts) for fate in ("finished", "killed", "capped")}

    def reserve_bytes(self, job: Job) -> int:
        """What it asks for."""
        if not self.variant.auto:
            return job.declared_bytes
        learned_bytes = self._learning.reserve_bytes(job.kind, job.declared_bytes) or job.declared_bytes
        return min(learned_bytes, self.workload.room.allowed_bytes)

    def limit_bytes(self, job: str) -> int | None:
        """Its hard limit."""
        return self.variant.limit_bytes(self.going[job].ask.reserve_bytes)

    def arrive(self, job: Job, now: float, process: ProcessIdentity | None) -> None:
        """It asks."""
        ask = Ask(id=job.id, kind=job.kind, reserve_bytes=self.reserve_bytes(job), cores=job.cores, process=process)
        self._arrived.setdefault(job.id, now)
        self.going[job.id] = Going(job, ask, now)
        self.truth.arrived(job, now)
        self.policy.arrive(ask, now)

    def starts(self, now: float, measure: Measure) -> list[Job]:
        """Those who start now."""
        started = [self.going[name] for name in self.policy.starts(now, measure)]
        for going in started:
            going.started_at = now
            self.truth.started(going.job, now, self.limit_bytes(going.job.id))
        return [going.job for going in started]

    def ended(self, job: str, now: float, fate: Fate, peak_bytes: int, pid: int = 0) -> bool:
        """It is over; True if it is to come again."""
        going = self.going.pop(job)
        assert going.started_at is not None, "what ends has started"
        self.attempts.append(
            Attempt(
                job=job,
                pid=pid,
                arrived_at=going.arrived_at,
                started_at=going.started_at,
                ended_at=now,
                peak_bytes=peak_bytes,
                fate=fate,
                lies=going.job.lies,
            )
        )
        self.truth.ended(job, now)
        self.policy.ended(job, now, crashed=fate == "crashed")
        if fate == "finished":
            self._learning.finished(going.job.kind, Run(peak_bytes, now - going.started_at))
        elif fate in KILLED:
            self._learning.killed(going.job.kind, going.ask.reserve_bytes)
        self._tries[job] = self._tries.get(job, 0) + 1
        return self.variant.retry and fate in KILLED and self._tries[job] < TRIES

    def look(self, reading: Reading) -> None:
        """A reading for the policy."""
        self.policy.look(reading)

    def visited(self, visit: Visit, now: float, *, here: bool) -> None:
        """A hog came or went."""
        self.truth.visited(visit.name, visit.uses_bytes if here else 0, now)

    def used(self, now: float, used_bytes: int, steps: float = 0.2) -> None:
        """So much is in use from now on; kept no finer than `steps` seconds."""
        self.used_bytes = used_bytes
        if self._memory:
            at, before = self._memory[-1]
            self._integral += before * max(0.0, now - max(at, self.workload.begins_at))
            self._peak = max(self._peak, used_bytes)
            if now - at < steps and len(self._memory) > 1 and at - self._memory[-2][0] < steps:
                self._memory.pop()
        self._memory.append((now, used_bytes))

    def outcome(
        self, now: float, backend: Backend, evidence: Evidence | None = None, peak_bytes: int = 0
    ) -> Outcome:
        """What came of it."""
        self.truth.finish(now)
        by_id = {job.id: job for job in self.workload.jobs}
        last = {attempt.job: attempt for attempt in self.attempts}
        ends_at = max((attempt.ended_at for attempt in self.attempts), default=now)
        makespan = max(ends_at - self.workload.begins_at, 1e-9)
        capacity = self.workload.room.limit_bytes * makespan
        lost = [job for job in by_id.values() if job.id not in last or last[job.id].fate in KILLED]
        kills = [attempt for attempt in self.attempts if attempt.fate in KILLED]
        done = [by_id[name] for name, attempt in last.items() if attempt.fate == "finished"]
        largest = max(job.declared_bytes for job in by_id.values())
        waits = {name: attempt.started_at - self._arrived[name] for name, attempt in last.items()}
        waits_of_largest = [waits[name] for name in waits if by_id[name].declared_bytes == largest]
        return Outcome(
            scenario=self._scenario,
            policy=self.variant.name,
            seed=self.workload.seed,
            backend=backend,
            jobs=len(by_id),
            finished=len(done),
            lost=len(lost),
            lost_honest=sum(not job.lies for job in lost),
            crashed=sum(attempt.fate == "crashed" for attempt in last.values()),
            stuck=self.waiting,
            oom_kills=len(kills),
            oom_kills_honest=sum(not attempt.lies for attempt in kills),
            hogs_killed=self.hogs_killed,
            makespan_seconds=makespan,
            utilisation=self._integral / capacity,
            useful_utilisation=sum(job.byte_seconds for job in done) / capacity,
            peak_bytes=max(peak_bytes, self._peak),
            waits_seconds=tuple(sorted(waits.values())),
            max_wait_of_largest_seconds=max(waits_of_largest, default=0.0),
            overcommitted_seconds=self.truth.overcommitted_seconds,
            false_denials=self.truth.false_denials,
            freed_to_granted_seconds=tuple(self.truth.freed_to_granted),
            attempts=tuple(self.attempts),
            memory=tuple(self._memory),
            evidence=evidence,
        )
