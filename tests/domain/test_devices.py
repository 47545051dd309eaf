"""Graphics devices: which one a job gets, and what keeps it off."""

from typing import Any

import pytest

from aura_actors.domain.devices import Device, Devices, GpuRule
from aura_actors.domain.gpu import GpuState, GpuUse
from aura_actors.domain.needs import GpuNeed
from tests.domain.admission_world import gpu, gpus


def devices(*seen: GpuUse) -> Devices:
    made = Devices(GpuRule())
    made.look(0.0, gpus(*seen), {})
    return made


def chosen(of: Devices, **need: Any) -> list[str] | None:
    found = of.choose(GpuNeed(**need))
    return None if found is None else [device.uuid for device in found]


def named(of: Devices, index: int) -> Device:
    device = of.find(f"g{index}")
    assert device is not None
    return device


def test_the_tightest_that_fits_is_chosen_so_that_large_gaps_stay_whole() -> None:
    of = devices(gpu(0, total=1000), gpu(1, total=100), gpu(2, total=400))
    assert chosen(of, memory_bytes=50) == ["g1"]
    assert chosen(of, memory_bytes=91) == ["g2"]
    assert chosen(of, memory_bytes=50, count=2) == ["g1", "g2"]
    assert chosen(of, memory_bytes=901) is None
    assert chosen(of, memory_bytes=1) == ["g1"]


def test_a_device_that_shares_main_memory_is_the_tightest_of_all() -> None:
    assert chosen(devices(gpu(0, total=10, used=8), gpu(1, total=None)), memory_bytes=1) == ["g1"]


def test_where_no_device_has_room_of_its_own_the_first_is_likely_to_start_first() -> None:
    of = devices(gpu(0, total=10, used=9), gpu(1, total=None))
    assert [device.uuid for device in of.roomiest(GpuNeed())] == ["g0"]


def test_a_device_from_before_a_restart_takes_nobody_until_it_is_seen() -> None:
    of = devices(gpu(0))
    of.restore("old").holders[1] = False
    assert chosen(of, count=2) is None
    assert [device.uuid for device in of.roomiest(GpuNeed(count=2))] == ["g0", "old"]


def test_devices_may_be_numbered_anew() -> None:
    of = devices(gpu(0), gpu(1))
    of.look(1.0, gpus(gpu(0, uuid="g1"), gpu(1, uuid="g0")), {})
    assert chosen(of) == ["g1"]


@pytest.mark.parametrize("unknown", ["memory_total_bytes", "memory_used_bytes"])
def test_a_device_that_tells_half_of_its_memory_has_none_of_its_own(unknown: str) -> None:
    told: dict[str, Any] = {"memory_used_bytes": 5, unknown: None}
    of = devices(gpu(0, **told))
    assert named(of, 0).memory is None


def test_of_equals_the_one_with_the_fewest_jobs_is_chosen() -> None:
    of = devices(gpu(0), gpu(1, total=50))
    assert chosen(of) == ["g0"]
    named(of, 0).holders[1] = False
    assert chosen(of) == ["g1"]


def test_a_device_is_filled_up_to_ninety_percent() -> None:
    assert chosen(devices(gpu(0)), memory_bytes=90) == ["g0"]
    assert chosen(devices(gpu(0)), memory_bytes=91) is None
    assert chosen(devices(gpu(0, used=30)), memory_bytes=60) == ["g0"]
    assert chosen(devices(gpu(0, used=30)), memory_bytes=61) is None


def test_a_full_device_still_takes_whoever_asks_for_no_memory() -> None:
    assert chosen(devices(gpu(0, used=99))) == ["g0"]


def test_an_exclusive_job_is_alone_on_its_device() -> None:
    of = devices(gpu(0), gpu(1))
    named(of, 0).holders[1] = False
    assert chosen(of, exclusive=True) == ["g1"]
    named(of, 1).holders[2] = True
    assert chosen(of, exclusive=True) is None
    assert chosen(of, count=2) is None
    assert chosen(of) == ["g0"]


