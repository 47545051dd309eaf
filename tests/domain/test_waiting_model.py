"""The queue against a naive model, which sorts all of them anew for every question and tests each by itself."""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aura_actors.domain.waiting import GPU_HEAD_START_SECONDS, Queue, QueueRule, Waiter
from tests.domain.waiting_room import Machine, Need, waiter
from tests.effort import effort

RULE = QueueRule(limit=12, pass_limit=3, protect_after_seconds=20, class_seconds=15, ticket_ttl_seconds=12)
NEEDS = st.sampled_from(
    [Need(2), Need(5), Need(11), Need(11), Need(16), Need(3, gpus=1), Need(0, gpus=1), Need(12, slots=2)]
)
# Quarters of seconds: sums and differences of them are exact.
SECONDS = st.integers(1, 100).map(lambda quarters: quarters / 4)
REQUESTS = st.fixed_dictionaries(
    {
        "need": NEEDS,
        "rank": st.integers(0, 2),
        "wants_gpu": st.booleans(),
        "max_runtime_seconds": st.sampled_from([None, 4.0, 15.0, 60.0]),
        "late": st.sampled_from([0.0, 0.0, 5.0, 30.0]),
        "attended": st.sampled_from([True, True, True, False]),
    }
)


@dataclass
class Entry:
    waiter: Waiter
    kept_until: float | None = None
    passed: int = 0
    doubted: bool = False


