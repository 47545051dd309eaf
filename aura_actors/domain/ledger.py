"""The books over everything that is shared, and the one decision: may this start now, and if not, why.

Owns the dimensions and what each lease holds of them. A decision and its explanation are the same walk over the
same objections; a grant is the walk that met none. Who waits, and whose lease is whose, is told in `books.py`.
Readings and time are arguments.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import msgspec

from aura_actors.domain import objections as say
from aura_actors.domain.accounts import Account, Allowance, Counted, Group, Measured, Use
from aura_actors.domain.brake import brake
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.devices import Devices, GpuRule
from aura_actors.domain.freshness import Freshness
from aura_actors.domain.holding import Holding, Objection, Plan, Reserved
from aura_actors.domain.leases import Lease
from aura_actors.domain.machine import Machine
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.domain.processor import Processor
from aura_actors.domain.providers import Providers, merged
from aura_actors.domain.reasons import HOLDERS_NAMED, Judgement, Outcome, Shortfall, judged
from aura_actors.domain.slots import SlotRule, Slots
from aura_actors.domain.window import Window


class LedgerRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part."""

    memory: Allowance
    memory_limit_bytes: int | None = None
    """A budget over all leases, whatever the machine has."""
    slots: SlotRule
    gpu: GpuRule = GpuRule()
    scratch: Allowance = Allowance(threshold_percent=90.0)
    units: Mapping[str, int] = {}
    """Dimensions of the user's own, and how many there are of each."""
    freshness: Freshness = Freshness()


