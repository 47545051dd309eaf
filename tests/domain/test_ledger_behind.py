"""What is kept for whoever is protected, and what is not blamed on it."""

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.external import Level
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from tests.domain.admission_world import gpu, gpus, ledger
from tests.domain.ledger_world import CALLS, held, seen


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


def test_of_what_the_protected_does_not_ask_for_nothing_is_kept() -> None:
    of = seen(of=ledger(slots=100))
    assert behind(of, JobSpec(cpu_millicores=8000, units=(("lic", 3),)), JobSpec(memory_bytes=700)) == []


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
