"""What a request asks for: what it leaves unsaid, what grows in it, and new amounts for it."""

from aura_actors.domain.needs import GpuNeed, JobSpec, ProcessIdentity, Resize


def test_what_is_not_said_asks_for_nothing_but_one_slot() -> None:
    spec = JobSpec()
    assert (spec.memory_bytes, spec.cpu_millicores, spec.scratch_bytes, spec.job_slots) == (0, 0, 0, 1)
    need = GpuNeed()
    assert (need.required, need.count, need.memory_bytes, need.exclusive) == (True, 1, 0, False)
    assert ProcessIdentity(pid=5, start_ticks=5).resident_bytes == 0


def test_growth_is_what_is_more_of_each_amount_and_takes_no_slot() -> None:
    before = JobSpec(memory_bytes=10, cpu_millicores=5, scratch_bytes=7, units=(("a", 1), ("b", 2)))
    after = JobSpec(memory_bytes=4, cpu_millicores=8, scratch_bytes=9, units=(("b", 5), ("c", 1)))
    assert after.growth_from(before) == JobSpec(
        cpu_millicores=3, scratch_bytes=2, units=(("b", 3), ("c", 1)), job_slots=0
    )
    assert JobSpec(memory_bytes=1).growth_from(before) is None
    assert before.growth_from(JobSpec(memory_bytes=9, cpu_millicores=5, scratch_bytes=7, units=before.units)) == (
        JobSpec(memory_bytes=1, job_slots=0)
    )


def test_a_resize_leaves_what_it_does_not_name() -> None:
    spec = JobSpec(memory_bytes=10, cpu_millicores=5, gpu=GpuNeed(), kind="k")
    resized = Resize(memory_bytes=0).of(spec)
    assert (resized.memory_bytes, resized.cpu_millicores, resized.gpu, resized.kind) == (0, 5, GpuNeed(), "k")
    assert Resize().of(spec) is spec


def test_high_goes_before_normal_before_low() -> None:
    assert [JobSpec(priority=p).rank for p in ("high", "normal", "low")] == [0, 1, 2]


def test_a_process_is_the_same_by_id_and_start_alone() -> None:
    one = ProcessIdentity(pid=1, start_ticks=2, resident_bytes=3)
    assert one.identity == ProcessIdentity(pid=1, start_ticks=2, resident_bytes=4).identity == (1, 2)