class Ledger:
    """The books. The processor's `gate` and the peaks of use in `windows` outlive a crash of whoever asks."""

    def __init__(
        self, rule: LedgerRule, *, slots: Slots, providers: Providers, gate: BusyGate, windows: dict[str, Window]
    ) -> None:
        self.rule = rule
        self.slots = slots
        self.providers = providers
        self.memory = Measured("memory", rule.memory, windows, resident=True)
        self.scratch = Measured("scratch", rule.scratch)
        limit = rule.memory_limit_bytes
        self.budget = None if limit is None else Counted("memory_limit", limit, "bytes")
        self.cores = Counted("cores", 0, "millicores")
        self.units = {name: Counted(f"units:{name}", size) for name, size in rule.units.items()}
        self.devices = Devices(rule.gpu)
        self.processor = Processor(gate)
        self.brake: str | None = None
        self._fresh_seconds = rule.freshness.full_seconds
        self._holdings: dict[int, Holding] = {}
        self.reserved_bytes = 0
        """Main memory that live leases declared. Invariant: the sum over the leases."""

    def __len__(self) -> int:
        return len(self._holdings)

    @property
    def accounts(self) -> list[Account]:
        """Every dimension, main memory first."""
        memories = [device.memory for device in self.devices if device.memory is not None]
        budget = [] if self.budget is None else [self.budget]
        return [self.memory, *budget, self.cores, *memories, self.scratch, *self.units.values()]

    @property
    def holdings(self) -> Mapping[int, Holding]:
        """Live leases and what they hold, by fence."""
        return self._holdings

    def charges_of(self, holding: Holding) -> dict[Account, int]:
        """What a lease holds of every account."""
        return self._charges(holding.lease.spec) if holding.charges is None else holding.charges

    def holders(self, account: Account) -> tuple[str, ...]:
        """Keys of those who hold most of an account, the largest first: the larger of declared and used."""
        held = []
        for fence, holding in self._holdings.items():
            if declared := self.charges_of(holding).get(account):
                use = account.use_of(holding.group.key) if holding.group is not None else None
                held.append((-max(declared, 0 if use is None else use.most), fence))
        return tuple(self._holdings[fence].lease.key for _, fence in sorted(held)[:HOLDERS_NAMED])

    # --- looks ---

    def look(self, machine: Machine) -> None:
        """Take in a reading: use by others and by jobs, how busy everything is, the number of slots."""
        now = machine.taken_at
        keys = {group.leases: self._key_of(group.leases) for group in machine.groups}
        if machine.levels:
            uses = {keys[g.leases]: Use(g.least_bytes, g.most_bytes) for g in machine.groups}
            self.memory.look(now, machine.levels, uses)
            self.brake = brake(machine.stalled_percent, self.memory.free_now, self.rule.memory.reserved_bytes)
        if machine.scratch is not None:
            self.scratch.look(now, [machine.scratch], {})
        for fence in self.devices.look(now, machine.gpu, _video_memory(machine, keys)):
            self.resize(self._holdings[fence].lease, now)
        if machine.cpu_busy_percent is not None:
            seconds = {keys[g.leases]: g.cpu_seconds_total for g in machine.groups}
            self.processor.look(now, machine.cpu_busy_percent, machine.cores, seconds)
        self.cores.resize(1000 * machine.cores)
        free_bytes = (self.memory.most or 0) - self.memory.external
        self.slots.resize(self.rule.slots.size(free_bytes, machine.cores, len(self.devices)))

    def _key_of(self, fences: Iterable[int]) -> str:
        for fence in fences:
            holding = self._holdings.get(fence)
            if holding is not None and holding.group is not None:
                return holding.group.key
        return ""

    # --- deciding ---

    def plan(self, spec: JobSpec, now: float, behind: Reserved | None = None) -> Plan | None:
        """What a lease for `spec` would take if it began now; None where something is in the way."""
        for way in _ways(spec):
            plan = Plan({}, [])
            for _ in self._objections(way, now, plan, behind):
                break
            else:
                return plan
        return None

    def judge(self, spec: JobSpec, now: float, behind: Reserved | None = None) -> Judgement:
        """The same decision, with every reason. Changes nothing."""
        if self.plan(spec, now, behind) is not None:
            return Judgement(outcome=Outcome.GRANT)
        *_, last = _ways(spec)
        wait = self._objections(last, now, Plan({}, []), behind)
        return judged(self._never(spec), (objection() for objection in wait))

    def could_ever(self, spec: JobSpec) -> bool:
        """Whether there is enough for it when the machine is idle."""
        return next(self._never(spec), None) is None

    def hopeless(self, spec: JobSpec) -> tuple[Shortfall, ...]:
        """Why there will never be enough for it any more; empty where devices may only be out of sight."""
        if not self.devices.certain:
            spec = msgspec.structs.replace(spec, gpu=None)
        return tuple(self._never(spec))

    def reserve(self, key: str, spec: JobSpec) -> Reserved:
        """What a request that must wait would take where it is likely to start first."""
        plan = Plan(self._charges(spec), [])
        if spec.gpu is not None and spec.gpu.required:
            plan.devices = self.devices.roomiest(spec.gpu)
            self._charge_devices(spec, plan)
        return Reserved(key, spec, plan)

    def _objections(self, spec: JobSpec, now: float, plan: Plan, behind: Reserved | None) -> Iterator[Objection]:
        """Everything in the way of `spec`; fills `plan` on the way."""
        if spec.job_slots:
            size = self.slots.size
            free = size - self.slots.used
            left = free if behind is None else free - behind.spec.job_slots
            if left < 1:
                waiting = behind.key if behind is not None and free >= 1 else None
                yield partial(self._no_slot, size, left, waiting)
            if self.processor.closed(now):
                busy_percent = self.processor.expected_busy_percent(now)
                yield partial(say.busy, "cpu", "the processor", self.processor.gate, busy_percent)
        if self.brake is not None and (spec.memory_bytes or spec.job_slots):
            yield partial(say.braked, self.brake)
        plan.charges = self._charges(spec)
        for name, _ in spec.units:
            if name not in self.units:
                yield partial(say.no_such_unit, name)
        if spec.gpu is not None:
            yield from self._device_objections(spec, plan, behind)
        fresh_since = now - self._fresh_seconds
        for account, amount in plan.charges.items():
            if amount > account.room or account.looked_at < fresh_since or behind is not None:
                yield from self._account_objections(account, amount, now, behind)
        if spec.providers:
            for short in self._provider_objections(spec, now, behind):
                yield partial(_same, short)

    def _no_slot(self, size: int, left: int, waiting: str | None) -> Shortfall:
        return say.no_slot(size, left, tuple(self._jobs()), waiting)

    def _provider_objections(self, spec: JobSpec, now: float, behind: Reserved | None) -> Iterator[Shortfall]:
        needs = spec.providers
        if behind is not None and behind.spec.providers:
            both = merged([*needs, *behind.spec.providers])
            needs = tuple(need for need in both if _calls(spec, need.name))
            for need in needs:
                if _calls(behind.spec, need.name) and self.providers.free(need.name) == 1:
                    yield say.kept(f"provider:{need.name}", 2, 1, behind.key)
        yield from self.providers.short(needs, now, self._callers)

    def _charges(self, spec: JobSpec) -> dict[Account, int]:
        """What it takes of every account but those of devices."""
        charges: dict[Account, int] = {}
        if spec.memory_bytes:
            charges[self.memory] = spec.memory_bytes
            if self.budget is not None:
                charges[self.budget] = spec.memory_bytes
        if spec.cpu_millicores:
            charges[self.cores] = spec.cpu_millicores
        if spec.scratch_bytes:
            charges[self.scratch] = spec.scratch_bytes
        for name, amount in spec.units:
            if (unit := self.units.get(name)) is not None:
                charges[unit] = amount
        return charges

    def _device_objections(self, spec: JobSpec, plan: Plan, behind: Reserved | None) -> Iterator[Objection]:
        need = spec.gpu
        assert need is not None, "asked for those that need one"
        chosen = self.devices.choose(need, None if behind is None else behind.devices)
        if chosen is not None:
            plan.devices = chosen
            self._charge_devices(spec, plan)
        else:
            yield lambda: say.no_device(need, self.devices, self._on_devices(), behind)

    def _charge_devices(self, spec: JobSpec, plan: Plan) -> None:
        """Devices without memory of their own take it from main memory."""
        assert spec.gpu is not None, "asked for those that need one"
        shared = 0
        for device in plan.devices:
            if device.memory is None:
                shared += spec.gpu.memory_bytes
            elif spec.gpu.memory_bytes:
                plan.charges[device.memory] = spec.gpu.memory_bytes
        if shared:
            plan.charges[self.memory] = plan.charges.pop(self.memory, 0) + shared

    def _account_objections(
        self, account: Account, amount: int, now: float, behind: Reserved | None
    ) -> Iterator[Objection]:
        share = self.rule.freshness.share(now - account.looked_at)
        if share <= 0:
            yield lambda: say.stale(account.name, self.rule.freshness.stale_seconds)
            return
        kept = 0 if behind is None else behind.of(account)
        room = int(account.room * share if account.room > 0 else account.room) - kept
        if amount > room:
            waiting = behind.key if behind is not None and amount <= room + kept else None
            yield lambda: say.short(account, amount, room, self.holders(account), waiting)

    def _never(self, spec: JobSpec) -> Iterator[Shortfall]:
        """What `spec` asks for that this machine has not even when it is idle."""
        charges = Plan(self._charges(spec), [])
        need = spec.gpu
        if need is not None and need.required and self.devices.asked:
            able = [device for device in self.devices if device.may_ever(need)]
            if len(able) < need.count:
                yield say.no_such_device(need, len(self.devices), len(able))
            elif all(device.memory is None for device in able):
                charges.devices = able[: need.count]
                self._charge_devices(spec, charges)
        for account, amount in charges.charges.items():
            most = account.most
            if most is not None and amount > most and (account is not self.cores or self.cores.capacity):
                yield say.too_much(account, amount, most)
        yield from (say.no_such_unit(name) for name, _ in spec.units if name not in self.units)
        yield from self.providers.never(spec.providers)

    # --- who is in the way ---

    def _jobs(self) -> Iterator[str]:
        jobs = [holding.lease for holding in self._holdings.values() if holding.lease.is_job]
        jobs.sort(key=lambda lease: (-lease.spec.memory_bytes, lease.fence))
        return (lease.key for lease in jobs[:HOLDERS_NAMED])

    def _callers(self, provider: str) -> tuple[str, ...]:
        holdings = self._holdings.values()
        return tuple(h.lease.key for h in holdings if _calls(h.lease.spec, provider))[:HOLDERS_NAMED]

    def _on_devices(self) -> tuple[str, ...]:
        return tuple(h.lease.key for h in self._holdings.values() if h.devices)[:HOLDERS_NAMED]

    # --- changing ---

    def enter(self, lease: Lease, plan: Plan, now: float) -> None:
        """Enter a lease that was planned; `lease.gpus` names the plan's devices."""
        group = self._take(lease, plan, now)
        if lease.spec.providers:
            self.providers.take(lease.spec.providers, lease.fence, now)
        if lease.spec.cpu_millicores:
            self.processor.begin(lease.fence, lease.spec.cpu_millicores, None if group is None else group.key, now)

    def restore(self, lease: Lease, now: float) -> None:
        """Enter a lease that is known from before a restart, whatever room there is."""
        plan = Plan(self._charges(lease.spec), [self.devices.restore(uuid) for uuid in lease.gpus])
        if lease.spec.gpu is not None:
            self._charge_devices(lease.spec, plan)
        self._take(lease, plan, now)
        self.providers.take(lease.spec.providers, lease.fence, now, forced=True)

    def _take(self, lease: Lease, plan: Plan, now: float) -> Group | None:
        group = None if lease.process is None else _group(lease.process)
        fence = lease.fence
        for account, amount in plan.charges.items():
            account.charge(fence, amount, group, now)
        for device in plan.devices:
            device.holders[fence] = lease.spec.gpu is not None and lease.spec.gpu.exclusive
        if lease.spec.job_slots:
            self.slots.take(fence)
        self._holdings[fence] = _held(lease, group, plan)
        self.reserved_bytes += lease.spec.memory_bytes
        return group

    def renew(self, lease: Lease) -> None:
        """The renewed form of a live lease."""
        self._holdings[lease.fence].lease = lease

    def resize(self, lease: Lease, now: float) -> None:
        """The form of a live lease that holds other amounts, which were judged or are less."""
        holding = self._holdings[lease.fence]
        before = self.charges_of(holding).copy()
        after = Plan(self._charges(lease.spec), [*holding.devices])
        if lease.spec.gpu is not None:
            self._charge_devices(lease.spec, after)
        for account, amount in after.charges.items():
            old = before.pop(account, None)
            if old is None:
                account.charge(lease.fence, amount, holding.group, now)
            elif old != amount:
                account.redeclare(lease.fence, old, amount, holding.group, now)
        for account, amount in before.items():
            account.refund(lease.fence, amount, holding.group, now)
        self.reserved_bytes += lease.spec.memory_bytes - holding.lease.spec.memory_bytes
        self._holdings[lease.fence] = _held(lease, holding.group, after)

    def ready(self, fence: int) -> None:
        """A job uses what it will use: what grew since its grant is its own, where its processes are not known."""
        for account in self.charges_of(self._holdings[fence]):
            account.ready(fence)

    def end(
        self, fence: int, now: float, outcome: str | None = None, tokens: int | None = None, *, answered: bool
    ) -> Lease:
        """Take a lease out and free what it held, once. `answered`: its holder said that it is over."""
        holding = self._holdings.pop(fence)
        lease, group = holding.lease, holding.group
        for account, amount in self.charges_of(holding).items():
            account.refund(fence, amount, group, now)
        for device in holding.devices:
            device.holders.pop(fence, None)
        if lease.spec.job_slots:
            self.slots.give_back(fence)
        if lease.spec.providers:
            began_at, call = lease.granted_at, answered and not lease.is_job
            self.providers.give_back(lease.spec.providers, fence, began_at, now, outcome, tokens, answered=call)
        self.reserved_bytes -= lease.spec.memory_bytes
        self.processor.end(fence)
        return lease


