"""The books of admission against a naive model that recomputes everything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aura_actors.domain.cpu_gate import CpuGate
from aura_actors.domain.headroom import MemoryRule, Peak
from aura_actors.domain.leases import Lease, Leases, renewed
from aura_actors.domain.ledger import JobLease, JobSpec, Ledger, SlotRule
from aura_actors.domain.machine import Machine
from aura_actors.domain.providers import Providers, SlotSpec
from aura_actors.domain.reasons import Outcome
from aura_actors.errors import Foreign, Gone
from aura_actors.kernel.permits import Permits

MB = 1_000_000
GIB = 2**30


def machine(
    at: float = 0, used: int = 0, capacity: int = 16 * GIB, cpu: float | None = 10, cores: int = 8
) -> Machine:
    return Machine(
        taken_at=at,
        memory_read_at=at,
        capacity_bytes=capacity,
        used_bytes=used,
        cpu_busy_percent=cpu,
        cores=cores,
        gpus=0,
    )


def ledger(limit: int | None = None, slots: int | None = 1000, cpu: float = 85, max_jobs: int = 10) -> Ledger:
    return Ledger(
        MemoryRule(reserved_for_ui_bytes=500 * MB, threshold_percent=80, limit_bytes=limit),
        SlotRule(fixed=slots, bytes_per_job=2 * GIB, max_jobs=max_jobs),
        CpuGate(cpu),
        Permits(1),
    )


def lease(key: str, memory: int, fence: int, expires: float = 1e9) -> JobLease:
    return Lease(
        key=key,
        owner="o",
        secret=f"s{fence}",
        fence=fence,
        spec=JobSpec(memory_bytes=memory),
        ttl_seconds=30,
        granted_at=0,
        expires_at=expires,
        granted_timestamp=0,
    )


def dimensions(books: Ledger, spec: JobSpec, now: float = 0) -> tuple[str, list[str]]:
    judged = books.judge(spec, now)
    return judged.outcome.value, [reason.dimension for reason in judged.reasons]


# --- the formula -------------------------------------------------------------------------------------------------


def test_allowed_is_the_smaller_of_the_share_and_what_the_interface_leaves() -> None:
    rule = MemoryRule(reserved_for_ui_bytes=500 * MB, threshold_percent=80)
    assert rule.allowed_bytes(16 * GIB) == int(0.8 * 16 * GIB)
    assert rule.allowed_bytes(1000 * MB) == 500 * MB
    assert rule.allowed_bytes(100 * MB) == 0


def test_grants_that_have_not_materialised_count_in_full() -> None:
    """The original compared each request with what was free and granted a burst without end."""
    books = ledger()
    books.observe(machine())
    granted = 0
    while books.judge(JobSpec(memory_bytes=GIB), 0).outcome is Outcome.GRANT:
        granted += 1
        books.enter(lease(f"j{granted}", GIB, granted))
    assert granted == int(0.8 * 16)


def test_external_use_is_remembered_at_its_peak_for_thirty_seconds() -> None:
    books = ledger()
    books.observe(machine(0, used=8 * GIB))
    books.observe(machine(10, used=2 * GIB))
    assert books.external_bytes == 8 * GIB
    books.observe(machine(31, used=2 * GIB))
    assert books.external_bytes == 2 * GIB


@given(st.lists(st.tuples(st.floats(0.01, 20), st.integers(0, 100)), min_size=1))
def test_the_peak_is_the_maximum_of_the_window(steps: list[tuple[float, int]]) -> None:
    peak, now, seen = Peak(30), 0.0, []
    for gap, value in steps:
        now += gap
        seen.append((now, value))
        peak.add(now, value)
        assert peak.value == max(v for t, v in seen if t >= now - 30)


# --- decisions ---------------------------------------------------------------------------------------------------


def test_more_than_the_idle_machine_allows_is_never() -> None:
    books = ledger()
    books.observe(machine())
    assert dimensions(books, JobSpec(memory_bytes=15 * GIB)) == ("never", ["memory"])


def test_more_than_the_budget_is_never_even_on_a_large_machine() -> None:
    books = ledger(limit=GIB)
    books.observe(machine())
    assert dimensions(books, JobSpec(memory_bytes=2 * GIB)) == ("never", ["memory_limit"])


def test_a_gpu_on_a_machine_without_one_is_never() -> None:
    books = ledger()
    books.observe(machine())
    assert dimensions(books, JobSpec(memory_bytes=0, requires_gpu=True)) == ("never", ["gpu"])


def test_nothing_is_granted_before_the_first_reading() -> None:
    assert dimensions(ledger(), JobSpec(memory_bytes=1)) == ("wait", ["stale_sensor"])


def test_nothing_is_granted_on_a_reading_older_than_thirty_seconds() -> None:
    books = ledger()
    books.observe(machine(0))
    assert dimensions(books, JobSpec(memory_bytes=1), now=30) == ("grant", [])
    assert dimensions(books, JobSpec(memory_bytes=1), now=31) == ("wait", ["stale_sensor"])


def test_every_short_dimension_is_named_with_its_holders_largest_first() -> None:
    books = ledger(limit=4 * GIB, slots=2)
    books.observe(machine())
    books.enter(lease("small", GIB, 1))
    books.enter(lease("large", 3 * GIB, 2))
    judged = books.judge(JobSpec(memory_bytes=2 * GIB), 0)
    assert [r.dimension for r in judged.reasons] == ["jobs", "memory_limit"]
    limit = judged.reasons[1]
    assert (limit.needed, limit.available, limit.holders) == (2 * GIB, 0, ("large", "small"))


def test_a_shortage_that_nobody_admitted_causes_is_called_external() -> None:
    books = ledger()
    books.observe(machine(used=12 * GIB))
    books.enter(lease("innocent", GIB // 2, 1))
    (reason,) = books.judge(JobSpec(memory_bytes=4 * GIB), 0).reasons
    assert (reason.dimension, reason.external, reason.holders) == ("memory", True, ())


@pytest.mark.parametrize(
    ("capacity", "used", "cores", "slots"),
    [(64, 0, 8, 8), (64, 0, 32, 10), (16, 0, 8, 6), (16, 10, 8, 1), (1, 0, 8, 1)],
)
def test_automatic_slots_are_the_guides_formula(capacity: int, used: int, cores: int, slots: int) -> None:
    books = ledger(slots=None)
    books.observe(machine(capacity=capacity * GIB, used=used * GIB, cores=cores))
    assert books.slots.size == slots


def test_fewer_slots_revoke_nobody() -> None:
    books = ledger(slots=None)
    books.observe(machine(cores=4))
    for n in range(4):
        books.enter(lease(f"j{n}", 1, n))
    books.observe(machine(1, cores=1))
    assert (len(books.leases), books.slots.size) == (4, 1)
    assert dimensions(books, JobSpec(memory_bytes=1), 1) == ("wait", ["jobs"])


def test_the_processor_gate_closes_above_its_threshold_and_opens_five_points_below() -> None:
    gate = CpuGate(85)
    for second in range(60):
        gate.observe(second, 90)
    assert gate.closed
    for second in range(60, 120):
        gate.observe(second, 82)
    assert gate.closed
    for second in range(120, 180):
        gate.observe(second, 79)
    assert not gate.closed


def test_one_busy_second_does_not_close_the_gate() -> None:
    gate = CpuGate(85)
    for second in range(30):
        gate.observe(second, 100 if second == 20 else 30)
        assert not gate.closed


def test_the_first_reading_does_not_close_the_gate() -> None:
    """It covers a moment of our own start, which is busy by nature."""
    gate = CpuGate(85)
    gate.observe(0, 100)
    gate.observe(0.2, 100)
    assert not gate.closed


def test_a_threshold_of_a_hundred_never_denies() -> None:
    gate = CpuGate(100)
    for second in range(60):
        gate.observe(second, 100)
    assert not gate.closed


# --- leases ------------------------------------------------------------------------------------------------------


def test_a_foreign_secret_changes_nothing() -> None:
    leases: Leases[JobSpec] = Leases()
    leases.put(lease("a", 1, 1))
    for secret in (None, "", "s2", "s1 ", "ü"):
        with pytest.raises(Foreign):
            leases.check("a", secret)
    assert leases.check("a", "s1").fence == 1


def test_a_lease_that_ended_is_gone() -> None:
    leases: Leases[JobSpec] = Leases()
    with pytest.raises(Gone):
        leases.check("a", "s1")


def test_a_renewed_lease_does_not_end_at_its_old_time() -> None:
    leases: Leases[JobSpec] = Leases()
    leases.put(lease("a", 1, 1, expires=10))
    leases.put(renewed(lease("a", 1, 1, expires=10), 5, 30))
    assert leases.expired(20) == []
    assert [held.key for held in leases.expired(35)] == ["a"]


def test_a_lease_of_the_same_id_does_not_inherit_the_old_end() -> None:
    leases: Leases[JobSpec] = Leases()
    leases.put(lease("a", 1, 1, expires=10))
    leases.remove("a")
    leases.put(lease("a", 1, 2, expires=100))
    assert leases.expired(50) == []


def test_an_expired_lease_stays_due_until_it_is_removed() -> None:
    """If its removal cannot be written down, the next look must find it again."""
    leases: Leases[JobSpec] = Leases()
    leases.put(lease("a", 1, 1, expires=10))
    assert len(leases.expired(11)) == 1
    assert len(leases.expired(12)) == 1


def test_a_secret_is_not_in_the_repr() -> None:
    assert "s77" not in repr(lease("a", 1, 77))


# --- providers ---------------------------------------------------------------------------------------------------


def limit(name: str) -> int:
    return 2 if name.casefold() == "openai" else 5


def test_an_unknown_provider_gets_the_default_and_a_configured_one_its_own() -> None:
    books = Providers(["OpenAI"], limit, Permits)
    assert (books.find("OpenAI").slots.size, books.find("Other").slots.size) == (2, 5)


def test_two_spellings_of_a_provider_share_its_slots() -> None:
    """From the environment the name comes in capitals: it must not be a second provider."""
    books = Providers(["OPENAI"], limit, Permits)
    spelled = SlotSpec(provider=books.find("OpenAI").name)
    books.enter(
        Lease(
            key="s",
            owner="o",
            secret="s1",
            fence=1,
            spec=spelled,
            ttl_seconds=30,
            granted_at=0,
            expires_at=30,
            granted_timestamp=0,
        )
    )
    assert [(p.name, p.slots.used) for p in books] == [("OpenAI", 1)]
    assert books.find("openai").name == "OpenAI"


def test_idle_unknown_providers_are_forgotten_before_the_list_grows_without_end() -> None:
    books = Providers(["OpenAI"], limit, Permits, known_at_most=10)
    for n in range(100):
        books.find(f"p{n}")
    names = [provider.name for provider in books]
    assert len(names) <= 10
    assert "OpenAI" in names


# --- all of it, against a naive model ----------------------------------------------------------------------------


class Books(RuleBasedStateMachine):
    """1 a grant leaves H >= 0; 2 a non-grant changes nothing; 4 sums equal recomputed sums; 5 an end never
    lowers H; 9 what can never fit is never; 11 judging takes nothing; 12 time going back frees nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.fence = 0
        self.books = ledger(limit=12 * GIB, slots=6)
        self.model: dict[str, JobLease] = {}
        self.used: list[tuple[float, int]] = []

    @rule(gap=st.floats(0.1, 20), used=st.integers(0, 16))
    def observe(self, gap: float, used: int) -> None:
        self.now += gap
        self.used.append((self.now, used * GIB))
        self.books.observe(machine(self.now, used=used * GIB))

    @rule(key=st.sampled_from("abcdefgh"), memory=st.integers(0, 15 * GIB), ttl=st.floats(1, 60))
    def acquire(self, key: str, memory: int, ttl: float) -> None:
        if key in self.model:
            return
        before = self.books.headroom_bytes
        spec = JobSpec(memory_bytes=memory)
        judged = self.books.judge(spec, self.now)
        assert judged == self.books.judge(spec, self.now)
        if judged.outcome is Outcome.GRANT:
            self.fence += 1
            self.model[key] = lease(key, memory, self.fence, self.now + ttl)
            self.books.enter(self.model[key])
            assert self.books.headroom_bytes is not None
            assert self.books.headroom_bytes >= 0 or memory == 0
        else:
            assert judged.reasons
            assert all(r.needed > r.available for r in judged.reasons)
            assert self.books.headroom_bytes == before
        if memory > 0.8 * 16 * GIB and self.used:
            assert judged.outcome is Outcome.NEVER

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        before = self.books.headroom_bytes
        assert self.books.end(key) == self.model.pop(key)
        if before is not None:
            assert self.books.headroom_bytes is not None
            assert self.books.headroom_bytes >= before

    @rule(gap=st.floats(-100, 30))
    def expire(self, gap: float) -> None:
        if gap > 0:
            self.now += gap
        due = {held.key for held in self.books.leases.expired(self.now + min(gap, 0))}
        assert due >= {key for key, held in self.model.items() if held.expires_at <= self.now + min(gap, 0)}
        assert due <= {key for key, held in self.model.items() if held.expires_at <= self.now}
        for key in due:
            self.books.end(key)
            del self.model[key]

    @invariant()
    def sums_equal_recomputed_sums(self) -> None:
        assert self.books.reserved_bytes == sum(held.spec.memory_bytes for held in self.model.values())
        assert self.books.slots.used == len(self.model)
        assert {held.key for held in self.books.leases} == set(self.model)
        if self.used:
            peak = max(used for at, used in self.used if at >= self.used[-1][0] - 30)
            allowed = int(0.8 * 16 * GIB)
            assert self.books.headroom_bytes == allowed - peak - self.books.reserved_bytes


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
