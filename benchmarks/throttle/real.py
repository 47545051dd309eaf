"""Real processes in a real memory control group: the kernel grants, counts and kills.

Owns the run: jobs that are started and seen to end, hogs, and readings by the real attribution. Every process
exists from its arrival on and waits on a pipe, as a wrapper's child would, so that it is known when it asks. Which
policy decides it does not know.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from aura_actors.collectors.attribution import Attribution
from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat
from aura_actors.domain.attribution import Root
from aura_actors.domain.needs import ProcessIdentity
from benchmarks.throttle.conductor import Conductor
from benchmarks.throttle.outcome import Evidence, Fate, Outcome
from benchmarks.throttle.policies import Reading
from benchmarks.throttle.sandbox import Cell, NotPermitted, Sandbox
from benchmarks.throttle.scenario import MIB, Scenario
from benchmarks.throttle.variants import Variant
from benchmarks.throttle.workload import Job, Visit, draw

TICK_SECONDS = 0.05
SETTLE_SECONDS = 0.02
"""From an end to the look at what it gave back."""
PATIENCE_SECONDS = 90.0
HERE = Path(__file__).parent

Command = list[str]


@contextlib.contextmanager
def job_program() -> Iterator[Command]:
    """The job, compiled; in Python where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield [sys.executable, "-S", str(HERE / "job.py")]
        return
    with TemporaryDirectory(prefix="aura-throttle-") as folder:
        program = Path(folder) / "job"
        subprocess.run([compiler, "-O2", "-o", str(program), str(HERE / "job.c")], check=True)
        yield [str(program)]


class Live(msgspec.Struct, eq=False):
    """A process that exists."""

    name: str
    process: "subprocess.Popen[bytes]"
    pidfd: int
    cell: Cell
    job: Job | None
    identity: ProcessIdentity
    limit_bytes: int | None = None

    def go(self) -> None:
        """Let it take its memory."""
        pipe: IO[bytes] | None = self.process.stdin
        assert pipe is not None, "it was opened with one"
        with contextlib.suppress(BrokenPipeError), pipe:
            pipe.write(b".")


