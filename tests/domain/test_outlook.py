"""When there is room at the latest, going by the enforced runtimes of what holds it."""

from typing import Any

from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.domain.outlook import earliest
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from tests.domain.admission_world import books, gpu, gpus, ledger, machine, process, request, use

CALLS = (ProviderNeed(name="calls"),)


def running(*jobs: dict[str, Any], of: Ledger | None = None, **changes: Any) -> Ledger:
    """A ledger in which such jobs began at 0; `until` is the end of their enforced runtime."""
    made = ledger() if of is None else of
    made.look(machine(**changes))
    leases = books(made)
    for number, job in enumerate(jobs):
        until, need = job.get("until"), {name: value for name, value in job.items() if name != "until"}
        leases.acquire(request(f"job {number}", max_runtime_seconds=until, **need), 0.0, wait=False)
    return made


def at(of: Ledger, now: float = 1.0, **need: Any) -> float | None:
    return earliest(of, JobSpec(**need), now)


def test_what_fits_now_may_start_now() -> None:
    assert at(running({"memory": 300}), memory_bytes=500) == 1


def test_memory_comes_back_job_by_job_in_the_order_of_their_ends() -> None:
    of = running({"memory": 300, "until": 20}, {"memory": 500, "until": 10})
    assert (at(of, memory_bytes=500), at(of, memory_bytes=501)) == (10, 20)


def test_whoever_runs_for_ever_is_waited_for_only_where_it_is_in_the_way() -> None:
    of = running({"memory": 300}, {"memory": 500, "until": 10})
    assert (at(of, memory_bytes=500), at(of, memory_bytes=501)) == (10, None)


def test_a_job_waits_for_a_slot_and_what_is_no_job_does_not() -> None:
    of = running({"until": 10}, {"until": 20}, of=ledger(slots=2))
    assert (at(of), at(of, job_slots=0)) == (10, 1)
    assert at(running({"until": 10}, of=ledger(slots=2))) == 1


def test_a_device_that_somebody_has_for_itself_is_waited_for() -> None:
    of = running({"gpu": GpuNeed(exclusive=True), "until": 10}, gpu=gpus(gpu(0)))
    assert (at(of, gpu=GpuNeed()), at(of, gpu=GpuNeed(exclusive=True)), at(of)) == (10, 10, 1)


def test_to_have_a_device_for_itself_a_job_waits_for_all_who_are_on_it() -> None:
    of = running({"gpu": GpuNeed(), "until": 10}, {"gpu": GpuNeed(), "until": 20}, gpu=gpus(gpu(0)))
    assert (at(of, gpu=GpuNeed(exclusive=True)), at(of, gpu=GpuNeed())) == (20, 1)


def test_memory_of_a_device_comes_back_too() -> None:
    of = running({"gpu": GpuNeed(memory_bytes=80), "until": 10}, gpu=gpus(gpu(0)))
    assert (at(of, gpu=GpuNeed(memory_bytes=11)), at(of, gpu=GpuNeed(memory_bytes=10))) == (10, 1)


def test_a_slot_at_a_provider_comes_back_whatever_the_spelling_of_its_name() -> None:
    one, other = {"providers": CALLS, "until": 10}, {"providers": CALLS, "until": 20}
    shout = (ProviderNeed(name="CALLS"),)
    assert at(running(one, other), providers=shout) == 10
    assert at(running(one), providers=shout) == 1


def test_nobody_can_say_where_others_use_it_or_a_rate_is_limited() -> None:
    assert at(running({"until": 10}, used=700), memory_bytes=200) is None
    for limits in (
        ProviderLimits(max_concurrent=2, requests_per_minute=5),
        ProviderLimits(max_concurrent=2, tokens_per_minute=5),
    ):
        assert at(running(of=ledger(limits={"calls": limits})), providers=CALLS) is None


def test_what_jobs_that_ended_have_not_given_back_is_no_jobs_to_wait_for() -> None:
    of = ledger()
    of.look(machine())
    leases = books(of)
    for number, key in enumerate(("ends", "stays"), start=1):
        asked = request(key, 400, process=process(number), max_runtime_seconds=50)
        leases.acquire(asked, 0.0, wait=False)
    both = (use([1], 400, pid=1), use([2], 400, pid=2))
    of.look(machine(0.5, 800, groups=both))
    of.end(1, 0.5, answered=True)
    assert of.plan(JobSpec(memory_bytes=400), 1.0) is None
    assert at(of, memory_bytes=400) == 1
