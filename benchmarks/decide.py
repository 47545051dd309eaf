"""Acquire and release in the pure rules beside a pair of `trio.CapacityLimiter`, with 500 leases of 8 dimensions.

Ours is the whole step: identity, the queue, room in every dimension, lease, changes and their undoing; slots are
a set, and secrets come from a counter, since chance is an argument. The limiter knows one dimension and no lease.
The naive peer is what the books spare: every sum made anew from all leases for every decision.
"""

import itertools
import time
import tracemalloc
from collections.abc import Callable, Hashable
from functools import partial

import trio

from aura_actors.domain.accounts import MACHINE, Allowance
from aura_actors.domain.asked import Asked, Maker, TtlRule
from aura_actors.domain.books import Books
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.external import Level
from aura_actors.domain.leases import Lease
from aura_actors.domain.ledger import Ledger, LedgerRule
from aura_actors.domain.machine import Machine
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderLimits, Providers
from aura_actors.domain.room import shape
from aura_actors.domain.slots import SlotRule
from aura_actors.domain.waiting import Queue, QueueRule
from benchmarks.report import Report, median

LEASES = 500
GROWTH = (1, 10, 100)
UNITS = ("licences", "streams", "encoders", "decoders")
WAITERS = 1024
SHAPES = 8
PLENTY = 2**50


class Plain:
    """Slots behind the plain protocol: a set."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.holders: set[Hashable] = set()

    @property
    def used(self) -> int:
        """How many are held."""
        return len(self.holders)

    def resize(self, size: int) -> None:
        """Another number."""
        self.size = size

    def take(self, holder: Hashable) -> None:
        """One for `holder`."""
        self.holders.add(holder)

    def give_back(self, holder: Hashable) -> None:
        """That of `holder`."""
        self.holders.remove(holder)


# --- the books ------------------------------------------------------------------------------------------------


def books(slots: int) -> Books:
    """Books over main memory, cores, scratch space, four units and job slots, after one look at a huge machine."""
    numbers = itertools.count()
    rule = LedgerRule(
        memory=Allowance(threshold_percent=80.0),
        slots=SlotRule(fixed=slots, bytes_per_job=2**31, max_jobs=10),
        units=dict.fromkeys(UNITS, PLENTY),
    )
    providers = Providers([], lambda _: ProviderLimits(max_concurrent=5), Plain)
    ledger = Ledger(rule, slots=Plain(slots), providers=providers, gate=BusyGate(85), windows={})
    queue = Queue(QueueRule(), shape=shape)
    made = Books(TtlRule(), ledger, queue, {}, Maker(lambda: f"secret-{next(numbers)}", lambda: 0.0))
    level = Level(name=MACHINE, capacity_bytes=PLENTY, used_bytes=0)
    made.look(Machine(taken_at=0.0, levels=(level,), cpu_busy_percent=5, cores=10**6, scratch=level))
    return made


def spec(memory_bytes: int = 2**20) -> JobSpec:
    """A job of eight dimensions, as a request decodes to: nothing in it is shared with another."""
    units = tuple((name, 1) for name in UNITS)
    return JobSpec(memory_bytes=memory_bytes, cpu_millicores=10, scratch_bytes=100, units=units)


def ask(on: Books, key: str, wanted: JobSpec, *, wait: bool = False) -> Lease | None:
    """Acquire; the lease, or None where it waits."""
    answer = on.acquire(Asked(key=key, owner="somebody", spec=wanted), 0.0, wait=wait)
    return answer[0] if isinstance(answer, tuple) else None


def held(count: int) -> Books:
    """Books with so many live leases."""
    made = books(2 * count)
    for number in range(count):
        ask(made, f"job-{number}", spec())
    made.take_changes()
    return made


# --- pairs ----------------------------------------------------------------------------------------------------


def by_books(on: Books, pairs: int) -> None:
    """Two steps as the actor takes them: decided, handed over to be written."""
    wanted = spec()
    for _ in range(pairs):
        lease = ask(on, "one-more", wanted)
        on.schedule(0.0)
        on.take_changes()
        assert lease is not None
        on.release("one-more", lease.secret, 0.0)
        on.schedule(0.0)
        on.take_changes()


def by_ledger(on: Ledger, lease: Lease, pairs: int) -> None:
    """Room in every dimension, and nothing about whose it is."""
    for _ in range(pairs):
        plan = on.plan(lease.spec, 0.0)
        assert plan is not None
        on.enter(lease, plan, 0.0)
        on.end(lease.fence, 0.0, answered=True)


async def by_limiter(on: trio.CapacityLimiter, pairs: int) -> None:
    """One dimension."""
    for number in range(pairs):
        await on.acquire_on_behalf_of(number)
        on.release_on_behalf_of(number)


def by_sums(vectors: dict[int, tuple[int, ...]], pairs: int) -> None:
    """Every dimension's sum from all leases, for every decision."""
    wanted = (2**20, 10, 100, 1, 1, 1, 1, 1)
    for _ in range(pairs):
        promised = [sum(amounts) for amounts in zip(*vectors.values(), strict=True)]
        assert all(taken + amount <= PLENTY for taken, amount in zip(promised, wanted, strict=True))
        vectors[-1] = wanted
        del vectors[-1]


