"""What is told to whoever must wait or can never start: sentences, amounts, and whether others are the cause."""

import pytest

from aura_actors.domain import objections as say
from aura_actors.domain.accounts import MACHINE, Allowance, Counted, Measured
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.devices import Devices, GpuRule
from aura_actors.domain.external import Level
from aura_actors.domain.gpu import GpuUse
from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.domain.reasons import Shortfall
from tests.domain.admission_world import gpu, gpus, ledger, machine

WAITS = "it is kept for large, which has waited longest"


def told(reason: Shortfall) -> tuple[str, float, float, tuple[str, ...], bool]:
    return reason.dimension, reason.needed, reason.available, reason.holders, reason.external


def memory(used: int) -> Measured:
    made = Measured("memory", Allowance(threshold_percent=80))
    made.look(0.0, [Level(name=MACHINE, capacity_bytes=1000, used_bytes=used)], {})
    return made


def devices(*seen: GpuUse) -> Devices:
    made = Devices(GpuRule())
    made.look(0.0, gpus(*seen), {})
    return made


@pytest.mark.parametrize(
    ("reason", "dimension", "text"),
    [
        (say.braked("it is short"), "brake", "it is short"),
        (say.stale("memory", 30.0), "stale_sensor", "memory was not measured for more than 30 s"),
        (
            say.no_such_unit("lic"),
            "units:lic",
            "there is no unit lic: the configuration has no [admission.units.lic]",
        ),
    ],
)
def test_what_no_amount_is_asked_of_is_missing_as_a_whole(reason: Shortfall, dimension: str, text: str) -> None:
    assert (told(reason), reason.text) == ((dimension, 1, 0, (), True), text)


def test_who_holds_the_slots_is_named_unless_the_last_one_is_kept() -> None:
    taken = say.no_slot(4, 0, ("a", "b"), None)
    assert (told(taken), taken.text) == (("jobs", 1, 0, ("a", "b"), False), "all 4 job slots are taken")
    kept = say.no_slot(4, 0, ("a", "b"), "large")
    assert (told(kept), kept.text) == (("jobs", 1, 0, ("large",), False), WAITS)


def test_what_is_busy_is_told_by_what_was_left_of_it() -> None:
    reason = say.busy("cpu", "the processor", BusyGate(85), 92.4)
    assert (reason.dimension, reason.needed, reason.external) == ("cpu", 15, True)
    assert reason.available == pytest.approx(7.6)
    assert reason.text == "the processor is 92 % busy or about to be, above 85 %"


# --- accounts ----------------------------------------------------------------------------------------------------


def test_what_is_counted_is_never_used_by_others() -> None:
    reason = say.short(Counted("units:big_disk", 3), 4, 3, (), None)
    assert told(reason) == ("units:big_disk", 4, 3, (), False)
    assert reason.text == "there is not enough big disk left"


def test_what_would_not_fit_if_every_job_ended_is_used_by_others_whoever_holds_some() -> None:
    reason = say.short(memory(700), 101, 100, ("a",), None)
    assert told(reason) == ("memory", 101, 100, (), True)
    assert reason.text == "others use so much memory that it would not fit even if every job ended"
    assert not say.short(memory(700), 100, 50, (), None).external


def test_what_jobs_hold_is_told_with_their_names_and_what_is_kept_with_that_one() -> None:
    reserved = say.short(memory(0), 500, 100, ("a",), None)
    assert (told(reserved), reserved.text) == (
        ("memory", 500, 100, ("a",), False),
        "the memory is reserved by running jobs",
    )
    kept = say.short(memory(0), 500, 100, ("a",), "large")
    assert (told(kept), kept.text) == (("memory", 500, 100, ("large",), False), WAITS)


def test_more_than_there_ever_is_is_told_with_what_there_is() -> None:
    much = say.too_much(memory(0), 900, 800)
    assert (told(much), much.text) == (
        ("memory", 900, 800, (), True),
        "more memory than this machine has even when idle",
    )
    budget = say.too_much(Counted("memory_limit", 5), 6, 5)
    assert (told(budget), budget.text) == (
        ("memory_limit", 6, 5, (), True),
        "more than the configured memory_limit",
    )


# --- devices -----------------------------------------------------------------------------------------------------


def test_a_machine_without_devices_is_told_from_one_whose_devices_are_small() -> None:
    none = say.no_such_device(GpuNeed(count=2), 0, 0)
    assert (told(none), none.text) == (("gpu", 2, 0, (), True), "no GPU is known on this machine")
    small = say.no_such_device(GpuNeed(count=2), 3, 1)
    assert (told(small), small.text) == (("gpu", 2, 1, (), True), "1 of 3 GPUs are large enough")


def test_of_more_free_devices_than_are_asked_for_so_many_are_told() -> None:
    reason = say.no_device(GpuNeed(), devices(gpu(0), gpu(1)), ("a",), None)
    assert (told(reason), reason.text) == (("gpu", 1, 1, ("a",), False), "2 of 2 GPUs can take it now")


def test_devices_on_which_nobody_admitted_is_are_taken_by_others() -> None:
    assert say.no_device(GpuNeed(memory_bytes=50), devices(gpu(0, used=80)), (), None).external


def test_devices_that_do_not_answer_are_nobodys_fault() -> None:
    reason = say.no_device(GpuNeed(), devices(gpu(0, status="lost")), ("a",), None)
    assert (told(reason), reason.text) == (("gpu", 1, 0, (), True), "the GPU driver does not answer now")


def test_a_device_is_kept_only_where_it_would_be_enough_otherwise() -> None:
    of = ledger()
    of.look(machine(gpu=gpus(gpu(0), gpu(1))))
    behind = of.reserve("large", JobSpec(gpu=GpuNeed(exclusive=True)))
    kept = say.no_device(GpuNeed(count=2), of.devices, ("a",), behind)
    assert (told(kept), kept.text) == (("gpu", 2, 1, ("large",), False), WAITS)
    short = say.no_device(GpuNeed(count=3), of.devices, ("a",), behind)
    assert (told(short), short.text) == (("gpu", 3, 1, ("a",), False), "1 of 2 GPUs can take it now")
