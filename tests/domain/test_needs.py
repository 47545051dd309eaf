"""What a request asks for: what it leaves unsaid, what grows in it, and new amounts for it."""

import msgspec
import pytest

from aura_actors.domain.needs import GpuNeed, JobSpec, ProcessIdentity, Resize
from tests.domain.admission_world import process


def test_what_is_not_said_asks_for_nothing_but_one_slot() -> None:
    spec = JobSpec()
    assert (spec.memory_bytes, spec.cpu_millicores, spec.scratch_bytes, spec.job_slots) == (0, 0, 0, 1)
    need = GpuNeed()
    assert (need.required, need.count, need.memory_bytes, need.exclusive) == (True, 1, 0, False)
    assert ProcessIdentity(pid=5, start_ticks=5).resident_bytes == 0


def test_high_goes_before_normal_and_normal_before_low() -> None:
    assert JobSpec(priority="high").rank < JobSpec().rank < JobSpec(priority="low").rank


@pytest.mark.parametrize("name", ["memory_bytes", "cpu_millicores", "scratch_bytes"])
def test_growth_is_what_is_needed_beyond_before(name: str) -> None:
    def spec(amount: int) -> JobSpec:
        return msgspec.structs.replace(JobSpec(), **{name: amount})

    more = spec(50).growth_from(spec(20))
    assert more is not None
    assert (getattr(more, name), more.job_slots) == (30, 0)
    assert spec(20).growth_from(spec(20)) is None
    assert spec(10).growth_from(spec(20)) is None


def test_units_grow_each_for_itself() -> None:
    before = JobSpec(units=(("fewer", 3), ("more", 1), ("same", 2)))
    more = JobSpec(units=(("fewer", 2), ("more", 5), ("new", 1), ("same", 2))).growth_from(before)
    assert more is not None
    assert more.units == (("more", 4), ("new", 1))


def test_what_falls_does_not_pay_for_what_grows() -> None:
    more = JobSpec(memory_bytes=10, cpu_millicores=5).growth_from(JobSpec(memory_bytes=90, cpu_millicores=1))
    assert more is not None
    assert (more.memory_bytes, more.cpu_millicores) == (0, 4)


def test_a_resize_leaves_what_it_does_not_name() -> None:
    spec = JobSpec(memory_bytes=7, cpu_millicores=8, units=(("lic", 1),))
    assert Resize().of(spec) == spec
    resized = Resize(memory_bytes=0, units=()).of(spec)
    assert (resized.memory_bytes, resized.cpu_millicores, resized.units) == (0, 8, ())


def test_a_process_is_known_by_its_id_and_start() -> None:
    assert process(5).identity == (5, 5)
