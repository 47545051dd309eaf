"""The books of admission under generated stories, against a naive model; the invariants of the design by number.

 1 a grant leaves H >= 0 in what it takes        2 a non-grant changes no H
 3 N acquires on one sample grant no more than the greedy ones      4 kept sums are recomputed sums
 5 release and expiry never lower H              6 H = (A - used) - sum max(0, R - M) with Y current and no ghosts
 7 the same request again: same fence, H unchanged                  8 a foreign release changes nothing
 9 more than A or the budget: never, not queued  10 nothing in use is held by nobody, whoever's lease expired
11 preflight equals acquire                     12 time going backwards frees nothing
13 no grant is made twice, no waiter is lost or woken twice        14 a process' memory counts once

A step is played as the actor plays it: what is over ends, the request is carried out, those who wait get their
turn; and sometimes it cannot be written and is taken back.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.asked import Asked, Waiting
from aura_actors.domain.external import Level as Seen
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import GpuNeed, JobSpec, Resize
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.reasons import Judgement, Outcome
from aura_actors.domain.room import LedgerRoom
from aura_actors.domain.waiting import QueueRule, Waiter
from aura_actors.errors import AuraError, Conflict, Draining, Foreign, Gone, NeverFits, Refused, SpecChanged
from tests.domain import admission_world as w
from tests.domain import books_model as naive
from tests.effort import effort

EXAMPLES = effort("AURA_CHAOS_EXAMPLES", desk=150, ci=2000)
STEPS = 12
QUEUE = QueueRule(limit=12, pass_limit=2, protect_after_seconds=4, class_seconds=5, ticket_ttl_seconds=6)
KEYS, PIDS, GROUP = "abcdef", (1, 2, 3, 4), "/g"
LIMIT, SLOTS, CORES, UNITS, CALLS = 1200, 5, 8000, 3, 2

NEEDS = [
    JobSpec(memory_bytes=300),
    JobSpec(memory_bytes=300, max_runtime_seconds=20.0),
    JobSpec(memory_bytes=120),
    JobSpec(memory_bytes=700, priority="high"),
    JobSpec(memory_bytes=0),
    JobSpec(memory_bytes=801),
    JobSpec(memory_bytes=500, priority="low", max_runtime_seconds=5.0),
    JobSpec(memory_bytes=100, cpu_millicores=5000, scratch_bytes=100),
    JobSpec(memory_bytes=50, gpu=GpuNeed(memory_bytes=60)),
    JobSpec(memory_bytes=50, gpu=GpuNeed(memory_bytes=30, count=2)),
    JobSpec(memory_bytes=50, gpu=GpuNeed(exclusive=True)),
    JobSpec(memory_bytes=50, gpu=GpuNeed(memory_bytes=60, required=False)),
    JobSpec(memory_bytes=50, gpu=GpuNeed(memory_bytes=95)),
    JobSpec(memory_bytes=20, gpu=GpuNeed(memory_bytes=80, count=2)),
    JobSpec(memory_bytes=20, gpu=GpuNeed(exclusive=True, count=2)),
    JobSpec(memory_bytes=10, units=(("lic", 2),)),
    JobSpec(memory_bytes=10, units=(("none", 1),)),
    JobSpec(memory_bytes=10, providers=(ProviderNeed(name="calls"),)),
    JobSpec(job_slots=0, providers=(ProviderNeed(name="calls"),)),
    JobSpec(memory_bytes=60, scratch_bytes=120),
]
SECONDS = st.sampled_from([0.25, 1.0, 1.0, 1.0, 2.5, 6.0, 16.0, 33.0])
FIRST = st.tuples(st.integers(0, len(NEEDS) - 1), st.sampled_from([None, *PIDS]))
AMOUNTS = st.sampled_from([0, 5, 60, 150, 300, 450, 700])


WHO = [*PIDS, -1, -2, -3, MACHINE, GROUP, "g0", "g1", "scratch"]


class Story(RuleBasedStateMachine):
    """One machine: processes 1 to 4, of which the odd ones are in a control group of ours; two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.latest = 100.0
        self.unified = False
        self.capacity = w.CAPACITY
        self.grouped = False
        self.others = {MACHINE: 100, GROUP: 0, "g0": 0, "g1": 0, "scratch": 0}
        self.resident = dict.fromkeys(PIDS, 0)
        self.video = dict.fromkeys(PIDS, 0)
        self.fuzz = 0
        self.leases: dict[int, Lease] = {}
        self.places: dict[str, Asked] = {}
        self.fences: set[int] = set()
        self.draining = self.braked = False
        self.unwritable = False
        self.memory = naive.Measured(w.RESERVE, w.THETA, resident=True)
        self.scratch = naive.Measured(0, 0.9)
        self.devices: dict[str, naive.Measured] = {}

    @initialize(unified=st.booleans(), grouped=st.booleans(), limit=st.booleans(), jobs=st.lists(FIRST, max_size=4))
    def begin(self, unified: bool, grouped: bool, limit: bool, jobs: list[tuple[int, int | None]]) -> None:
        self.unified, self.grouped = unified, grouped
        self.limit = LIMIT if not limit else 600
        self.books = w.books(w.ledger(limit=self.limit, slots=SLOTS), QUEUE)
        self.books.ledger.slots.resize(SLOTS)
        self.see(frozenset())
        for number, (which, pid) in enumerate(jobs):
            self.acquire_one(KEYS[number], NEEDS[which], pid, True, (None, None))

    # --- the naive side ---

    def measured(self) -> dict[str, naive.Measured]:
        return {"memory": self.memory, "scratch": self.scratch, **self.devices}

    def counted(self) -> dict[str, int]:
        return {"memory_limit": self.limit, "cores": CORES, "units:lic": UNITS}

    def charges(self, spec: JobSpec, devices: tuple[str, ...]) -> naive.Charges:
        need = spec.gpu
        shared = 0 if need is None else sum(need.memory_bytes for d in devices if d not in self.devices)
        found = {
            "memory": spec.memory_bytes + shared,
            "memory_limit": spec.memory_bytes,
            "cores": spec.cpu_millicores,
            "scratch": spec.scratch_bytes,
            **{f"units:{name}": amount for name, amount in spec.units},
        }
        if need is not None:
            found |= {d: need.memory_bytes for d in devices if d in self.devices}
        return {name: amount for name, amount in found.items() if amount}

    def h(self, name: str) -> float:
        if name in self.measured():
            return self.measured()[name].h
        taken = sum(self.charges(each.spec, each.gpus).get(name, 0) for each in self.leases.values())
        return self.counted().get(name, 0) - taken

    def all_h(self) -> dict[str, float]:
        return {name: self.h(name) for name in [*self.measured(), *self.counted()]}

    def calls(self) -> int:
        return sum(bool(each.spec.providers) for each in self.leases.values())

    def jobs(self) -> int:
        return sum(each.spec.job_slots for each in self.leases.values())

    def free_devices(self, need: GpuNeed, kept: dict[str, GpuNeed]) -> list[str]:
        free = []
        for name in ("g0", "g1"):
            on = [each for each in self.leases.values() if name in each.gpus]
            other = kept.get(name)
            alone = any(each.spec.gpu is not None and each.spec.gpu.exclusive for each in on)
            if alone or (need.exclusive and on) or (other and (other.exclusive or need.exclusive)):
                continue
            room = self.h(name) - (other.memory_bytes if other else 0) if name in self.devices else 1e9
            if not need.memory_bytes or need.memory_bytes <= room:
                free.append(name)
        return free

    def short(self, spec: JobSpec, behind: Waiter | None) -> dict[str, tuple[float, float]]:
        """Dimensions in which it does not fit now: what it needs and what there is. Empty: it may start."""
        if spec.gpu is not None and not spec.gpu.required:
            wanted = msgspec.structs.replace(spec, gpu=msgspec.structs.replace(spec.gpu, required=True))
            without = msgspec.structs.replace(spec, gpu=None)
            return self.short(wanted, behind) and self.short(without, behind)
        kept: naive.Charges = {}
        kept_devices: dict[str, GpuNeed] = {}
        if behind is not None:
            theirs: JobSpec = behind.spec
            reserved = self.books.ledger.reserve(behind.key, theirs)
            kept_devices = reserved.devices
            kept = self.charges(theirs, tuple(kept_devices))
            kept |= {"jobs": theirs.job_slots, "provider:calls": len(theirs.providers)}
        found: dict[str, tuple[float, float]] = {}
        if self.braked and (spec.memory_bytes or spec.job_slots):
            found["brake"] = 1, 0
        devices: tuple[str, ...] = ()
        if spec.gpu is not None:
            free = self.free_devices(spec.gpu, kept_devices)
            if len(free) < spec.gpu.count:
                found["gpu"] = spec.gpu.count, len(free)
            else:
                devices = tuple(free[: spec.gpu.count])
        if spec.job_slots and self.jobs() + 1 + kept.get("jobs", 0) > SLOTS:
            found["jobs"] = 1, SLOTS - self.jobs() - kept.get("jobs", 0)
        if spec.providers and self.calls() + 1 + kept.get("provider:calls", 0) > CALLS:
            found["provider:calls"] = 1, 0
        for name, amount in self.charges(spec, devices).items():
            room = self.h(name)
            if name in self.measured() and (share := self.measured()[name].share(self.now)) < 1:
                if share <= 0:
                    found["stale_sensor"] = 1, 0
                    continue
                room = int(room * share) if room > 0 else room
            room -= kept.get(name, 0)
            if amount > room and name != "units:none":
                found[label(name)] = amount, room
        if any(name == "none" for name, _ in spec.units):
            found["units:none"] = 1, 0
        return found

    def never(self, spec: JobSpec) -> bool:
        need = spec.gpu
        if need is not None and need.required:
            able = [d for d in ("g0", "g1") if self.unified or need.memory_bytes <= (self.devices[d].most or 0)]
            if len(able) < need.count:
                return True
        devices = ("g0", "g1")[: need.count] if need is not None and need.required and self.unified else ()
        for name, amount in self.charges(spec, devices).items():
            most = self.measured()[name].most if name in self.measured() else self.counted().get(name, 0)
            if amount > (most or 0):
                return True
        return False

    def holders(self, dimension: str) -> list[tuple[float, str]]:
        """Who holds how much of it, the largest first."""
        held: list[tuple[float, int, str]] = []
        for fence, each in self.leases.items():
            if dimension == "jobs":
                amount: float = each.spec.job_slots and each.spec.memory_bytes + 1
            elif dimension == "gpu":
                amount = len(each.gpus)
            elif dimension.startswith("provider:"):
                amount = len(each.spec.providers)
            elif unlabelled(dimension) in self.measured():
                amount = self.measured()[unlabelled(dimension)].weight(fence)
            else:
                amount = self.charges(each.spec, each.gpus).get(dimension, 0)
            if amount:
                held.append((-amount, fence, each.key))
        return [(-amount, key) for amount, _, key in sorted(held)]

    # --- both sides together ---

    def enter(self, lease: Lease, now: float) -> None:
        self.leases[lease.fence] = lease
        for name, amount in self.charges(lease.spec, lease.gpus).items():
            if name in self.measured():
                self.measured()[name].charge(lease.fence, amount, lease, now)

    def end(self, lease: Lease, now: float) -> None:
        del self.leases[lease.fence]
        for name in self.charges(lease.spec, lease.gpus):
            if name in self.measured():
                self.measured()[name].refund(lease.fence, now)

    def resize(self, lease: Lease, now: float) -> None:
        before = self.charges(self.leases[lease.fence].spec, lease.gpus)
        after = self.charges(lease.spec, lease.gpus)
        self.leases[lease.fence] = lease
        for name, account in self.measured().items():
            match name in before, name in after:
                case False, True:
                    account.charge(lease.fence, after[name], lease, now)
                case True, False:
                    account.refund(lease.fence, now)
                case True, True if before[name] != after[name]:
                    account.redeclare(lease.fence, after[name], now)

    def take_in(self) -> None:
        """The books took a step: write it down, or take it back."""
        changes = self.books.take_changes()
        resized = [(self.leases[fence], new) for fence, new in changes.written.items() if fence in self.leases]
        for ended in changes.ended:
            self.end(ended.lease, self.now)
        for key in changes.dropped:
            del self.places[key]  # 13: dropped once
        before = self.all_h()
        for old, new in resized:
            if old.spec != new.spec:
                self.resize(new, self.now)
            else:
                self.leases[new.fence] = new
        for lease in changes.begun:
            assert lease.fence not in self.fences, "13: granted twice"
            self.fences.add(lease.fence)
            self.enter(lease, self.now)
        for lease in changes.granted:
            asked = self.places.pop(lease.key)  # 13: whoever waited is granted once, what was asked for
            assert (lease.owner, lease.spec) == (asked.owner, asked.spec)
        for lease in changes.begun:
            for name in self.charges(lease.spec, lease.gpus):
                assert self.h(name) >= 0, f"1: {name} after {lease} of {before}"
        assert set(changes.written).isdisjoint(changes.erased)

    def line(self) -> dict[str, tuple[Waiter | None, bool, int, bool]]:
        """Of everybody who waits: its place, whether it is attended, how often it was passed, whether protected."""
        queue, guard = self.books.queue, self.books.queue.protected_at(self.now)
        return {
            key: (queue.find(key), queue.attended(key), queue.passed(key), guard is not None and guard.key == key)
            for key in self.places
        }

    def take_back(self, leases: dict[str, Lease], line: dict[str, tuple[Waiter | None, bool, int, bool]]) -> None:
        """The step could not be written: the books are what they were."""
        changes = self.books.take_changes()
        resized = [
            (self.leases[fence], new)
            for fence, new in changes.written.items()
            if fence in self.leases and self.leases[fence].spec != new.spec
        ]
        # The naive side goes there and back, so that it knows of the ghosts that were made on the way.
        for ended in changes.ended:
            self.end(ended.lease, self.now)
        for _, new in resized:
            self.resize(new, self.now)
        for lease in changes.begun:
            self.fences.add(lease.fence)
            self.enter(lease, self.now)
        changes.take_back()
        for lease in reversed(changes.begun):
            self.end(lease, self.now)
        for old, _ in resized:
            self.resize(old, self.now)
        for ended in reversed(changes.ended):
            self.enter(ended.lease, self.now)
        assert {each.key: each for each in self.books.leases} == leases
        assert self.line() == line

    def step(self, act: Callable[[], Any]) -> Any:
        """Carry out one request as the actor does; what it raises is returned."""
        answer: Any = None
        self.books.expire(self.now)
        self.take_in()
        leases = {each.key: each for each in self.books.leases}
        line = self.line()
        try:
            answer = act()
        except AuraError as error:
            answer = error
        if self.unwritable and self.books.changes.any:
            self.unwritable = False
            self.books.schedule(self.now)
            self.take_back(leases, line)
            return None
        if isinstance(answer, Waiting):
            self.places.setdefault(answer.waiter.key, self.books._asked[answer.waiter.key])
        self.take_in()
        self.books.schedule(self.now)
        self.take_in()
        self.nobody_is_left_waiting()
        return answer

    def nobody_is_left_waiting(self) -> None:
        """13: whoever could start has, unless somebody is protected before it. 9: who never can, has left."""
        queue = self.books.queue
        assert [each for each in self.places.values() if self.never(each.spec)] == [], "9"
        if queue.protected_at(self.now) is None:
            for waiter in queue.line(self.now):
                if queue.attended(waiter.key):
                    assert self.short(waiter.spec, None), f"{waiter} was not woken"

    # --- the world ---

    def see(self, unread: frozenset[int]) -> None:
        """A reading; processes in `unread` are not attributed in it yet."""
        by_pid: dict[int, list[int]] = {}
        for fence, each in self.leases.items():
            if each.process is not None and each.process.pid not in unread:
                by_pid.setdefault(each.process.pid, []).append(fence)
        groups = tuple(
            w.use(fences, max(0, self.resident[pid] - self.fuzz), self.resident[pid] + self.fuzz, pid)
            for pid, fences in by_pid.items()
        )
        inside = sum(self.resident[pid] for pid in PIDS if pid % 2)
        outside = sum(self.resident[pid] for pid in PIDS if not pid % 2)
        group_used = self.others[GROUP] + inside
        levels = {MACHINE: (self.capacity, self.others[MACHINE] + group_used + outside)}
        if self.grouped:
            levels[GROUP] = (700, group_used)
        video = {"g0": (1, 2), "g1": (3, 4)}
        devices = tuple(
            w.gpu(
                number,
                total=None if self.unified else 100,
                used=self.others[name] + sum(self.video[pid] for pid in pids),
                processes=[(pid, self.video[pid]) for pid in pids],
            )
            for number, (name, pids) in enumerate(video.items())
        )
        self.braked = any(capacity - used < w.RESERVE for capacity, used in levels.values())
        self.books.look(
            w.machine(
                self.now,
                levels=[(name, *level) for name, level in levels.items()],
                groups=groups,
                scratch=Seen(name=MACHINE, capacity_bytes=300, used_bytes=self.others["scratch"]),
                gpu=GpuState(status="ok", devices=devices),
            )
        )
        uses = {f"process {g.pids[0]} {g.pids[0]}": (g.least_bytes, g.most_bytes) for g in groups}
        self.memory.look(self.now, levels, uses)
        self.scratch.look(self.now, {MACHINE: (300, self.others["scratch"])}, {})
        for device, pids in zip(devices, video.values(), strict=True):
            if not self.unified:
                account = self.devices.setdefault(device.uuid, naive.Measured(0, 0.9))
                used: dict[str, tuple[int, int]] = {}
                for g in groups:
                    pid = g.pids[0]
                    used[f"process {pid} {pid}"] = (self.video[pid],) * 2 if pid in pids else (0, 0)
                account.look(self.now, {MACHINE: (100, device.memory_used_bytes or 0)}, used)
        self.identity_holds()

    def identity_holds(self) -> None:
        """6, where there is one level, no ghosts, and the peak is now; M of a claim is its credit."""
        level = self.memory.levels[MACHINE]
        if len(self.memory.levels) == 1 and not level.ghosts and level.y == level.external and not self.fuzz:
            unmet = sum(
                max(0, r - self.memory.uses.get(g, (0, 0))[0]) for g, r in self.memory.groups().items()
            ) + sum(claim.declared - claim.credit for claim in level.claims.values())
            if sum(least for least, _ in self.memory.uses.values()) + level.credited <= level.used:
                room = self.books.ledger.memory.room
                assert room == self.memory.a(level) - level.used - unmet, "6"

    # --- rules ---

    @rule(gap=SECONDS, who=st.sampled_from(WHO), amount=AMOUNTS)
    def world(self, gap: float, who: int | str, amount: int) -> None:
        """Somebody uses another amount; then a reading. Below 0: a process that was not read yet."""
        unread: frozenset[int] = frozenset()
        if isinstance(who, str):
            self.others[who] = amount // 6 if who.startswith("g") else amount
        elif who > 0:
            self.resident[who], self.video[who] = amount, amount // 10
        else:
            unread = frozenset([-who])
            self.fuzz = 5 * (amount == 5)
        self.now += gap
        self.see(unread)
        self.step(lambda: None)

    @rule(gap=SECONDS)
    def time_passes(self, gap: float) -> None:
        self.now += gap
        self.step(lambda: None)

    @rule()
    def the_clock_goes_back(self) -> None:
        """12."""
        before = {each.key for each in self.books.leases}
        rooms = self.rooms()
        self.books.expire(self.now - 50)
        assert {each.key for each in self.books.leases} == before
        assert self.rooms() == rooms
        for each in list(self.books.leases)[:1]:
            again = self.books.renew(each.key, each.secret, self.now - 50)
            assert again.expires_at >= min(each.expires_at, self.now + each.ttl_seconds)
        self.take_in()

    @rule(
        key=st.sampled_from(KEYS),
        spec=st.sampled_from(NEEDS),
        pid=st.sampled_from([None, None, *PIDS]),
        wait=st.sampled_from([True, True, False]),
        more=st.sampled_from([(None, None), (10.0, None), (None, "c1")]),
    )
    def acquire(
        self, key: str, spec: JobSpec, pid: int | None, wait: bool, more: tuple[float | None, str | None]
    ) -> None:
        self.acquire_one(key, spec, pid, wait, more)

    def acquire_one(
        self, key: str, spec: JobSpec, pid: int | None, wait: bool, more: tuple[float | None, str | None]
    ) -> None:
        cgroup = None if pid is None or not pid % 2 else f"{GROUP}/p"
        process = None if pid is None else w.process(pid, self.resident[pid], cgroup)
        asked = Asked(key=key, owner="anna", spec=spec, process=process, ttl_seconds=more[0], connection=more[1])
        self.step(lambda: self.ask(asked, wait))

    @precondition(lambda self: not self.places and not self.draining)
    @rule(specs=st.lists(st.sampled_from(NEEDS[:8]), min_size=3, max_size=4))
    def burst(self, specs: list[JobSpec]) -> None:
        """3: many at once, on one sample."""
        free = self.h("memory"), self.h("memory_limit"), self.h("cores"), SLOTS - self.jobs(), self.h("scratch")
        share = self.memory.share(self.now)
        for number, spec in enumerate(specs):
            asked = msgspec.structs.replace(w.request(f"burst{len(self.fences)}-{number}"), spec=spec)
            self.step(partial(self.ask, asked, False))
        if share == 1:
            greedy, left = 0, list(free)
            for spec in specs:
                need = spec.memory_bytes, spec.memory_bytes, spec.cpu_millicores, 1, spec.scratch_bytes
                if all(not n or n <= have for n, have in zip(need, left, strict=True)):
                    greedy += 1
                    left = [have - n for n, have in zip(need, left, strict=True)]
            began = [each for each in self.leases.values() if each.key.startswith("burst")]
            assert len([e for e in began if e.granted_at == self.now]) <= greedy + len(began)
            assert free[0] < 0 or self.h("memory") >= 0

    def ask(self, asked: Asked, wait: bool) -> Any:
        """Acquire, with everything that must be true of the answer."""
        books, now, rooms = self.books, self.now, self.rooms()
        held, waits = books.leases.find(asked.key), books.queue.find(asked.key)
        behind = books.queue.protected_at(now)
        expected: type[AuraError] | None = None
        try:
            judgement, place = books.judge(asked, now)
        except AuraError as error:
            judgement, expected = None, type(error)
        assert self.rooms() == rooms, "11: preflight takes nothing"
        if behind is not None and judgement is not None and self.out_of_the_way(place, behind):
            behind = None
        short = self.short(asked.spec, behind) if judgement is not None else {}
        granted = len(books.changes.begun)
        try:
            answer = books.acquire(asked, now, wait=wait)
        except (Conflict, SpecChanged) as refusal:
            self.equal((None, type(refusal)), (judgement, expected))  # 11
            raise
        except Draining:
            assert self.draining
            assert judgement is not None
            assert judgement.outcome is Outcome.WAIT
            raise
        except NeverFits as error:
            assert judgement is not None
            assert judgement.outcome is Outcome.NEVER, "11"
            assert self.never(asked.spec) or "units:none" in short, "9"
            assert books.queue.find(asked.key) is None
            assert self.rooms() == rooms, "2"
            self.equal(error.reasons, judgement.reasons)
            raise
        except Refused as error:
            assert judgement is not None
            assert judgement.outcome is Outcome.WAIT, "11"
            assert self.rooms() == rooms, "2"
            if wait:
                assert books.queue.full, "13"
                raise
            self.equal(error.reasons, judgement.reasons)
            self.explained(asked.spec, judgement, short, behind)
            raise
        assert judgement is not None, "11"
        if isinstance(answer, Waiting):
            assert self.rooms() == rooms, "2"
            assert waits is not None or judgement.outcome is Outcome.WAIT, "11"
            if waits is None:
                self.explained(asked.spec, judgement, short, behind)
            return answer
        lease, again = answer
        assert judgement.outcome is Outcome.GRANT, "11"
        if held is not None:
            assert again, "7"
            assert lease.fence == held.fence, "7"
            assert self.rooms() == rooms, "7"
            return answer
        assert not short, f"granted though short of {short}"
        assert not self.never(asked.spec), "9"
        assert len(books.changes.begun) == granted + 1
        return answer

    @staticmethod
    def equal(one: object, other: object) -> None:
        assert one == other

    def out_of_the_way(self, waiter: Waiter, behind: Waiter) -> bool:
        latest = LedgerRoom(self.books.ledger, self.now).earliest(behind)
        limit = waiter.max_runtime_seconds
        return latest is not None and limit is not None and self.now + limit <= latest

    def explained(
        self, spec: JobSpec, judgement: Judgement, short: dict[str, tuple[float, float]], behind: Waiter | None
    ) -> None:
        """The reasons are the dimensions that are short, by how much, and who is in the way."""
        if behind is None and self.books.queue.protected_at(self.now) is not None:
            return  # it is out of the way of whoever is protected; the reasons count that place all the same
        assert short, f"refused for {judgement.reasons}"
        assert {reason.dimension for reason in judgement.reasons} == set(short)
        for reason in judgement.reasons:
            needed, available = short[reason.dimension]
            assert reason.needed > reason.available
            if reason.dimension not in ("stale_sensor", "provider:calls", "units:none", "brake"):
                assert (reason.needed, reason.available) == (needed, available), reason.dimension
            if behind is not None and reason.holders == (behind.key,):
                continue
            holders = [key for _, key in self.holders(reason.dimension)]
            name = unlabelled(reason.dimension)
            if name in self.measured():
                account = self.measured()[name]
                tightest = min(account.levels.values(), key=lambda v: account.a(v) - v.y - v.k, default=None)
                free = account.free + (tightest.k if tightest else 0)
                assert reason.external == (needed > free), "external: nobody that we admitted"
            if reason.external:
                assert reason.holders == ()
            elif reason.dimension == "gpu" or reason.dimension.startswith("provider:"):
                assert set(reason.holders) == set(holders)
            else:
                assert list(reason.holders) == holders

    def held(self, which: int) -> Lease | None:
        """One of the leases; seldom none."""
        leases = list(self.books.leases)
        return leases[which % len(leases)] if leases and which else None

    @precondition(lambda self: self.leases)
    @rule(which=st.integers(1, 6), to=st.sampled_from([0, 60, 150, 400, 900]), cores=st.sampled_from([None, 6000]))
    def renew(self, which: int, to: int, cores: int | None) -> None:
        held = self.held(which)
        assert held is not None
        key = held.key

        def act() -> None:
            lease = self.books.leases.check(key, held.secret)
            resize = Resize(memory_bytes=to, cpu_millicores=cores)
            rooms, spec = self.rooms(), resize.of(lease.spec)
            growth = spec.growth_from(lease.spec)
            guard = self.books.queue.protected_at(self.now)
            fits = growth is None or not (self.short(growth, guard) or self.never(spec))
            try:
                fresh = self.books.renew(key, held.secret, self.now, None, resize)
            except (Refused, NeverFits):
                assert not fits
                assert self.rooms() == rooms, "2: growth is atomic"
                assert self.books.leases.find(key) == lease
                raise
            assert fits
            assert (fresh.fence, fresh.spec) == (held.fence, spec)

        self.step(act)

    @precondition(lambda self: self.leases)
    @rule(which=st.integers(1, 6))
    def ready(self, which: int) -> None:
        held = self.held(which)
        assert held is not None
        self.step(lambda: self.say_ready(held.key, held.secret))

    def say_ready(self, key: str, secret: str) -> None:
        rooms = self.rooms()
        lease = self.books.ready(key, secret)
        for name in self.charges(lease.spec, lease.gpus):
            if name in self.measured():
                for level in self.measured()[name].levels.values():
                    level.ready(lease.fence)
        assert all(self.rooms()[name] >= room for name, room in rooms.items()), "credit lowers no H"

    @rule(
        which=st.integers(0, 6),
        how=st.sampled_from(["released", "released", "revoked", "foreign", "resize"]),
        unwritable=st.booleans(),
    )
    def release(self, which: int, how: str, unwritable: bool) -> None:
        self.unwritable |= unwritable and how in ("released", "revoked")
        held = self.held(which)
        key = held.key if held else "nobody"

        def act() -> None:
            rooms, leases = self.rooms(), list(self.books.leases)
            try:
                match how:
                    case "released":
                        self.books.release(key, held.secret if held else None, self.now)
                    case "revoked":
                        self.books.revoke(key, self.now)
                    case "foreign":
                        self.books.release(key, "not its secret", self.now)
                    case _:
                        self.books.renew(key, None, self.now, 60, Resize(memory_bytes=0))
            except (Foreign, Gone):
                assert (self.rooms(), list(self.books.leases)) == (rooms, leases), "8"
                raise
            assert how in ("released", "revoked")
            assert all(self.rooms()[name] >= room for name, room in rooms.items()), "5"

        self.step(act)

    @precondition(lambda self: any(each.process for each in self.leases.values()))
    @rule(pid=st.sampled_from(PIDS))
    def exit(self, pid: int) -> None:
        def act() -> None:
            rooms = self.rooms()
            self.books.exited(w.process(pid), self.now)
            assert all(self.rooms()[name] >= room for name, room in rooms.items()), "5"

        self.step(act)
        self.resident[pid] = self.video[pid] = 0

    @rule(capacity=st.sampled_from([600, w.CAPACITY]))
    def another_size(self, capacity: int) -> None:
        """9: the machine may be smaller than it was for those who wait."""
        self.capacity = capacity
        self.now += 1
        self.see(frozenset())
        self.step(lambda: None)

    @rule(limit=st.sampled_from([0, 1, QUEUE.limit]))
    def another_limit(self, limit: int) -> None:
        """The line may be shorter than it is; whoever stands in it keeps its place."""
        self.books.queue.resize(limit)

    @rule(what=st.sampled_from(["disconnect", "drain", "resume", "cannot write", "cgroup", "give up"]))
    def event(self, what: str) -> None:
        match what:
            case "disconnect":
                self.step(lambda: self.books.disconnected("c1", self.now))
            case "drain":
                self.draining = not self.draining
                self.step(lambda: self.books.drain(self.draining))
                self.draining = self.books.draining  # it may have been taken back
                assert not (self.draining and self.places), "13"
            case "resume":
                self.step(lambda: self.books.resumed(self.now))
                for each in self.books.leases:
                    end = min(self.now + each.ttl_seconds, each.ends_by_runtime_at)
                    assert each.expires_at >= end or self.unwritable is False
            case "cannot write":
                self.unwritable = True
            case "cgroup":
                self.grouped = not self.grouped
            case _:
                newest = max(self.books.leases, key=lambda lease: lease.fence, default=None)
                if newest is not None:
                    self.step(lambda: self.books.give_up(newest, self.now))

    @precondition(lambda self: self.places)
    @rule(which=st.integers(0, 5), what=st.sampled_from(["abandon", "attend", "leave", "foreign"]))
    def place(self, which: int, what: str) -> None:
        key = sorted(self.places)[which % len(self.places)]
        asked = self.places[key]

        def act() -> None:
            waiter = self.books.queue.find(key)
            if waiter is None:
                return
            match what:
                case "abandon":
                    self.books.abandon(key, self.now)
                case "attend":
                    self.ask(asked, True)
                case "leave":
                    self.books.check_ticket(key, waiter.secret)
                    self.books.leave(key)
                case _:
                    self.books.check_ticket(key, "not its ticket")

        answer = self.step(act)
        assert (what == "foreign") == isinstance(answer, Foreign) or answer is None

    # --- always ---

    def rooms(self) -> dict[str, float]:
        return {account.name: account.room for account in self.books.ledger.accounts}

    @invariant()
    def the_books_are_what_they_would_be_if_made_anew(self) -> None:
        """4, and with it 14."""
        ledger = self.books.ledger
        assert {each.fence: each for each in self.books.leases} == self.leases
        assert {key for key in KEYS if self.books.queue.find(key)} == set(self.places), "13"
        assert len(self.books.queue) == len(self.places) == len(self.books._asked)
        assert ledger.reserved_bytes == sum(each.spec.memory_bytes for each in self.leases.values())
        assert ledger.slots.used == self.jobs()
        assert ledger.providers.find("calls").slots.used == self.calls()
        for account in ledger.accounts:
            name = unlabelled(account.name)
            assert account.room == self.h(name), f"4: {name}"
            if name in self.measured():
                assert account.promised == self.measured()[name].promised, f"4: {name}"

    @invariant()
    def whatever_is_in_use_is_held_by_somebody(self) -> None:
        """10; and each byte is credited once."""
        for name, account in self.measured().items():
            for level_name, level in account.levels.items():
                attributed = sum(m for g, (m, _) in account.uses.items() if account.inside(g, level_name))
                assert level.y + level.k + attributed + level.credited >= level.used, f"10: {name} {level_name}"
                claims = [claim for claim in level.claims.values() if claim.credit]
                if claims:
                    oldest = min(claims, key=lambda claim: claim.since)
                    assert level.credited <= level.growth(oldest)
                    assert all(claim.credit <= claim.declared for claim in claims)


def label(name: str) -> str:
    return f"gpu:{name[1]}:memory" if name in ("g0", "g1") else name


def unlabelled(name: str) -> str:
    return f"g{name[4]}" if name.startswith("gpu:") else name


TestBooks = pytest.mark.timeout(300)(Story.TestCase)
TestBooks.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