class Play:
    """One run."""

    def __init__(self, scenario: Scenario, variant: Variant, seed: int, sandbox: Sandbox, program: Command) -> None:
        self.workload = draw(scenario, seed)
        policy = variant.make(self.workload.room, str(sandbox.path), os.cpu_count() or 1)
        self.conductor = Conductor(scenario.name, variant, self.workload, policy)
        self._sandbox = sandbox
        self._program = program
        self._live: dict[int, Live] = {}
        """By the descriptor that tells its end."""
        self._by_name: dict[str, Live] = {}
        self._poll = select.poll()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._to_come = len(self.workload.jobs)
        self._look_due = False
        self._attribution = Attribution(self._roots)
        self._begun_at = time.monotonic()
        self._moved_at = 0.0

    @property
    def now(self) -> float:
        """Seconds of the run."""
        return time.monotonic() - self._begun_at

    def run(self, progress: Callable[[Conductor, float], None]) -> Outcome:
        """To the end; `progress` is told on every tick."""
        before = self._sandbox.counters()
        for visit in self.workload.visits:
            self._at(visit.from_seconds, partial(self._come, visit))
        self._at(0.0, self._tick)
        for job in self.workload.jobs:
            self._at(job.arrives_at, partial(self._arrive, job))
        self._begun_at = time.monotonic()
        try:
            while not self._over():
                self._turn()
                progress(self.conductor, self.now)
        finally:
            self._end_all()
        evidence = Evidence(
            cgroup=self._sandbox.name,
            before=before,
            after=self._sandbox.counters(),
            load_average=os.getloadavg()[0],
        )
        return self.conductor.outcome(self.now, "real", evidence, self._sandbox.peak_bytes)

    def _over(self) -> bool:
        if self._to_come or self.conductor.running:
            return False
        return not self.conductor.waiting or self.now - self._moved_at > PATIENCE_SECONDS

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heappush(self._events, (when, next(self._numbers), act))

    def _turn(self) -> None:
        """Wait for something to happen, at most a tick; then see who starts."""
        wait_seconds = min(TICK_SECONDS, max(0.0, self._events[0][0] - self.now)) if self._events else TICK_SECONDS
        for descriptor, _ in self._poll.poll(wait_seconds * 1000):
            self._reap(self._live[descriptor])
        while self._events and self._events[0][0] <= self.now:
            heappop(self._events)[2]()
        self.conductor.used(self.now, self._sandbox.used_bytes())
        for job in self.conductor.starts(self.now, self._sandbox.used_bytes):
            self._moved_at = self.now
            self._by_name[job.id].go()

    # --- coming and going ---

    def _arrive(self, job: Job) -> None:
        self._to_come -= 1
        self._moved_at = self.now
        program = (job.uses_bytes, job.ramp_seconds, job.hold_seconds, job.crashes_after or 0)
        live = self._spawn(job.id, program, job)
        self.conductor.arrive(job, self.now, live.identity)
        live.limit_bytes = self.conductor.limit_bytes(job.id)
        live.cell.enter(live.process.pid, live.limit_bytes)

    def _come(self, visit: Visit) -> None:
        hold_seconds = visit.until_seconds - visit.from_seconds - visit.ramp_seconds
        live = self._spawn(visit.name, (visit.uses_bytes, visit.ramp_seconds, hold_seconds, 0), None)
        live.cell.enter(live.process.pid, None)
        live.go()
        self.conductor.visited(visit, self.now, here=True)
        self._at(visit.until_seconds, partial(self.conductor.visited, visit, visit.until_seconds, here=False))

    def _spawn(self, name: str, arguments: tuple[float, ...], job: Job | None) -> Live:
        process = subprocess.Popen([*self._program, *map(str, arguments), str(os.getpid())], stdin=subprocess.PIPE)
        cell = self._sandbox.cell(name)
        row = parse_stat(read_small(f"/proc/{process.pid}/stat"))
        assert row is not None, "our own child exists until it is waited for"
        identity = ProcessIdentity(pid=process.pid, start_ticks=row.start_ticks, cgroup=str(cell.path))
        live = Live(name, process, os.pidfd_open(process.pid), cell, job, identity)
        self._live[live.pidfd] = self._by_name[name] = live
        self._poll.register(live.pidfd, select.POLLIN)
        return live

    def _reap(self, live: Live) -> None:
        code = live.process.wait()
        fate = self._fate(live, code)
        peak_bytes = live.cell.peak_bytes
        self._forget(live)
        self._moved_at = self.now
        if live.job is None:
            self.conductor.hogs_killed += fate != "finished"
            return
        if self.conductor.ended(live.job.id, self.now, fate, peak_bytes, live.process.pid):
            self._to_come += 1
            self._at(self.now, partial(self._arrive, live.job))
        if self.conductor.policy.looks_after_ends and self.conductor.waiting and not self._look_due:
            self._look_due = True
            self._at(self.now + SETTLE_SECONDS, self._look)

    def _fate(self, live: Live, code: int) -> Fate:
        if code == 0:
            return "finished"
        if code == -signal.SIGTERM:
            return "crashed"
        if code != -signal.SIGKILL:
            raise RuntimeError(f"{live.name} ended with {code}")
        at_its_own = live.limit_bytes is not None and live.cell.peak_bytes > live.limit_bytes - MIB
        return "capped" if at_its_own else "killed"

    def _forget(self, live: Live) -> None:
        self._poll.unregister(live.pidfd)
        os.close(live.pidfd)
        if live.process.stdin is not None:
            live.process.stdin.close()
        del self._live[live.pidfd], self._by_name[live.name]
        self._sandbox.remove(live.name)

    def _end_all(self) -> None:
        """Whoever is left: hogs, those who are stuck, everybody after Ctrl-C."""
        for live in list(self._live.values()):
            live.process.kill()
            live.process.wait()
            self._forget(live)

    # --- readings ---

    def _tick(self) -> None:
        if self.conductor.policy.look_seconds is not None:
            self._look()
        self._at(self.now + (self.conductor.policy.look_seconds or 1.0), self._tick)

    def _look(self) -> None:
        self._look_due = False
        groups = self._attribution.read().groups
        self.conductor.look(Reading(taken_at=self.now, used_bytes=self._sandbox.working_set_bytes(), groups=groups))

    def _roots(self) -> tuple[Root, ...]:
        return tuple(
            Root(
                lease=self.conductor.policy.fence(name),
                pid=going.ask.process.pid,
                start_ticks=going.ask.process.start_ticks,
                cgroup=going.ask.process.cgroup,
            )
            for name, going in self.conductor.going.items()
            if going.started_at is not None and going.ask.process is not None
        )


def play(
    scenario: Scenario, variant: Variant, seed: int, progress: Callable[[Conductor, float], None], program: Command
) -> Outcome:
    """One run. Raises `NotPermitted` where there is no control group to run in."""
    with Sandbox(scenario.limit_mib * MIB) as sandbox:
        return Play(scenario, variant, seed, sandbox, program).run(progress)


def permitted() -> str | None:
    """Why real runs are not possible here; None if they are."""
    if not sys.platform.startswith("linux"):
        return "control groups are Linux's"
    if not hasattr(os, "pidfd_open"):
        return "this kernel has no pidfd"
    try:
        with Sandbox(64 * MIB):
            return None
    except NotPermitted as error:
        return str(error)