def each(work: Callable[[], object], pairs: int) -> float:
    """Seconds of one pair."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / pairs


async def compare(rounds: int, pairs: int) -> dict[str, list[float]]:
    """Seconds of a pair, interleaved in rounds."""
    ours = held(LEASES)
    spare = held(LEASES)
    lease = ask(spare, "one-more", spec())
    assert lease is not None
    spare.ledger.end(lease.fence, 0.0, answered=True)
    limiter = trio.CapacityLimiter(2 * LEASES)
    for number in range(LEASES):
        limiter.acquire_on_behalf_of_nowait(("held", number))
    vectors: dict[int, tuple[int, ...]] = dict.fromkeys(range(LEASES), (2**20, 10, 100, 1, 1, 1, 1, 1))
    sums = max(1, pairs // 50)
    figures: dict[str, list[float]] = {"books": [], "ledger": [], "limiter": [], "sums": []}
    for _ in range(rounds):
        figures["books"].append(each(partial(by_books, ours, pairs), pairs))
        began = time.perf_counter()
        await by_limiter(limiter, pairs)
        figures["limiter"].append((time.perf_counter() - began) / pairs)
        figures["ledger"].append(each(partial(by_ledger, spare.ledger, lease, pairs), pairs))
        figures["sums"].append(each(partial(by_sums, vectors, sums), sums))
    return figures


# --- growth, memory, waiters ----------------------------------------------------------------------------------


def growth(rounds: int, pairs: int) -> dict[str, float]:
    """Microseconds of a pair with 1, 10 and 100 times the leases."""
    sizes = {times: held(times * LEASES) for times in GROWTH}
    seconds: dict[int, list[float]] = {times: [] for times in GROWTH}
    for _ in range(rounds):
        for times, on in sizes.items():
            seconds[times].append(each(partial(by_books, on, pairs), pairs))
    return {f"pair_microseconds_{times * LEASES}_leases": median(all_) * 1e6 for times, all_ in seconds.items()}


def bytes_per_lease(make: Callable[[], JobSpec], count: int = 4 * LEASES) -> float:
    """Memory that a live lease takes, its request and its strings included."""
    on = books(2 * count)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(count):
        ask(on, f"job-{number}", make())
        on.take_changes()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def release_with_waiters(shapes: int, times: int) -> float:
    """Microseconds of a release that grants to one of 1,024 who wait, of so many different sizes."""
    on = books(1)
    lease = ask(on, "first", spec())
    for number in range(WAITERS):
        ask(on, f"waiter-{number}", spec(2**20 + number % shapes), wait=True)
    on.schedule(0.0)
    on.take_changes()
    seconds = []
    for number in range(times):
        assert lease is not None
        began = time.perf_counter()
        on.release(lease.key, lease.secret, 0.0)
        on.schedule(0.0)
        (lease,) = on.take_changes().granted
        seconds.append(time.perf_counter() - began)
        ask(on, f"later-{number}", spec(2**20 + number % shapes), wait=True)
        on.take_changes()
    return median(seconds) * 1e6


def run(*, quick: bool) -> Report:
    """Measure."""
    seconds = trio.run(compare, 11 if quick else 41, 2_000 if quick else 10_000)

    def ratio(name: str, peer: str) -> float:
        return median([a / b for a, b in zip(seconds[name], seconds[peer], strict=True)])

    return Report(
        name="decide",
        ratios={
            "vs_capacity_limiter": ratio("books", "limiter"),
            "ledger_vs_capacity_limiter": ratio("ledger", "limiter"),
            "vs_naive_recompute": ratio("books", "sums"),
        },
        figures={
            "pairs_per_second": 1 / median(seconds["books"]),
            "capacity_limiter_pairs_per_second": 1 / median(seconds["limiter"]),
            "bytes_per_lease": bytes_per_lease(spec),
            "bytes_per_lease_of_memory_alone": bytes_per_lease(lambda: JobSpec(memory_bytes=2**20)),
            **growth(5 if quick else 21, 1_000 if quick else 5_000),
            "release_with_1024_waiters_microseconds": release_with_waiters(SHAPES, 50 if quick else 500),
            "release_with_1024_different_waiters_microseconds": release_with_waiters(WAITERS, 20 if quick else 200),
        },
        notes=[f"{LEASES} live leases of 8 dimensions; waiters of {SHAPES} sizes, and each of its own"],
    )
