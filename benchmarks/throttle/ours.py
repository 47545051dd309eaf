"""Ours: the very books, ledger and queue of admission, asked as the actor asks them.

Owns the translation alone. The shared memory is one level of the ledger, jobs are leases whose processes are known,
and readings are attributed, so that what a job holds counts once and what strangers hold counts too.
"""

from itertools import count

from aura_actors.domain.accounts import Allowance
from aura_actors.domain.asked import Asked, Maker, TtlRule
from aura_actors.domain.books import Books
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.external import Level
from aura_actors.domain.freshness import Freshness
from aura_actors.domain.leases import Lease
from aura_actors.domain.ledger import Ledger, LedgerRule
from aura_actors.domain.machine import Machine
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderLimits, Providers
from aura_actors.domain.room import shape
from aura_actors.domain.slots import SlotRule
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.kernel.permits import Permits
from benchmarks.throttle.policies import Ask, Measure, Reading
from benchmarks.throttle.scenario import Room

MANY = 1_000_000
"""Of what is not to be the limit here: slots, places, seconds."""


class Ours:
    """`level` is the name under which processes' control groups are found to be inside the shared memory."""

    def __init__(
        self, room: Room, level: str, cores: int, queue: QueueRule, look_seconds: float, *, looks_after_ends: bool
    ) -> None:
        self.look_seconds: float | None = look_seconds
        self.looks_after_ends = looks_after_ends
        self._room = room
        self._level = level
        self._cores = cores
        rule = LedgerRule(
            memory=Allowance(reserved_bytes=room.reserve_bytes),
            slots=SlotRule(fixed=MANY, bytes_per_job=1, max_jobs=MANY),
            freshness=Freshness(interval_seconds=look_seconds),
        )
        providers = Providers((), lambda name: ProviderLimits(max_concurrent=1), Permits)
        ledger = Ledger(rule, slots=Permits(MANY), providers=providers, gate=BusyGate(100.0), windows={})
        numbers = count(1)
        self.books = Books(
            TtlRule(default_seconds=MANY, most_seconds=MANY),
            ledger,
            Queue(queue, shape=shape),
            {},
            Maker(lambda: f"secret-{next(numbers)}", lambda: 0.0),
        )
        self._leases: dict[str, Lease] = {}

    def arrive(self, ask: Ask, now: float) -> None:
        """Ask for a lease, and wait."""
        spec = JobSpec(memory_bytes=ask.reserve_bytes, cpu_millicores=round(1000 * ask.cores), kind=ask.kind)
        asked = Asked(key=ask.id, owner="benchmark", spec=spec, process=ask.process)
        self.books.acquire(asked, now, wait=True)

    def look(self, reading: Reading) -> None:
        """A sample."""
        level = Level(name=self._level, capacity_bytes=self._room.limit_bytes, used_bytes=reading.used_bytes)
        self.books.look(
            Machine(
                taken_at=reading.taken_at,
                levels=(level,),
                groups=reading.groups,
                cpu_busy_percent=None,
                cores=self._cores,
            )
        )

    def ended(self, job: str, now: float, *, crashed: bool) -> None:
        """The client releases; where it crashed, its process is seen to end."""
        lease = self._leases.pop(job)
        if crashed and lease.process is not None:
            self.books.exited(lease.process, now)
        else:
            self.books.release(job, lease.secret, now)

    def starts(self, now: float, measure: Measure) -> list[str]:
        """Whoever the books let begin."""
        self.books.expire(now)
        self.books.schedule(now)
        begun = self.books.take_changes().begun
        self._leases.update((lease.key, lease) for lease in begun)
        return [lease.key for lease in begun]

    def fence(self, job: str) -> int:
        """Of its lease."""
        return self._leases[job].fence
