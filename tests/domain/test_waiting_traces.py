"""A busy machine in virtual time: how long anybody waits, against the bound and against other rules."""

import heapq
from collections.abc import Callable
from functools import cache
from random import Random
from typing import NamedTuple

from aura_actors.domain.waiting import Queue, QueueRule, Room, Waiter
from tests.domain.waiting_room import Machine, Need, waiter
from tests.effort import effort

RULE = QueueRule()
FIRST_FIT = QueueRule(pass_limit=1 << 30, protect_after_seconds=float("inf"))
TRACES = effort("AURA_TRACES", desk=15, ci=80)
FEW = TRACES // 2
LONGEST_SECONDS = 60.0
HALF, LARGE = 8, 15


class Job(NamedTuple):
    waiter: Waiter
    run_seconds: float


class Wait(NamedTuple):
    """How one job fared. `settled_turns`: its place in line when nobody could get ahead any more, if it had one."""

    job: Job
    waited_seconds: float
    settled_turns: int
    promised_seconds: float | None

    @property
    def bound_seconds(self) -> float:
        """tau * class + W + (rank in line + 1) * longest max runtime."""
        return patience_seconds(self.job.waiter) + self.settled_turns * LONGEST_SECONDS


def patience_seconds(each: Waiter) -> float:
    """tau * class + W: from then on nobody gets ahead, and the oldest is always protected."""
    return each.rank * RULE.class_seconds + RULE.protect_after_seconds


class Fifo(Queue):
    """Strictly in order: nobody starts before the head."""

    def next(self, now: float, room: Room) -> Waiter | None:
        head = next(iter(self.line(now)), None)
        return head if head is not None and room.fits(head, None) else None

    def may_start(self, waiter: Waiter, now: float, room: Room) -> bool:
        return len(self) == 0 and room.fits(waiter, None)


def trace(seed: int, *, load: float = 0.95, jobs: int = 250, burst: bool = False) -> list[Job]:
    """A stream of small jobs with some large ones, of all classes, with limits of up to a minute."""
    chance, at, made = Random(seed), 0.0, []
    for number in range(jobs):
        large = chance.random() < 0.06
        memory = chance.randint(12, LARGE) if large else chance.randint(1, 5)
        limit = chance.uniform(5, LONGEST_SECONDS)
        run_seconds = limit * chance.uniform(0.3, 1.0)
        need = Need(memory, gpus=int(chance.random() < 0.1))
        rank = chance.choice([0, 1, 1, 1, 2])
        made.append(Job(waiter(number, need, since=at, rank=rank, max_runtime_seconds=limit), run_seconds))
        # Mean use: 0.06 * 13.5 + 0.94 * 3 units for 0.65 * 32.5 s, of 16 units.
        at += 0.0 if burst else chance.expovariate(16 * load / (3.63 * 0.65 * 32.5))
    return made


def simulate(jobs: list[Job], queue: Queue, *, promise_at: float | None = None) -> list[Wait]:
    """Run a trace to its end; every job starts, once. At `promise_at` all that wait are told their bound."""
    machine, waits = Machine(), dict[str, Wait]()
    unsettled: list[tuple[float, str]] = []
    turns: dict[str, int] = {}
    promised: dict[str, float | None] = {}
    ends: list[tuple[float, str]] = []
    arrivals = {job.waiter.key: job for job in jobs}
    todo = sorted(jobs, key=lambda job: job.waiter.since, reverse=True)

    def start(each: Waiter) -> None:
        machine.start(each)
        job = arrivals[each.key]
        heapq.heappush(ends, (machine.now + job.run_seconds, each.key))
        assert each.key not in waits
        told = promised.get(each.key)
        waits[each.key] = Wait(job, machine.now - each.since, turns.get(each.key, 0), told)

    while todo or ends:
        arrives = not ends or (bool(todo) and todo[-1].waiter.since < ends[0][0])
        machine.now = todo[-1].waiter.since if arrives else ends[0][0]
        while unsettled and unsettled[0][0] <= machine.now:
            key = heapq.heappop(unsettled)[1]
            if (waiting := queue.find(key)) is not None:
                turns[key] = queue.position(waiting, machine.now)
        if arrives:
            newcomer = todo.pop().waiter
            if queue.may_start(newcomer, machine.now, machine):
                start(newcomer)
                queue.passed_by(newcomer)
            else:
                queue.offer(newcomer)
                heapq.heappush(unsettled, (newcomer.since + patience_seconds(newcomer), newcomer.key))
        else:
            machine.end(heapq.heappop(ends)[1])
        while (picked := queue.next(machine.now, machine)) is not None:
            queue.remove(picked.key)
            start(picked)
        if promise_at is not None and machine.now == promise_at:
            for each in queue.line(machine.now):
                seconds = queue.bound_seconds(each, machine.now, machine)
                promised[each.key] = None if seconds is None else machine.now - each.since + seconds
    assert len(queue) == 0
    assert waits.keys() == arrivals.keys()
    return list(waits.values())


@cache
def waits(make: Callable[[], Queue], traces: int) -> list[list[Wait]]:
    return [simulate(trace(seed), make()) for seed in range(traces)]


def protected() -> Queue:
    return Queue(RULE)


def first_fit() -> Queue:
    return Queue(FIRST_FIT)


def fifo() -> Queue:
    return Fifo(RULE)


def broken(stories: list[list[Wait]]) -> int:
    """In how many traces somebody waited longer than the bound."""
    return sum(any(wait.waited_seconds > wait.bound_seconds + 1e-6 for wait in story) for story in stories)


def is_large(wait: Wait) -> bool:
    return bool(wait.job.waiter.spec.memory > HALF)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_nobody_waits_longer_than_the_bound() -> None:
    stories = waits(protected, TRACES)
    assert broken(stories) == 0
    beyond = [
        wait for story in stories for wait in story if wait.waited_seconds > patience_seconds(wait.job.waiter)
    ]
    assert len(beyond) > 100, "the traces never tried the bound"


def test_nobody_waits_longer_than_the_bound_under_overload() -> None:
    assert broken([simulate(trace(seed, load=1.3, jobs=150), protected()) for seed in range(FEW)]) == 0


def test_first_fit_lets_somebody_wait_longer_than_the_bound() -> None:
    assert broken(waits(first_fit, FEW)) > 0


def test_what_was_promised_when_the_last_one_came_is_kept() -> None:
    tried = 0
    for seed in range(FEW):
        story = simulate(trace(seed, jobs=40, burst=True), protected(), promise_at=0.0)
        for wait in story:
            if wait.promised_seconds is not None:
                assert wait.waited_seconds <= wait.promised_seconds + 1e-6
                tried += 1
    assert tried > 20 * FEW


def test_large_jobs_wait_less_than_under_first_fit_and_all_less_than_in_order() -> None:
    def worst(make: Callable[[], Queue]) -> float:
        return mean([max(wait.waited_seconds for wait in story if is_large(wait)) for story in waits(make, FEW)])

    def usual(make: Callable[[], Queue]) -> float:
        return mean([wait.waited_seconds for story in waits(make, FEW) for wait in story])

    assert worst(protected) < worst(first_fit)
    assert usual(first_fit) < usual(protected) < usual(fifo)
