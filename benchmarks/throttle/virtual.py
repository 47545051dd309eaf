"""Virtual time: the same jobs, decisions and readings without a process, exact and the same on every machine.

Owns the simulation of memory: it is taken in steps of 16 MiB over the ramp, as the real job takes it, and whoever
asks for more than there is makes the kernel kill the largest process, which need not be the one who asked.
"""

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count

import msgspec

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.attribution import GroupUse
from aura_actors.domain.needs import ProcessIdentity
from benchmarks.throttle.conductor import Conductor
from benchmarks.throttle.outcome import Fate, Outcome
from benchmarks.throttle.policies import Reading
from benchmarks.throttle.scenario import MIB, Scenario
from benchmarks.throttle.variants import Variant
from benchmarks.throttle.workload import Job, Visit, draw

STEP_BYTES = 16 * MIB
PATIENCE_SECONDS = 180.0
"""When nobody runs and nobody comes for so long, whoever waits is stuck."""
CORES = 64
"""The simulated machine has as many as anybody asks for here; processors are not simulated."""


class Process(msgspec.Struct):
    """Memory that somebody holds."""

    name: str
    pid: int
    uses_bytes: int
    ramp_seconds: float
    job: Job | None
    limit_bytes: int | None = None
    held_bytes: int = 0
    peak_bytes: int = 0


class Play:
    """One run. Events are (time, order of entry, what to do)."""

    def __init__(self, scenario: Scenario, variant: Variant, seed: int) -> None:
        self.workload = draw(scenario, seed)
        self.room = self.workload.room
        policy = variant.make(self.room, MACHINE, CORES)
        self.conductor = Conductor(scenario.name, variant, self.workload, policy)
        self.now = 0.0
        self.used_bytes = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._pids = count(1000)
        self._processes: dict[str, Process] = {}
        self._to_come = len(self.workload.jobs)
        self._moved_at = 0.0

    def run(self) -> Outcome:
        """To the end."""
        for visit in self.workload.visits:
            self._at(visit.from_seconds, partial(self._come, visit))
        self._at(0.0, self._tick)
        for job in self.workload.jobs:
            self._at(job.arrives_at, partial(self._arrive, job))
        while self._events and not self._over():
            self.now, _, act = heappop(self._events)
            act()
            self._start()
        return self.conductor.outcome(self.now, "virtual")

    def _over(self) -> bool:
        if self._to_come or self.conductor.running:
            return False
        return not self.conductor.waiting or self.now - self._moved_at > PATIENCE_SECONDS

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heappush(self._events, (when, next(self._numbers), act))

    # --- jobs ---

    def _arrive(self, job: Job) -> None:
        self._to_come -= 1
        self._moved_at = self.now
        process = ProcessIdentity(pid=next(self._pids), start_ticks=0)
        self.conductor.arrive(job, self.now, process)

    def _start(self) -> None:
        for job in self.conductor.starts(self.now, lambda: self.used_bytes):
            self._moved_at = self.now
            identity = self.conductor.going[job.id].ask.process
            assert identity is not None, "every simulated job has one"
            process = Process(
                name=job.id,
                pid=identity.pid,
                uses_bytes=job.uses_bytes,
                ramp_seconds=job.ramp_seconds,
                job=job,
                limit_bytes=self.conductor.limit_bytes(job.id),
            )
            self._begin(process)
            self._at(self.now + job.runtime_seconds, partial(self._end, process, "finished"))
            if job.crashes_after is not None:
                self._at(self.now + job.crashes_after, partial(self._end, process, "crashed"))

    def _end(self, process: Process, fate: Fate) -> None:
        if self._processes.get(process.name) is not process:
            return
        del self._processes[process.name]
        self._use(-process.held_bytes)
        self._moved_at = self.now
        job = process.job
        if job is None:
            self.conductor.hogs_killed += fate != "finished"
            return
        if self.conductor.ended(job.id, self.now, fate, process.peak_bytes, process.pid):
            self._to_come += 1
            self._at(self.now, partial(self._arrive, job))
        if self.conductor.policy.looks_after_ends and self.conductor.waiting:
            self._look()

    # --- others ---

    def _come(self, visit: Visit) -> None:
        process = Process(
            name=visit.name,
            pid=next(self._pids),
            uses_bytes=visit.uses_bytes,
            ramp_seconds=visit.ramp_seconds,
            job=None,
        )
        self.conductor.visited(visit, self.now, here=True)
        self._begin(process)
        self._at(visit.until_seconds, partial(self._go, visit, process))

    def _go(self, visit: Visit, process: Process) -> None:
        self.conductor.visited(visit, self.now, here=False)
        self._end(process, "finished")

    # --- memory ---

    def _begin(self, process: Process) -> None:
        self._processes[process.name] = process
        steps = max(1, -(-process.uses_bytes // STEP_BYTES))
        for step in range(steps):
            amount = min(STEP_BYTES, process.uses_bytes - step * STEP_BYTES)
            self._at(self.now + process.ramp_seconds * step / steps, partial(self._grow, process, amount))

    def _grow(self, process: Process, amount: int) -> None:
        if self._processes.get(process.name) is not process:
            return
        if process.limit_bytes is not None and process.held_bytes + amount > process.limit_bytes:
            self._end(process, "capped")
            return
        while self.used_bytes + amount > self.room.limit_bytes:
            victim = max(self._processes.values(), key=lambda each: (each.held_bytes, each.pid))
            self._end(victim, "killed")
            if victim is process:
                return
        process.held_bytes += amount
        process.peak_bytes = max(process.peak_bytes, process.held_bytes)
        self._use(amount)

    def _use(self, change: int) -> None:
        self.used_bytes += change
        self.conductor.used(self.now, self.used_bytes)

    # --- readings ---

    def _tick(self) -> None:
        """Every second: those who look once a second look, and those who poll are asked again."""
        if self.conductor.policy.look_seconds is not None:
            self._look()
        self._at(self.now + (self.conductor.policy.look_seconds or 1.0), self._tick)

    def _look(self) -> None:
        groups = tuple(
            GroupUse(
                leases=(self.conductor.policy.fence(process.name),),
                source="tree",
                used_bytes=process.held_bytes,
                least_bytes=process.held_bytes,
                most_bytes=process.held_bytes,
                cpu_seconds_total=0.0,
                processes=1,
                pids=(process.pid,),
            )
            for process in self._processes.values()
            if process.job is not None
        )
        self.conductor.look(Reading(taken_at=self.now, used_bytes=self.used_bytes, groups=groups))


def play(scenario: Scenario, variant: Variant, seed: int) -> Outcome:
    """One run in virtual time."""
    return Play(scenario, variant, seed).run()
