"""A running server under the load of a scenario: asked over HTTP as any client asks, it decides by itself.

Owns the clients: each asks with a long poll, holds its lease for the job's time, renews and releases. Jobs only
sleep, or, where they are to be real, are processes on the server's machine that take memory and are named to it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import trio

from benchmarks.throttle.conductor import Conductor
from benchmarks.throttle.outcome import Fate, Outcome
from benchmarks.throttle.policies import Ask, Measure, Reading
from benchmarks.throttle.scenario import Scenario
from benchmarks.throttle.variants import Variant
from benchmarks.throttle.workload import Job, draw

JOBS = "/api/admission/jobs"
WAIT_SECONDS = 30.0
TTL_SECONDS = 60.0
RELEASE_SECONDS = 5.0
"""After Ctrl-C too, every lease is given back."""
OWNER = "load-test"

Sleeper = subprocess.Popen[bytes]


class Told:
    """Whoever the server granted starts: a policy as the record sees it."""

    look_seconds: float | None = None
    looks_after_ends = False

    def __init__(self) -> None:
        self.granted: list[str] = []

    def arrive(self, ask: Ask, now: float) -> None:
        """The client asks for itself."""

    def look(self, reading: Reading) -> None:
        """The server has its own eyes."""

    def ended(self, job: str, now: float, *, crashed: bool) -> None:
        """The client releases for itself."""

    def starts(self, now: float, measure: Measure) -> list[str]:
        """Since the last time."""
        granted, self.granted = self.granted, []
        return granted

    def fence(self, job: str) -> int:
        """Known to the server alone."""
        return 0


class Load:
    """One run."""

    def __init__(
        self, scenario: Scenario, seed: int, client: httpx2.AsyncClient, program: list[str] | None
    ) -> None:
        self.workload = draw(scenario, seed)
        variant = Variant(name="server", base="server")
        self._policy = Told()
        self.conductor = Conductor(scenario.name, variant, self.workload, self._policy)
        self._client = client
        self._program = program
        self._prefix = f"throttle-{time.time_ns() % 10**9}-"
        self._begun_at = trio.current_time()

    @property
    def now(self) -> float:
        """Seconds of the run."""
        return trio.current_time() - self._begun_at

    async def run(self) -> Outcome:
        """To the end."""
        async with trio.open_nursery() as nursery:
            for job in self.workload.jobs:
                nursery.start_soon(self._live, job)
        return self.conductor.outcome(self.now, "server")

    async def _live(self, job: Job) -> None:
        await trio.sleep(job.arrives_at)
        with self._spawned(job) as process:
            self.conductor.arrive(job, self.now, None)
            lease = await self._acquire(job, process)
            if lease is None:
                return
            self._policy.granted.append(job.id)
            self.conductor.starts(self.now, lambda: 0)
            self._promise()
            fate: Fate = "killed"
            try:
                async with trio.open_nursery() as renewals:
                    renewals.start_soon(self._renew, job, lease)
                    fate = await self._work(job, process)
                    renewals.cancel_scope.cancel()
                self.conductor.ended(job.id, self.now, fate, job.uses_bytes, 0 if process is None else process.pid)
                self._promise()
            finally:
                if fate != "crashed" or process is None:  # without a process nobody sees a crash before the TTL
                    with trio.move_on_after(RELEASE_SECONDS, shield=True):
                        await self._release(job, lease)

    async def _acquire(self, job: Job, process: Sleeper | None) -> str | None:
        """The secret of the lease; None if it never fits."""
        body: dict[str, object] = {
            "jobId": f"{self._prefix}{job.id}",
            "owner": OWNER,
            "memoryBytes": job.declared_bytes,
            "cpuCores": job.cores,
            "kind": job.kind,
            "waitSeconds": WAIT_SECONDS,
            "ttlSeconds": TTL_SECONDS,
        }
        if process is not None:
            body["pid"] = process.pid
        while True:
            answer = await self._client.post(JOBS, json=body)
            if answer.status_code in (200, 201):
                return str(answer.json()["leaseId"])
            if answer.status_code == 422:
                sys.stderr.write(f"{job.id}: {answer.json().get('detail', answer.text)}\n")
                return None
            if answer.status_code not in (202, 429):
                raise RuntimeError(f"{answer.status_code}: {answer.text}")
            if answer.status_code == 429:
                await trio.sleep(float(answer.headers.get("retry-after", "1")))

    async def _renew(self, job: Job, lease: str) -> None:
        while True:
            await trio.sleep(TTL_SECONDS / 3)
            await self._client.post(f"{JOBS}/{self._prefix}{job.id}/renew", headers={"Aura-Lease": lease})

    async def _release(self, job: Job, lease: str) -> None:
        answer = await self._client.delete(f"{JOBS}/{self._prefix}{job.id}", headers={"Aura-Lease": lease})
        if answer.status_code not in (204, 410):  # 410: its process ended, so it did too
            raise RuntimeError(f"release of {job.id}: {answer.status_code}: {answer.text}")

    # --- the job itself ---

    @contextlib.contextmanager
    def _spawned(self, job: Job) -> Iterator[Sleeper | None]:
        """Its process, if jobs are real; started by this very thread, with which it would end."""
        if self._program is None:
            yield None
            return
        arguments = map(str, (job.uses_bytes, job.ramp_seconds, job.hold_seconds, job.crashes_after or 0))
        with subprocess.Popen(
            [*self._program, *arguments, str(os.getpid())], stdin=subprocess.PIPE, bufsize=0
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    async def _work(self, job: Job, process: Sleeper | None) -> Fate:
        if process is None:
            await trio.sleep(job.crashes_after or job.runtime_seconds)
            return "crashed" if job.crashes_after else "finished"
        pidfd = os.pidfd_open(process.pid)
        try:
            assert process.stdin is not None, "it was opened with one"
            process.stdin.write(b".")
            await trio.lowlevel.wait_readable(pidfd)
        finally:
            os.close(pidfd)
        code = process.wait()
        return "finished" if code == 0 else "crashed" if code == -signal.SIGTERM else "killed"

    def _promise(self) -> None:
        """What the server has given away: its memory is not ours to read."""
        promised = sum(
            each.ask.reserve_bytes for each in self.conductor.going.values() if each.started_at is not None
        )
        self.conductor.used(self.now, promised)


async def _drive(url: str, token: str | None, scenario: Scenario, seed: int, program: list[str] | None) -> Outcome:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    timeout = httpx2.Timeout(WAIT_SECONDS + 30.0)
    async with httpx2.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=timeout) as client:
        return await Load(scenario, seed, client, program).run()


def play(url: str, token: str | None, scenario: Scenario, seed: int, program: list[str] | None) -> Outcome:
    """One run against the server at `url`; `program`: of real jobs, which then run on this machine.

    Raises `httpx2.HTTPError` if nobody is there, and `KeyboardInterrupt` once every lease was given back.
    """
    httpx2.get(f"{url.rstrip('/')}/health/live").raise_for_status()
    try:
        return trio.run(_drive, url, token, scenario, seed, program)
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is None:
            raise KeyboardInterrupt from None
        raise
