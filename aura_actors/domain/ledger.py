"""Who may start a job: the books over memory, job slots and the processor gate, and the decision.

Owns one atomic rule for acquire and preflight. Ledger methods change the books and return what happened; no I/O,
no clock: `now` is monotonic seconds and readings are arguments. A lease that was written to the journal before it
is entered here is all that recovery needs.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from aura_actors.domain.cpu_gate import CpuGate
from aura_actors.domain.headroom import Level, Levels, MemoryRule
from aura_actors.domain.leases import Lease, Leases
from aura_actors.domain.machine import Machine
from aura_actors.domain.reasons import HOLDERS_NAMED, Judgement, Outcome, Shortfall
from aura_actors.domain.slots import Slots

Priority = Literal["low", "normal", "high"]
STALE_SECONDS = 30.0


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a job asks for. Two requests with equal specs are the same request."""

    memory_bytes: int
    requires_gpu: bool = False
    priority: Priority = "normal"
    kind: str | None = None


class SlotRule(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs at once: a fixed number, or worked out from the machine on every reading."""

    fixed: int | None = None
    bytes_per_job: int
    max_jobs: int

    def size(self, allowed_bytes: int, external_bytes: int, cores: int, gpus: int) -> int:
        """The guide's `clamp(min(memory slots, cores, x2 with a GPU), 1, max_jobs)`, or the fixed number."""
        if self.fixed is not None:
            return self.fixed
        memory_slots = max(0, allowed_bytes - external_bytes) // max(1, self.bytes_per_job)
        return max(1, min(memory_slots, cores * (2 if gpus else 1), self.max_jobs))


JobLease = Lease[JobSpec]


class Ledger:
    """The books of job admission."""

    def __init__(
        self, memory: MemoryRule, slot_rule: SlotRule, cpu: CpuGate, slots: Slots, external: Levels | None = None
    ) -> None:
        self.leases: Leases[JobSpec] = Leases()
        self.slots = slots
        self.cpu = cpu
        self.memory = memory
        self._slot_rule = slot_rule
        self._external = external or Levels()
        self._machine: Machine | None = None
        # Invariant: equals the sum of memory_bytes over all live leases.
        self._reserved_bytes = 0

    # --- looking ---

    @property
    def reserved_bytes(self) -> int:
        """What live leases reserved."""
        return self._reserved_bytes

    @property
    def capacity_bytes(self) -> int | None:
        """C; None before the first reading."""
        return self._external.capacity_bytes if self._machine else None

    @property
    def allowed_bytes(self) -> int | None:
        """A; None before the first reading."""
        capacity_bytes = self.capacity_bytes
        return None if capacity_bytes is None else self.memory.allowed_bytes(capacity_bytes)

    @property
    def external_bytes(self) -> int | None:
        """Y; None before the first reading."""
        return self._external.external_bytes(self.memory)

    @property
    def headroom_bytes(self) -> int | None:
        """H; negative when use grew after the grants. None before the first reading."""
        if self.allowed_bytes is None or self.external_bytes is None:
            return None
        return self.allowed_bytes - self.external_bytes - self._reserved_bytes

    # --- deciding ---

    def observe(self, machine: Machine) -> None:
        """Take in a reading: external use, the processor gate and, where it is automatic, the number of slots."""
        self._machine = machine
        whole = Level(name="machine", capacity_bytes=machine.capacity_bytes, used_bytes=machine.used_bytes)
        self._external.observe(machine.taken_at, (whole, *machine.groups))
        if machine.cpu_busy_percent is not None:
            self.cpu.observe(machine.taken_at, machine.cpu_busy_percent)
        self.slots.resize(
            self._slot_rule.size(
                self.allowed_bytes or 0,
                self.external_bytes or 0,
                machine.cores,
                machine.gpus,
            )
        )

    def judge(self, spec: JobSpec, now: float) -> Judgement:
        """What an acquire of `spec` is answered now. Changes nothing."""
        never = tuple(self._never(spec))
        if never:
            return Judgement(outcome=Outcome.NEVER, reasons=never)
        wait = tuple(self._not_now(spec, now))
        if wait:
            return Judgement(outcome=Outcome.WAIT, reasons=wait)
        return Judgement(outcome=Outcome.GRANT)

    def _never(self, spec: JobSpec) -> Iterable[Shortfall]:
        need, limit, allowed = spec.memory_bytes, self.memory.limit_bytes, self.allowed_bytes
        if allowed is not None and need > allowed:
            yield _short("memory", need, allowed, (), True, "more than this machine allows even when it is idle")
        if limit is not None and need > limit:
            yield _short("memory_limit", need, limit, (), True, "more than the configured memory_limit")
        if spec.requires_gpu and self._machine is not None and not self._machine.gpus:
            yield _short("gpu", 1, 0, (), True, "no GPU is known on this machine")

    def _not_now(self, spec: JobSpec, now: float) -> Iterable[Shortfall]:
        if self._machine is None or now - self._machine.memory_read_at > STALE_SECONDS:
            yield _short("stale_sensor", 1, 0, (), True, "memory was not measured for more than 30 s")
            return
        need, headroom, limit = spec.memory_bytes, self.headroom_bytes or 0, self.memory.limit_bytes
        if self.slots.used >= self.slots.size:
            yield _short("jobs", 1, 0, self._holders(), False, f"all {self.slots.size} job slots are taken")
        if need > max(0, headroom):
            external = need > headroom + self._reserved_bytes
            text = "the memory is reserved by running jobs"
            if external:
                text = "other programs use so much that it would not fit even if every job ended"
            yield _short("memory", need, max(0, headroom), () if external else self._holders(), external, text)
        if limit is not None and need > limit - self._reserved_bytes:
            left = max(0, limit - self._reserved_bytes)
            yield _short(
                "memory_limit", need, left, self._holders(), False, "memory_limit is reserved by running jobs"
            )
        if self.cpu.closed:
            busy = self.cpu.busy_percent
            text = f"the processor is {busy:.0f} % busy, above {self.cpu.threshold_percent:g} %"
            yield _short("cpu", 100 - self.cpu.threshold_percent, max(0.0, 100 - busy), (), True, text)

    def _holders(self) -> tuple[str, ...]:
        largest = sorted(self.leases, key=lambda lease: (-lease.spec.memory_bytes, lease.fence))
        return tuple(lease.key for lease in largest[:HOLDERS_NAMED])

    # --- changing ---

    def enter(self, lease: JobLease) -> None:
        """Enter a lease that was judged a grant, or that is known from before a restart."""
        self.slots.take(lease.fence)
        self._reserved_bytes += lease.spec.memory_bytes
        self.leases.put(lease)

    def renew(self, lease: JobLease) -> None:
        """Replace a live lease by its renewed form."""
        self.leases.put(lease)

    def end(self, key: str) -> JobLease:
        """Take a lease out and free what it held, once."""
        lease = self.leases.remove(key)
        self._reserved_bytes -= lease.spec.memory_bytes
        self.slots.give_back(lease.fence)
        return lease


def _short(
    dimension: str, needed: float, available: float, holders: tuple[str, ...], external: bool, text: str
) -> Shortfall:
    return Shortfall(
        dimension=dimension, needed=needed, available=available, holders=holders, external=external, text=text
    )
