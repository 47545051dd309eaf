"""Who holds what, until when, and by which secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.leases import Lease, Leases, renewed
from aura_actors.domain.needs import JobSpec
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
    leases.put(renewed(lease(expires=10), 5, 30, None))
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


def test_old_ends_of_a_lease_that_is_renewed_again_and_again_do_not_pile_up() -> None:
    leases = Leases()
    leases.put(lease("late", 1, expires=900))
    leases.put(lease("soon", 2, expires=10))
    for n in range(200):
        leases.put(lease("often", 3, expires=100.0 + n))
        assert len(leases._ends) <= 64 + 4 * 3
    assert [held.key for held in leases.expired(10)] == ["soon"]


def test_a_secret_is_not_in_the_repr() -> None:
    assert "s77" not in repr(lease(fence=77))


def test_the_runtime_limit_ends_a_lease_however_often_it_is_renewed() -> None:
    limited = lease(limit=45.0)
    assert renewed(limited, 10, 30, None).expires_at == 40
    assert renewed(limited, 20, 30, None).expires_at == 45
    assert lease().ends_by_runtime_at == float("inf")
