"""What the tests of admission's books share: slots, a rule, readings and requests, in small round numbers.

A byte is a "unit" here: the machine has 1000 of them, 50 are kept for the interface and 80 % may be used at most.
"""

import itertools
from collections.abc import Hashable, Iterable
from typing import Any

from aura_actors.domain.accounts import MACHINE, Allowance
from aura_actors.domain.asked import Asked, Maker, TtlRule, Waiting
from aura_actors.domain.attribution import GroupUse
from aura_actors.domain.books import Books
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.external import Level
from aura_actors.domain.gpu import GpuProcess, GpuState, GpuUse
from aura_actors.domain.leases import Lease
from aura_actors.domain.ledger import Ledger, LedgerRule
from aura_actors.domain.machine import Machine
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.domain.providers import ProviderLimits, Providers
from aura_actors.domain.room import shape
from aura_actors.domain.slots import SlotRule
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.domain.window import Window

CAPACITY, RESERVE, THETA = 1000, 50, 0.8


class Counter:
    """Slots without a loop."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.held: set[Hashable] = set()

    @property
    def used(self) -> int:
        return len(self.held)

    def resize(self, size: int) -> None:
        self.size = size

    def take(self, holder: Hashable) -> None:
        assert holder not in self.held
        self.held.add(holder)

    def give_back(self, holder: Hashable) -> None:
        self.held.remove(holder)


LIMITS = {"calls": ProviderLimits(max_concurrent=2)}


def ledger(
    *,
    limit: int | None = None,
    slots: int | None = 100,
    busy: float = 100,
    windows: dict[str, Window] | None = None,
    limits: dict[str, ProviderLimits] | None = None,
    **changes: Any,
) -> Ledger:
    known = LIMITS if limits is None else limits
    rule = LedgerRule(
        memory=Allowance(reserved_bytes=RESERVE, threshold_percent=100 * THETA),
        memory_limit_bytes=limit,
        slots=SlotRule(fixed=slots, bytes_per_job=100, max_jobs=10),
        **({"units": {"lic": 3}} | changes),
    )
    return Ledger(
        rule,
        slots=Counter(slots or 1),
        providers=Providers(known, lambda name: known.get(name, ProviderLimits(max_concurrent=5)), Counter),
        gate=BusyGate(busy),
        windows={} if windows is None else windows,
    )


def books(of: Ledger | None = None, queue: QueueRule | None = None) -> Books:
    numbers = itertools.count(1)
    return Books(
        TtlRule(default_seconds=30, most_seconds=300),
        ledger() if of is None else of,
        Queue(queue or QueueRule(), shape=shape),
        {},
        Maker(secret=lambda: f"secret-{next(numbers)}", wall=lambda: 0.0),
    )


def machine(at: float = 0.0, used: int = 0, **changes: Any) -> Machine:
    """A reading with the machine's level alone, unless told otherwise; `levels` are (name, capacity, used)."""
    levels = changes.pop("levels", [(MACHINE, CAPACITY, used)])
    fields: dict[str, Any] = {
        "taken_at": at,
        "levels": tuple(Level(name=name, capacity_bytes=c, used_bytes=u) for name, c, u in levels),
        "cpu_busy_percent": 10.0,
        "cores": 8,
    }
    return Machine(**(fields | changes))


def use(fences: Iterable[int], least: int, most: int | None = None, pid: int = 1, cpu: float = 0.0) -> GroupUse:
    return GroupUse(
        leases=tuple(fences),
        source="tree",
        used_bytes=least,
        least_bytes=least,
        most_bytes=least if most is None else most,
        cpu_seconds_total=cpu,
        processes=1,
        pids=(pid,),
    )


def process(pid: int, resident: int = 0, cgroup: str | None = None) -> ProcessIdentity:
    return ProcessIdentity(pid=pid, start_ticks=pid, resident_bytes=resident, cgroup=cgroup)


def request(key: str = "a", memory: int = 0, *, owner: str = "anna", **changes: Any) -> Asked:
    """A request; what is not a field of `Asked` is one of its spec."""
    mine = {name: changes.pop(name) for name in ("ttl_seconds", "process", "connection") if name in changes}
    return Asked(key=key, owner=owner, spec=JobSpec(memory_bytes=memory, **changes), **mine)


def gpu(index: int = 0, *, total: int | None = 100, used: int = 0, busy: float = 0.0, **changes: Any) -> GpuUse:
    """A device; `processes` are (pid, units)."""
    processes = changes.pop("processes", [])
    fields: dict[str, Any] = {
        "uuid": f"g{index}",
        "index": index,
        "name": "a device",
        "vendor": "some",
        "driver_version": None,
        "pci_address": None,
        "status": "ok",
        "detail": None,
        "utilization_percent": busy,
        "memory_total_bytes": total,
        "memory_used_bytes": None if total is None else used,
        "processes": tuple(GpuProcess(pid=pid, host_pid=pid, used_bytes=amount) for pid, amount in processes),
    }
    return GpuUse(**(fields | changes))


def gpus(*devices: GpuUse) -> GpuState:
    return GpuState(status="ok", devices=devices)


# --- books under way ---------------------------------------------------------------------------------------------


def fresh(used: int = 0, queue: QueueRule | None = None, **changes: Any) -> Books:
    made = books(ledger(**changes), queue)
    made.look(machine(0.0, used))
    return made


def took(of: Books, key: str, memory: int, now: float = 0.0, **changes: Any) -> Lease:
    answer = of.acquire(request(key, memory, **changes), now, wait=False)
    assert isinstance(answer, tuple)
    return answer[0]


def waits(of: Books, key: str, memory: int, now: float = 0.0, **changes: Any) -> Waiting:
    answer = of.acquire(request(key, memory, **changes), now, wait=True)
    assert isinstance(answer, Waiting)
    return answer


def keys(of: Books) -> list[str]:
    return [lease.key for lease in of.leases]