def _ways(spec: JobSpec) -> tuple[JobSpec, ...]:
    """How a job may begin, the best way first: with the devices that it prefers, or else without."""
    if spec.gpu is None or spec.gpu.required:
        return (spec,)
    return spec, msgspec.structs.replace(spec, gpu=None)


def _held(lease: Lease, group: Group | None, plan: Plan) -> Holding:
    return Holding(lease, group, tuple(plan.devices), plan.charges) if plan.devices else Holding(lease, group)


def _same(shortfall: Shortfall) -> Shortfall:
    return shortfall


def _calls(spec: JobSpec, provider: str) -> bool:
    return any(need.name.casefold() == provider.casefold() for need in spec.providers)


def _group(process: ProcessIdentity) -> Group:
    own = process.own_group
    key = f"process {process.pid} {process.start_ticks}" if own is None else f"cgroup {own}"
    return Group(key, process.resident_bytes, process.cgroup)


def _video_memory(machine: Machine, keys: Mapping[tuple[int, ...], str]) -> dict[str, dict[str, Use]]:
    """Memory of each device by group: processes joined by their ids."""
    if machine.gpu is None or not machine.groups:
        return {}
    owner = {pid: keys[group.leases] for group in machine.groups for pid in group.pids}
    found: dict[str, dict[str, Use]] = {}
    for device in machine.gpu.devices:
        uses = found.setdefault(device.uuid, dict.fromkeys(keys.values(), Use(0, 0)))
        for process in device.processes or ():
            key = owner.get(process.pid) if process.pid is not None else None
            if key is not None and process.used_bytes is not None:
                uses[key] = Use(uses[key].least + process.used_bytes, uses[key].most + process.used_bytes)
    return found
