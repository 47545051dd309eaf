"""Who holds what, until when, and by which secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.asked import TtlRule
from aura_actors.domain.leases import Lease, Leases, renewed
from aura_actors.domain.needs import GpuNeed, JobSpec, ProcessIdentity, Resize
from aura_actors.errors import Foreign, Gone


def lease(key: str = "a", fence: int = 1, expires: float = 30.0, **changes: Any) -> Lease:
    fields: dict[str, Any] = {
        "key": key,
        "owner": "anna",
        "secret": f"s{fence}",
        "fence": fence,
        "spec": JobSpec(memory_bytes=1, max_runtime_seconds=changes.pop("limit", None)),
        "ttl_seconds": 30.0,
        "granted_at": 0.0,
        "expires_at": expires,
        "granted_timestamp": 0.0,
    }
    return Lease(**(fields | changes))


def test_a_foreign_secret_changes_nothing() -> None:
    leases = Leases()
    leases.put(lease())
    for secret in (None, "", "s2", "s1 ", "ü"):
        with pytest.raises(Foreign):
            leases.check("a", secret)
    assert leases.check("a", "s1").fence == 1


def test_a_lease_that_ended_is_gone() -> None:
    with pytest.raises(Gone):
        Leases().check("a", "s1")


def test_a_renewed_lease_does_not_end_at_its_old_time() -> None:
    leases = Leases()
    leases.put(lease(expires=10))
    leases.put(renewed(lease(expires=10), 5, 30))
    assert leases.expired(20) == []
    assert [held.key for held in leases.expired(35)] == ["a"]


def test_a_lease_of_the_same_id_does_not_inherit_the_old_end() -> None:
    leases = Leases()
    leases.put(lease(expires=10))
    leases.remove("a")
    leases.put(lease(fence=2, expires=100))
    assert leases.expired(50) == []


def test_an_expired_lease_stays_due_until_it_is_removed() -> None:
    """If its removal cannot be written down, the next look must find it again."""
    leases = Leases()
    leases.put(lease(expires=10))
    assert len(leases.expired(11)) == len(leases.expired(12)) == 1
    leases.remove("a")
    assert leases.expired(13) == []


def test_time_that_goes_back_counts_as_the_latest_that_was_seen() -> None:
    leases = Leases()
    leases.put(lease(expires=10))
    leases.put(lease("b", 2, expires=50))
    assert [held.key for held in leases.expired(20)] == ["a"]
    assert [held.key for held in leases.expired(0)] == ["a"]
    assert (leases.steady(3), leases.steady(25), leases.steady(21)) == (20, 25, 25)


@given(st.lists(st.integers(0, 400), max_size=300))
def test_exactly_those_whose_time_is_over_are_due_however_often_they_were_renewed(renewals: list[int]) -> None:
    leases, ends = Leases(), {}
    for number, at in enumerate(renewals):
        key = "abc"[number % 3]
        leases.put(lease(key, 1, expires=float(at)))
        ends[key] = at
    assert {held.key for held in leases.expired(200)} == {key for key, at in ends.items() if at <= 200}
    assert len(leases._ends) <= 64 + 4 * len(leases) + 1


def test_a_secret_is_not_in_the_repr() -> None:
    assert "s77" not in repr(lease(fence=77))


def test_the_runtime_limit_ends_a_lease_however_often_it_is_renewed() -> None:
    limited = lease(limit=45.0)
    assert renewed(limited, 10, 30).expires_at == 40
    assert renewed(limited, 20, 30).expires_at == 45
    assert lease().ends_by_runtime_at == float("inf")


@pytest.mark.parametrize(("asked", "granted"), [(None, 30), (5, 5), (300, 300), (301, 300)])
def test_a_time_to_live_is_thirty_seconds_unless_asked_and_five_minutes_at_most(
    asked: float | None, granted: float
) -> None:
    assert TtlRule().granted(asked) == granted


# --- what is asked for -------------------------------------------------------------------------------------------


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