def test_a_busy_device_takes_nobody_until_it_is_five_points_less_busy() -> None:
    of = Devices(GpuRule())
    for second in range(60):
        of.look(float(second), gpus(gpu(0, busy=90.5)), {})
    assert (chosen(of), of.free) == (None, False)
    for second in range(60, 120):
        of.look(float(second), gpus(gpu(0, busy=80)), {})
    assert (chosen(of), of.free) == (["g0"], True)


@pytest.mark.parametrize(
    ("status", "takes"), [("ok", True), ("idle", True), ("suspended", False), ("lost", False), ("error", False)]
)
def test_only_a_working_device_takes_jobs(status: str, takes: bool) -> None:
    assert (chosen(devices(gpu(0, status=status))) is not None) == takes


def test_an_idle_device_that_tells_nothing_keeps_what_was_known_of_its_memory() -> None:
    of = devices(gpu(0, used=50))
    of.look(1.0, gpus(gpu(0, total=None, status="idle", utilization_percent=None)), {})
    assert chosen(of, memory_bytes=41) is None


def test_a_driver_that_does_not_answer_leaves_no_device_to_choose() -> None:
    of = devices(gpu(0))
    of.look(1.0, GpuState(status="unavailable", devices=(gpu(0),)), {})
    assert (chosen(of), of.free, of.asked, len(of)) == (None, False, True, 1)


def test_a_device_that_vanishes_stays_known_while_somebody_is_on_it() -> None:
    of = devices(gpu(0), gpu(1))
    named(of, 0).holders[1] = False
    of.look(1.0, gpus(), {})
    assert [device.uuid for device in of] == ["g0"]
    named(of, 0).holders.clear()
    of.look(2.0, gpus(), {})
    assert len(of) == 0


def test_before_the_probe_answered_nothing_is_known() -> None:
    of = Devices(GpuRule())
    of.look(0.0, None, {})
    assert (of.asked, len(of), of.free) == (False, 0, False)


def test_a_device_is_free_while_nobody_is_on_it_and_not_a_moment_longer() -> None:
    of = devices(gpu(0))
    assert of.free
    named(of, 0).holders[1] = False
    assert not of.free


def test_what_is_kept_of_a_device_is_not_given_to_others() -> None:
    device = named(devices(gpu(0)), 0)
    assert device.free_for(GpuNeed(memory_bytes=50), GpuNeed(memory_bytes=40))
    assert not device.free_for(GpuNeed(memory_bytes=51), GpuNeed(memory_bytes=40))
    assert not device.free_for(GpuNeed(), GpuNeed(exclusive=True))


def test_nobody_has_a_device_for_itself_that_is_kept_for_another() -> None:
    of = devices(gpu(0), gpu(1))
    kept = {"g0": GpuNeed()}
    found = of.choose(GpuNeed(exclusive=True), kept)
    assert found is not None
    assert [device.uuid for device in found] == ["g1"]
    assert of.choose(GpuNeed(exclusive=True, count=2), kept) is None


def test_a_place_is_kept_where_the_waiter_is_likely_to_start_first() -> None:
    of = devices(gpu(0), gpu(1, used=20), gpu(2, total=40), gpu(3, status="lost"))
    assert [d.uuid for d in of.roomiest(GpuNeed(memory_bytes=50, count=4))] == ["g0", "g1", "g3"]
    named(of, 0).holders[1] = False
    assert [d.uuid for d in of.roomiest(GpuNeed(exclusive=True, count=1))] == ["g1"]
    assert [d.uuid for d in of.roomiest(GpuNeed(count=1))] == ["g0"]
    named(of, 0).holders[1] = True
    assert [d.uuid for d in of.roomiest(GpuNeed(count=1))] == ["g1"]


def test_whoever_is_on_a_device_is_named_once_it_says_how_much_memory_it_has() -> None:
    of = Devices(GpuRule())
    of.restore("g0").holders[7] = False
    assert of.look(0.0, gpus(gpu(0, total=None)), {}) == set()
    assert of.look(1.0, gpus(gpu(0), gpu(1)), {}) == {7}
    assert of.look(2.0, gpus(gpu(0)), {}) == set()