class Story(RuleBasedStateMachine):
    """None lost, none started twice, the order obeyed, one protected at most, and nobody behind it in its way."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(RULE)
        self.machine = Machine(slots=5)
        self.machine.running["first"] = (Need(6), 1000.0)
        self.entries: dict[str, Entry] = {}
        self.protected: str | None = None
        self.number = 0

    # --- the model ---

    @property
    def now(self) -> float:
        return self.machine.now

    def order(self, each: Waiter, gpu_seconds: float = 0.0) -> tuple[float, int]:
        age = self.now - each.since + (gpu_seconds if each.wants_gpu else 0)
        return each.rank * RULE.class_seconds - age, each.number

    def attended(self) -> list[Entry]:
        there = [entry for entry in self.entries.values() if entry.kept_until is None]
        return sorted(there, key=lambda entry: self.order(entry.waiter))

    def heads(self) -> list[Entry]:
        return [entry for entry in self.attended() if not entry.doubted][:1]

    def guard(self) -> str | None:
        for entry in self.heads() if self.protected is None else []:
            if entry.passed >= RULE.pass_limit or self.now - entry.waiter.since >= RULE.protect_after_seconds:
                return entry.waiter.key
        return self.protected

    def allowed(self, each: Waiter) -> bool:
        guard = self.guard()
        if guard is None or guard == each.key:
            return self.machine.fits(each, None)
        protected = self.entries[guard].waiter
        limit, latest = each.max_runtime_seconds, self.machine.earliest(protected)
        if limit is not None and latest is not None and self.now + limit <= latest:
            return self.machine.fits(each, None)
        return self.machine.fits(each, protected)

    def expected(self) -> str | None:
        lead = GPU_HEAD_START_SECONDS if self.machine.gpu_free() else 0.0
        there = [entry.waiter for entry in self.attended()]
        there.sort(key=lambda each: (each.key != self.guard(), self.order(each, lead)))
        return next((each.key for each in there if self.allowed(each)), None)

    def pass_head(self, started: Waiter) -> None:
        for head in self.heads():
            head.passed += self.order(head.waiter) < self.order(started)

    def start(self, each: Waiter) -> None:
        """Whoever is not out of the way leaves what the protected one needs of all that it takes of itself."""
        guard = self.guard()
        latest = self.machine.earliest(self.entries[guard].waiter) if guard in self.entries else None
        limit = each.max_runtime_seconds
        backfilled = limit is not None and latest is not None and self.now + limit <= latest
        self.machine.start(each)
        if guard in self.entries and guard != each.key and not backfilled:
            kept = self.entries[guard].waiter.spec
            taken = [d for d, amount in enumerate(each.spec) if amount > 0]
            assert all(self.machine.free[d] >= kept[d] for d in taken)

    # --- what happens ---

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=6))
    def arrive(self, requests: list[dict[str, Any]]) -> None:
        for request in requests:
            self.come(**request)

    def come(self, need: Need, late: float, attended: bool, **fields: Any) -> None:
        self.number += 1
        each = waiter(self.number, need, since=self.now - late, **fields)
        may_start = self.queue.may_start(each, self.now, self.machine)
        assert may_start == self.allowed(each)
        if may_start and attended:
            self.start(each)
            self.queue.passed_by(each)
            self.pass_head(each)
        elif self.queue.full:
            assert len(self.entries) == RULE.limit
        else:
            self.queue.offer(each, attended)
            until = None if attended else each.since + RULE.ticket_ttl_seconds
            self.entries[each.key] = Entry(each, until)

    @rule()
    def start_all(self) -> None:
        while True:
            key = self.expected()
            self.protected = self.guard()
            picked = self.queue.next(self.now, self.machine)
            assert (picked and picked.key) == key
            if picked is None:
                break
            self.start(picked)
            assert self.queue.remove(picked.key) == self.entries.pop(picked.key).waiter
            if self.protected == picked.key:
                self.protected = None
            self.pass_head(picked)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), ttl=SECONDS)
    def leave_alone(self, data: st.DataObject, ttl: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        self.queue.abandon(key, self.now, ttl)
        self.entries[key].kept_until = self.now + ttl
        if self.protected == key:
            self.protected = None

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        entry = self.entries[data.draw(st.sampled_from(sorted(self.entries)))]
        self.queue.attend(entry.waiter.key, self.now)
        if entry.kept_until is not None and entry.kept_until <= self.now:
            found = self.queue.find(entry.waiter.key)
            assert found is not None
            entry.waiter, entry.passed, entry.doubted = found, 0, False
            assert found.since == self.now
        entry.kept_until = None

    @rule(least=st.sampled_from([3, 12, 17]))
    def doubt(self, least: int) -> None:
        """Those who want so much memory are not held a place for."""
        doubted = self.queue.doubt(lambda each: each.spec.memory < least)
        for entry in self.entries.values():
            entry.doubted = entry.waiter.spec.memory >= least
            if entry.doubted and self.protected == entry.waiter.key:
                self.protected = None
        assert {each.key for each in doubted} == {key for key, entry in self.entries.items() if entry.doubted}

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        self.queue.next(self.now, Machine(0, 0, 0))
        self.protected = self.guard()
        assert self.queue.remove(key) == self.entries.pop(key).waiter
        if self.protected == key:
            self.protected = None

    @rule()
    def expire(self) -> None:
        over = {each.key for each in self.queue.expired(self.now)}
        kept = {key: entry.kept_until for key, entry in self.entries.items()}
        assert over == {key for key, until in kept.items() if until is not None and until <= self.now}
        for key in over:
            self.queue.remove(key)
            del self.entries[key]

    @precondition(lambda self: self.machine.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.machine.end(data.draw(st.sampled_from(sorted(self.machine.running))))
        self.start_all()

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.machine.now += seconds

    # --- what always holds ---

    @invariant()
    def nobody_is_lost_and_nobody_is_left_over(self) -> None:
        assert {each.key for each in self.queue.line(self.now)} == self.entries.keys()
        assert len(self.queue) == len(self.entries)
        for key, entry in self.entries.items():
            assert self.queue.find(key) == entry.waiter
            assert self.queue.passed(key) == entry.passed
            assert self.queue.attended(key) == (entry.kept_until is None)

    @invariant()
    def one_is_protected_at_most_and_somebody_attends_it(self) -> None:
        assert (self.queue.protected and self.queue.protected.key) == self.protected
        assert self.protected is None or self.queue.attended(self.protected)
        at_once = self.queue.protected_at(self.now)
        assert (at_once and at_once.key) == self.guard()

    @invariant()
    def positions_count_the_sorted_line(self) -> None:
        guard = self.guard()
        line = sorted(self.entries, key=lambda key: (key != guard, self.order(self.entries[key].waiter)))
        positions = [self.queue.position(self.entries[key].waiter, self.now) for key in line]
        assert positions == list(range(1, len(line) + 1))
        assert [each.key for each in self.queue.line(self.now)] == line


TestStory = Story.TestCase
TestStory.settings = settings(
    max_examples=effort("AURA_CHAOS_EXAMPLES", desk=50, ci=250), stateful_step_count=40, deadline=None
)
