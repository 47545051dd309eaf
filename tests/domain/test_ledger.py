"""One decision over everything that is shared, and its reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.external import Level
from aura_actors.domain.needs import JobSpec, Resize
from aura_actors.domain.providers import ProviderLimits
from aura_actors.domain.slots import SlotRule
from aura_actors.errors import Refused
from tests.domain.admission_world import books, gpu, gpus, ledger, machine, process, request, use
from tests.domain.ledger_world import CALLS, held, only, said, seen

# --- memory ------------------------------------------------------------------------------------------------------


def test_grants_that_have_not_materialised_count_in_full() -> None:
    """The original compared each request with what was free and granted a burst without end."""
    of = books(seen(100))
    for number in range(7):
        of.acquire(request(str(number), 100), 0.0, wait=False)
    with pytest.raises(Refused):
        of.acquire(request("one more", 1), 0.0, wait=False)


def test_external_use_is_remembered_at_its_peak_for_thirty_seconds() -> None:
    of = seen(500)
    of.look(machine(10.0, 100))
    assert of.memory.external == 500
    of.look(machine(31.0, 100))
    assert of.memory.external == 100


def test_what_a_process_used_before_its_grant_was_no_use_of_others() -> None:
    of = books(seen(400))
    of.acquire(request("a", 100, process=process(1, resident=300)), 0.0, wait=False)
    of.ledger.look(machine(1.0, 400, groups=(use([1], 300),)))
    assert of.ledger.memory.external == 100


def test_use_by_a_lease_that_ended_or_names_no_process_is_use_of_others() -> None:
    of = held(seen(), JobSpec(memory_bytes=100)).ledger
    of.look(machine(1.0, 300, groups=(use([99], 50), use([1], 70))))
    assert (of.memory.external, of.memory.promised) == (300, 100)


def test_more_than_the_idle_machine_allows_is_never() -> None:
    assert said(seen(), JobSpec(memory_bytes=801)) == ("never", ["memory"])
    assert said(seen(), JobSpec(memory_bytes=800)) == ("grant", [])
    assert said(seen(900), JobSpec(memory_bytes=800))[0] == "wait"


def test_more_than_the_budget_is_never_even_on_a_large_machine() -> None:
    of = seen(of=ledger(limit=500))
    assert said(of, JobSpec(memory_bytes=501)) == ("never", ["memory_limit"])
    assert said(of, JobSpec(memory_bytes=500)) == ("grant", [])
    assert said(ledger(limit=500), JobSpec(memory_bytes=501)) == ("never", ["memory_limit"])
    assert of.judge(JobSpec(memory_bytes=501), 0.0).reasons[0].text == "more than the configured memory_limit"


def test_nothing_is_granted_before_the_first_reading() -> None:
    of = ledger()
    assert said(of, JobSpec(memory_bytes=1)) == ("wait", ["stale_sensor"])
    assert said(of, JobSpec(memory_bytes=10**9)) == ("wait", ["stale_sensor"])


@pytest.mark.parametrize(
    ("now", "grants", "refuses"), [(4, 800, 801), (17, 400, 401), (29.9, 3, 4), (30, None, 1), (90, None, 1)]
)
def test_a_stale_sensor_shrinks_what_may_be_given_away_and_then_refuses(
    now: float, grants: int | None, refuses: int
) -> None:
    of = seen()
    if grants is not None:
        assert said(of, JobSpec(memory_bytes=grants), now)[0] == "grant"
        assert said(of, JobSpec(memory_bytes=refuses), now)[1] == ["memory"]
    else:
        assert said(of, JobSpec(memory_bytes=refuses), now)[1] == ["stale_sensor"]
    assert said(of, JobSpec(), now) == ("grant", [])


def test_the_last_byte_of_what_is_stale_is_not_given_away() -> None:
    assert said(seen(799), JobSpec(memory_bytes=1)) == ("grant", [])
    assert said(seen(799), JobSpec(memory_bytes=1), 17) == ("wait", ["memory"])


def test_every_dimension_is_an_account_main_memory_first() -> None:
    of = seen(of=ledger(limit=500), gpu=gpus(gpu(0), gpu(1, total=None)))
    names = [account.name for account in of.accounts]
    assert names == ["memory", "memory_limit", "cores", "gpu:0:memory", "scratch", "units:lic"]


def test_every_short_dimension_is_named_with_its_holders_largest_first() -> None:
    of = held(seen(of=ledger(limit=400, slots=2)), JobSpec(memory_bytes=100), JobSpec(memory_bytes=300)).ledger
    of.slots.resize(2)
    slots, limit = of.judge(JobSpec(memory_bytes=200), 0.0).reasons
    assert (slots.dimension, slots.holders) == ("jobs", ("b", "a"))
    assert (limit.dimension, limit.needed, limit.available, limit.holders) == ("memory_limit", 200, 0, ("b", "a"))


def test_ten_holders_are_named_and_no_more() -> None:
    of = held(seen(), *[JobSpec(memory_bytes=50)] * 12).ledger
    assert only(of, JobSpec(memory_bytes=300)).holders == tuple("abcdefghij")


def test_who_holds_nothing_of_what_is_short_is_not_named() -> None:
    of = held(seen(), JobSpec(memory_bytes=500), JobSpec(cpu_millicores=1000)).ledger
    assert only(of, JobSpec(memory_bytes=400)).holders == ("a",)
    assert only(of, JobSpec(cpu_millicores=8000)).holders == ("b",)


def test_who_uses_more_than_it_declared_is_named_by_what_it_uses() -> None:
    of = held(seen(), JobSpec(memory_bytes=300), JobSpec(memory_bytes=100), processes=(1, 2)).ledger
    of.look(machine(1.0, 550, groups=(use([1], 50, pid=1), use([2], 400, 500, pid=2))))
    assert only(of, JobSpec(memory_bytes=400), 1.0).holders == ("b", "a")


def test_a_shortage_that_nobody_admitted_causes_is_called_external() -> None:
    of = held(seen(600), JobSpec(memory_bytes=50)).ledger
    reason = only(of, JobSpec(memory_bytes=201))
    assert (reason.external, reason.holders, reason.available) == (True, (), 150)
    reason = only(of, JobSpec(memory_bytes=200))
    assert (reason.external, reason.holders) == (False, ("a",))


def test_the_shortfall_counts_what_is_more_than_used_up() -> None:
    of = held(seen(), JobSpec(memory_bytes=500)).ledger
    of.look(machine(1.0, 600))
    assert only(of, JobSpec(memory_bytes=100), 1.0).available == -300


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 700), st.integers(0, 20))
def test_a_job_fits_once_exactly_its_shortfall_is_freed(
    needed: int, others: int, held_already: int, milli: int
) -> None:
    of = books(seen(min(others, 700)))
    rest = max(0, 800 - min(others, 700) - held_already)
    of.acquire(request("rest", rest, cpu_millicores=milli), 0.0, wait=False)
    room = int(of.ledger.memory.room)
    if room:
        of.acquire(request("other", room), 0.0, wait=False)
    reason = only(of.ledger, JobSpec(memory_bytes=needed)) if needed <= 800 else None
    assert reason is not None
    shortfall = int(reason.needed - reason.available)
    for freed, fits in ((shortfall - 1, False), (shortfall, True)):
        for key in ("rest", "other"):
            lease = of.leases.find(key)
            if lease is not None and freed:
                freed_here = min(freed, lease.spec.memory_bytes)
                of.renew(key, lease.secret, 0.0, None, Resize(memory_bytes=lease.spec.memory_bytes - freed_here))
                freed -= freed_here
        if not freed:
            assert (of.ledger.plan(JobSpec(memory_bytes=needed), 0.0) is not None) == fits
        of.take_changes().take_back()


# --- the brake, the processor, slots -----------------------------------------------------------------------------


def test_the_brake_keeps_jobs_off_but_not_provider_slots() -> None:
    of = seen(of=ledger(), stalled_percent=20.0)
    assert said(of, JobSpec(memory_bytes=1)) == said(of, JobSpec()) == ("wait", ["brake"])
    assert said(of, JobSpec(memory_bytes=1, job_slots=0)) == ("wait", ["brake"])
    assert said(of, JobSpec(job_slots=0, providers=CALLS)) == ("grant", [])
    of.look(machine(1.0, stalled_percent=5.0))
    assert said(of, JobSpec(memory_bytes=1)) == ("grant", [])


def test_less_free_than_is_kept_for_the_interface_brakes_at_the_tightest_level() -> None:
    of = seen(levels=[(MACHINE, 1000, 100), ("/x", 100, 51)])
    assert "brake" in said(of, JobSpec(memory_bytes=1))[1]
    assert "brake" not in said(seen(levels=[(MACHINE, 1000, 100), ("/x", 100, 50)]), JobSpec(memory_bytes=1))[1]


def test_a_reading_without_memory_changes_nothing_of_memory() -> None:
    of = seen(100)
    of.look(machine(20.0, levels=[], stalled_percent=90.0))
    assert (of.memory.looked_at, of.memory.room, of.brake) == (0.0, 700, None)


def test_young_jobs_close_the_processor_before_they_are_seen() -> None:
    of = held(seen(of=ledger(busy=85)), JobSpec(cpu_millicores=7000)).ledger
    reason = only(of, JobSpec(), 1.0)
    assert (reason.dimension, reason.needed, reason.available, reason.external) == ("cpu", 15, 12.5, True)
    assert said(of, JobSpec(job_slots=0, providers=CALLS), 1.0) == ("grant", [])
    assert said(of, JobSpec(), 5.0) == ("grant", [])


def test_a_young_job_that_ends_keeps_the_processor_closed_to_nobody() -> None:
    of = held(seen(of=ledger(busy=85)), JobSpec(cpu_millicores=7000)).ledger
    of.end(1, 1.0, answered=True)
    assert said(of, JobSpec(), 1.0) == ("grant", [])


def test_cores_are_reserved_besides() -> None:
    of = held(seen(), JobSpec(cpu_millicores=6000), JobSpec(cpu_millicores=1000)).ledger
    reason = only(of, JobSpec(cpu_millicores=1001))
    assert (reason.dimension, reason.available, reason.holders) == ("cores", 1000, ("a", "b"))
    assert said(of, JobSpec(cpu_millicores=8001)) == ("never", ["cores"])
    assert said(ledger(), JobSpec(cpu_millicores=1)) == ("wait", ["cores"])


@pytest.mark.parametrize(
    ("used", "cores", "devices", "slots"),
    [(0, 8, 0, 8), (0, 32, 0, 8), (0, 4, 0, 4), (0, 3, 1, 6), (500, 8, 0, 3), (900, 8, 0, 1)],
)
def test_automatic_slots_are_the_guides_formula(used: int, cores: int, devices: int, slots: int) -> None:
    found = gpus(*(gpu(n) for n in range(devices)))
    assert seen(used, of=ledger(slots=None), cores=cores, gpu=found).slots.size == slots


def test_before_memory_was_ever_read_there_is_one_slot() -> None:
    assert seen(of=ledger(slots=None), levels=[]).slots.size == 1


def test_slots_are_fixed_where_they_are_configured() -> None:
    assert SlotRule(fixed=7, bytes_per_job=1, max_jobs=10).size(0, 1, 0) == 7
    assert SlotRule(bytes_per_job=0, max_jobs=10).size(5, 100, 0) == 5


def test_fewer_slots_revoke_nobody_and_count_as_more_than_used_up() -> None:
    of = held(seen(of=ledger(slots=None), cores=4), *[JobSpec()] * 4)
    of.look(machine(1.0, cores=1))
    reason = only(of.ledger, JobSpec(), 1.0)
    assert (len(of.leases), of.ledger.slots.size) == (4, 1)
    assert (reason.dimension, reason.needed, reason.available) == ("jobs", 1, -3)


# --- scratch, units, providers -----------------------------------------------------------------------------------


def test_scratch_and_units_are_dimensions_like_others() -> None:
    of = seen(scratch=Level(name=MACHINE, capacity_bytes=100, used_bytes=30))
    of = held(of, JobSpec(scratch_bytes=40, units=(("lic", 2),))).ledger
    assert said(of, JobSpec(scratch_bytes=21, units=(("lic", 2),))) == ("wait", ["scratch", "units:lic"])
    assert said(of, JobSpec(scratch_bytes=20, units=(("lic", 1),))) == ("grant", [])
    assert said(of, JobSpec(units=(("lic", 4),))) == ("never", ["units:lic"])
    assert said(of, JobSpec(units=(("none", 1),))) == ("never", ["units:none"])


def test_a_denial_burns_no_rate() -> None:
    limits = {"calls": ProviderLimits(max_concurrent=2, requests_per_minute=5, tokens_per_minute=30)}
    of = books(seen(of=ledger(limits=limits)))
    of.acquire(request("a", 700, providers=CALLS), 0.0, wait=False)
    provider = of.ledger.providers.find("calls")
    with pytest.raises(Refused, match="memory"):
        of.acquire(request("b", 200, providers=CALLS), 0.0, wait=False)
    assert (provider.available_requests(0.0), provider.available_tokens(0.0), provider.slots.used) == (4, 20, 1)


def test_who_calls_a_provider_is_named() -> None:
    of = held(seen(), JobSpec(), JobSpec(providers=CALLS), JobSpec(job_slots=0, providers=CALLS)).ledger
    reason = only(of, JobSpec(providers=CALLS))
    assert (reason.dimension, reason.holders) == ("provider:calls", ("b", "c"))
