"""A large job among a stream of small ones, in virtual time: it starts within the bound that it was told.

All jobs have a max runtime, which ends their leases at the latest. Their memory is seen and attributed: it comes
with the job, and goes some time after its end, for processes take a while to end.
"""

import heapq
from functools import cache
from random import Random
from typing import NamedTuple

import pytest

from aura_actors.domain.asked import Waiting
from aura_actors.domain.books import Books
from aura_actors.domain.waiting import QueueRule
from tests.domain.admission_world import books, ledger, machine, process, request, use
from tests.effort import effort

TRACES = effort("AURA_TRACES", desk=25, ci=200)
RULE = QueueRule(pass_limit=1 << 30, protect_after_seconds=15, class_seconds=5, ticket_ttl_seconds=1000)
LIMITS = (5.0, 10.0, 20.0)
OTHERS = 100
TICK_SECONDS = 0.25
LINGER_SECONDS = 0.5


class Small(NamedTuple):
    at: float
    memory: int
    limit: float
    run_seconds: float
    priority: str


class Wait(NamedTuple):
    seconds: float
    bound_seconds: float | None
    ahead: int


class Life:
    """One trace; every quarter of a second is a step, every fourth has a reading."""

    def __init__(self, seed: int, rule: QueueRule = RULE) -> None:
        chance = Random(seed)
        self.of: Books = books(ledger(slots=20), rule)
        self.of.ledger.slots.resize(20)
        self.arrivals = self.stream(chance)
        self.large_at = chance.choice([20.0, 30.0, 40.0])
        self.large_memory = chance.randint(450, 700)
        self.runs: dict[str, float] = {}
        self.ends: list[tuple[float, str]] = []
        self.using: dict[str, tuple[int, float]] = {}
        self.memory: dict[str, int] = {}
        self.pid = 0

    def stream(self, chance: Random) -> list[Small]:
        """More than fits; nobody is of a higher class than the large one."""
        at, found = 0.0, []
        while at < 120:
            at += chance.expovariate(0.8)
            limit = chance.choice(LIMITS)
            run_seconds = limit * chance.choice([0.3, 0.9, 2.0])
            priority = chance.choice(["normal", "normal", "low"])
            found.append(Small(at, chance.randint(20, 200), limit, run_seconds, priority))
        return found[::-1]

    def ask(self, key: str, memory: int, limit: float, now: float, priority: str = "normal") -> Waiting | None:
        self.pid += 1
        self.memory[key] = memory
        asked = request(
            key,
            memory,
            process=process(self.pid),
            ttl_seconds=300.0,
            max_runtime_seconds=limit,
            priority=priority,
        )
        answer = self.of.acquire(asked, now, wait=True)
        return answer if isinstance(answer, Waiting) else None

    def step(self, now: float) -> None:
        """What the actor does: what ended, who begins."""
        self.of.expire(now)
        while self.ends and self.ends[0][0] <= now:
            key = heapq.heappop(self.ends)[1]
            lease = self.of.leases.find(key)
            if lease is not None:
                self.of.release(key, lease.secret, now)
        self.of.schedule(now)
        changes = self.of.take_changes()
        for lease in changes.begun:
            heapq.heappush(self.ends, (now + self.runs.get(lease.key, 10.0), lease.key))
            self.using[lease.key] = self.memory[lease.key], float("inf")
        for ended in changes.ended:
            self.using[ended.lease.key] = self.memory[ended.lease.key], now + LINGER_SECONDS

    def look(self, now: float) -> None:
        self.using = {key: entry for key, entry in self.using.items() if entry[1] > now}
        groups = [
            use([lease.fence], self.using[lease.key][0], pid=lease.process.pid if lease.process else 0)
            for lease in self.of.leases
        ]
        used = OTHERS + sum(amount for amount, _ in self.using.values())
        self.of.look(machine(now, used, groups=tuple(groups)))

    def play(self) -> Wait:
        told, started, steps = Wait(0.0, 0.0, 0), None, 0
        while started is None:
            now = steps * TICK_SECONDS
            if steps % 4 == 0:
                self.look(now)
            self.step(now)
            while self.arrivals and self.arrivals[-1].at <= now:
                each = self.arrivals.pop()
                key = f"small-{self.pid + 1}"
                self.runs[key] = each.run_seconds
                self.ask(key, each.memory, each.limit, now, each.priority)
                self.step(now)
            if now == self.large_at:
                place = self.ask("large", self.large_memory, 10.0, now)
                if place is not None:
                    bound = self.of.bound_seconds(place.waiter, now)
                    told = Wait(0.0, bound, self.of.position(place.waiter, now) - 1)
                self.step(now)
            if now >= self.large_at and self.of.leases.find("large") is not None:
                started = now
            steps += 1
            assert now < 2000
        return told._replace(seconds=started - self.large_at)


@cache
def protected(seed: int) -> Wait:
    """How the large job of a trace fares."""
    return Life(seed).play()


@pytest.mark.timeout(300)  # it computes all the while, and coverage slows it down
def test_a_large_job_starts_within_the_bound_that_it_was_told() -> None:
    waits = [protected(seed) for seed in range(TRACES)]
    told = [(wait.seconds, wait.bound_seconds) for wait in waits if wait.bound_seconds]
    assert len(told) > 0.9 * TRACES, "nearly all of them must wait"
    assert [(seconds, bound) for seconds, bound in told if seconds > bound + TICK_SECONDS] == []
    tried = [seconds for seconds, _ in told if seconds > RULE.protect_after_seconds]
    assert len(tried) > TRACES / 4, "the bound was never tried"


def test_without_protection_the_bound_would_be_broken() -> None:
    never = QueueRule(pass_limit=1 << 30, protect_after_seconds=1e6, class_seconds=5, ticket_ttl_seconds=1000)
    waits = [Life(seed, never).play() for seed in range(20)]
    broken = [
        (wait.seconds, other.bound_seconds)
        for wait, other in zip(waits, map(protected, range(20)), strict=True)
        if other.bound_seconds and wait.seconds > other.bound_seconds
    ]
    assert broken
