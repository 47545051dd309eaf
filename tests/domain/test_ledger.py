"""One decision over everything that is shared, and its reasons."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.accounts import MACHINE, Use
from aura_actors.domain.books import Books
from aura_actors.domain.devices import GpuRule
from aura_actors.domain.external import Level
from aura_actors.domain.gpu import GpuProcess
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import GpuNeed, JobSpec, Resize
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from aura_actors.domain.reasons import Outcome, Shortfall
from aura_actors.domain.slots import SlotRule
from aura_actors.errors import Refused
from tests.domain.admission_world import books, gpu, gpus, ledger, machine, process, request, use

CALLS = (ProviderNeed(name="calls", tokens=10),)


def seen(used: int = 0, *, of: Ledger | None = None, **changes: Any) -> Ledger:
    made = ledger() if of is None else of
    made.look(machine(0.0, used, **changes))
    return made


def said(of: Ledger, spec: JobSpec, now: float = 0.0) -> tuple[str, list[str]]:
    judged = of.judge(spec, now)
    assert (of.plan(spec, now) is not None) == (judged.outcome is Outcome.GRANT)
    return judged.outcome.value, [reason.dimension for reason in judged.reasons]


def only(of: Ledger, spec: JobSpec, now: float = 0.0) -> Shortfall:
    (reason,) = of.judge(spec, now).reasons
    return reason


def held(of: Ledger, *needs: JobSpec, processes: tuple[int, ...] = ()) -> Books:
    """Books over it in which jobs `a`, `b`, ... hold those needs."""
    made = books(of)
    for number, spec in enumerate(needs):
        pid = processes[number] if processes else None
        asked = request("abcdefghijklmnop"[number], process=None if pid is None else process(pid))
        made.acquire(type(asked)(key=asked.key, owner="anna", spec=spec, process=asked.process), 0.0, wait=False)
    return made


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


# --- devices -----------------------------------------------------------------------------------------------------


def test_a_gpu_on_a_machine_without_one_is_never_once_the_probe_has_answered() -> None:
    need = JobSpec(gpu=GpuNeed())
    assert said(seen(), need) == ("wait", ["gpu"])
    assert said(seen(gpu=gpus()), need) == ("never", ["gpu"])
    assert said(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(memory_bytes=91))) == ("never", ["gpu"])
    assert said(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(count=2))) == ("never", ["gpu"])


def test_a_preferred_gpu_falls_back_to_none() -> None:
    need = JobSpec(gpu=GpuNeed(required=False, memory_bytes=50))
    of = seen(gpu=gpus(gpu(0)))
    first, second = of.plan(need, 0.0), held(of, need).ledger.plan(need, 0.0)
    assert first is not None
    assert second is not None
    assert ([d.uuid for d in first.devices], second.devices, second.charges) == (["g0"], [], [])
    assert said(seen(gpu=gpus()), need) == ("grant", [])


def test_a_preferred_gpu_falls_back_where_main_memory_is_short_for_it() -> None:
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(required=False, memory_bytes=500))
    plan = seen(400, gpu=gpus(gpu(0, total=None))).plan(need, 0.0)
    assert plan is not None
    assert (plan.devices, [amount for _, amount in plan.charges]) == ([], [100])
    assert said(seen(750, gpu=gpus(gpu(0))), need) == ("wait", ["memory"])


def test_devices_that_share_main_memory_take_from_it() -> None:
    shared = gpus(gpu(0, total=None), gpu(1, total=None))
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(memory_bytes=200, count=2))
    of = held(seen(gpu=shared), need).ledger
    assert (of.memory.promised, of.memory.room, of.reserved_bytes) == (500, 300, 100)
    assert only(of, need).needed == 500
    assert said(of, JobSpec(gpu=GpuNeed(memory_bytes=801))) == ("never", ["memory"])
    assert said(of, JobSpec(memory_bytes=1, gpu=GpuNeed(memory_bytes=300)))[1] == ["memory"]
    of.end(1, 0.0, answered=True)
    assert of.memory.room == 800


def test_memory_of_a_device_is_measured_and_attributed_by_process() -> None:
    need = JobSpec(gpu=GpuNeed(memory_bytes=50))
    of = held(seen(gpu=gpus(gpu(0, used=10))), need, processes=(5,)).ledger
    (device,) = of.devices
    assert device.memory is not None
    assert device.memory.room == 90 - 10 - 50
    used = gpu(0, used=70, processes=[(5, 40), (6, 20), (5, 5), (None, 1)])
    of.look(machine(1.0, gpu=gpus(used), groups=(use([1], 1, pid=5),)))
    assert (device.memory.external, device.memory.promised, device.memory.room) == (25, 50, 15)
    of.look(machine(2.0, gpu=gpus(gpu(0, used=85, processes=[(5, 60)])), groups=(use([1], 1, pid=5),)))
    assert (device.memory.external, device.memory.promised) == (25, 60)
    of.look(machine(3.0, gpu=gpus(gpu(0, used=25)), groups=(use([1], 1, pid=5),)))
    assert (device.memory.use_of("process 5 5"), device.memory.promised) == (Use(0, 0), 50)


def test_a_device_that_does_not_tell_who_uses_how_much_of_it_is_used_by_others() -> None:
    of = held(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(memory_bytes=50)), processes=(5,)).ledger
    (device,) = of.devices
    assert device.memory is not None
    unknown = GpuProcess(pid=5, host_pid=5, used_bytes=None)
    for at, processes in enumerate(((unknown,), None), start=1):
        told = msgspec.structs.replace(gpu(0, used=20), processes=processes)
        of.look(machine(float(at), gpu=gpus(told), groups=(use([1], 1, pid=5),)))
        assert (device.memory.external, device.memory.promised) == (20, 50)


def test_a_lease_from_before_a_restart_holds_its_devices_memory_once_that_is_known() -> None:
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(memory_bytes=50))
    lease = next(iter(held(seen(gpu=gpus(gpu(0))), need).leases))
    of = ledger()
    of.restore(lease, 0.0)
    assert of.memory.promised == 150
    of.look(machine(0.0, gpu=gpus(gpu(0))))
    (device,) = of.devices
    assert device.memory is not None
    assert (of.memory.promised, device.memory.promised, device.memory.room) == (100, 50, 40)
    assert said(of, JobSpec(gpu=GpuNeed(memory_bytes=41))) == ("wait", ["gpu"])
    of.end(lease.fence, 0.0, answered=True)
    assert (of.memory.promised, device.memory.promised, device.holders) == (0, 0, {})


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "the GPU probe has not answered yet"),
        (gpus(gpu(0, status="lost")), "the GPU driver does not answer now"),
        (gpus(gpu(0, used=90)), "0 of 1 GPUs can take it now"),
    ],
)
def test_why_there_is_no_device_is_told(state: Any, text: str) -> None:
    reason = only(seen(gpu=state), JobSpec(gpu=GpuNeed(memory_bytes=20)))
    assert (reason.dimension, reason.text, reason.external, reason.available) == ("gpu", text, True, 0)


def test_whoever_is_on_the_devices_is_named() -> None:
    of = held(seen(gpu=gpus(gpu(0))), JobSpec(), JobSpec(gpu=GpuNeed(exclusive=True))).ledger
    reason = only(of, JobSpec(gpu=GpuNeed()))
    assert (reason.holders, reason.external) == (("b",), False)


def test_a_busy_device_is_told_from_a_full_one() -> None:
    of = ledger(gpu=GpuRule(busy_percent=50))
    for second in range(30):
        of.look(machine(float(second), gpu=gpus(gpu(0, busy=100))))
    assert only(of, JobSpec(gpu=GpuNeed()), 29.0).text == "every GPU is more than 50 % busy"


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


# --- behind whoever is protected ---------------------------------------------------------------------------------


def behind(of: Ledger, spec: JobSpec, waiting: JobSpec) -> list[tuple[str, float, float]]:
    judged = of.judge(spec, 0.0, of.reserve("large", waiting))
    assert (of.plan(spec, 0.0, of.reserve("large", waiting)) is None) == bool(judged.reasons)
    for reason in judged.reasons:
        assert reason.holders == ("large",)
        assert reason.text == "it is kept for large, which has waited longest"
    return [(reason.dimension, reason.needed, reason.available) for reason in judged.reasons]


def test_the_whole_vector_of_the_protected_is_kept_from_those_behind() -> None:
    found = gpus(gpu(0))
    of = seen(of=ledger(slots=1), gpu=found, scratch=Level(name=MACHINE, capacity_bytes=100, used_bytes=0))
    of.slots.resize(1)
    waiting = JobSpec(
        memory_bytes=700,
        cpu_millicores=8000,
        scratch_bytes=90,
        units=(("lic", 3),),
        gpu=GpuNeed(memory_bytes=90),
        providers=CALLS,
    )
    assert behind(of, JobSpec(memory_bytes=100, job_slots=0), waiting) == []
    assert behind(of, JobSpec(memory_bytes=101, job_slots=0), waiting) == [("memory", 101, 100)]
    assert behind(of, JobSpec(cpu_millicores=1, job_slots=0), waiting) == [("cores", 1, 0)]
    assert behind(of, JobSpec(scratch_bytes=1, job_slots=0), waiting) == [("scratch", 1, 0)]
    assert behind(of, JobSpec(units=(("lic", 1),), job_slots=0), waiting) == [("units:lic", 1, 0)]
    assert behind(of, JobSpec(gpu=GpuNeed(memory_bytes=1), job_slots=0), waiting) == [("gpu", 1, 0)]
    assert behind(of, JobSpec(gpu=GpuNeed(exclusive=True), job_slots=0), waiting) == [("gpu", 1, 0)]
    assert behind(of, JobSpec(gpu=GpuNeed(), job_slots=0), waiting) == []
    assert behind(of, JobSpec(), waiting) == [("jobs", 1, 0)]
    assert behind(of, JobSpec(), JobSpec(job_slots=0)) == []
    assert behind(of, JobSpec(job_slots=0, providers=CALLS), waiting) == []


def test_memory_of_a_device_that_shares_main_memory_is_kept_there() -> None:
    of = seen(gpu=gpus(gpu(0, total=None)))
    waiting = JobSpec(gpu=GpuNeed(memory_bytes=700))
    assert behind(of, JobSpec(memory_bytes=101, job_slots=0), waiting) == [("memory", 101, 100)]


def test_a_device_that_is_only_preferred_is_kept_for_nobody() -> None:
    of = seen(gpu=gpus(gpu(0)))
    assert behind(of, JobSpec(gpu=GpuNeed(exclusive=True)), JobSpec(gpu=GpuNeed(required=False))) == []


def test_what_would_just_fit_without_the_protected_is_kept_for_it() -> None:
    assert behind(seen(), JobSpec(memory_bytes=800), JobSpec(memory_bytes=1)) == [("memory", 800, 799)]


def test_slots_that_are_all_taken_are_not_blamed_on_the_protected() -> None:
    of = held(seen(of=ledger(slots=1)), JobSpec()).ledger
    (reason,) = of.judge(JobSpec(), 0.0, of.reserve("large", JobSpec())).reasons
    assert (reason.holders, reason.text) == (("a",), "all 1 job slots are taken")


def test_the_last_slot_at_another_provider_is_not_kept() -> None:
    of = seen(of=ledger(limits={"calls": ProviderLimits(max_concurrent=1), "b": ProviderLimits(max_concurrent=1)}))
    assert behind(of, JobSpec(providers=(ProviderNeed(name="b"),)), JobSpec(providers=CALLS)) == []


def test_the_last_slot_at_a_provider_is_kept_for_the_protected() -> None:
    of = held(seen(), JobSpec(job_slots=0, providers=CALLS)).ledger
    assert behind(of, JobSpec(job_slots=0, providers=CALLS), JobSpec(providers=CALLS)) == [("provider:calls", 2, 1)]


def test_what_is_short_besides_is_not_blamed_on_the_protected() -> None:
    of = held(seen(), JobSpec(memory_bytes=700)).ledger
    (reason,) = of.judge(JobSpec(memory_bytes=150), 0.0, of.reserve("large", JobSpec(memory_bytes=50))).reasons
    assert (reason.available, reason.holders) == (50, ("a",))
