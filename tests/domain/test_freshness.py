"""How far a measurement may be relied on as it grows old."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.freshness import Freshness

AGES = st.floats(0, 200)


@pytest.mark.parametrize(("age", "share"), [(0, 1), (4, 1), (17, 0.5), (30, 0), (31, 0), (-5, 1)])
def test_three_samples_may_be_missed_and_after_thirty_seconds_nothing_is_given_away(
    age: float, share: float
) -> None:
    assert Freshness().share(age) == share


def test_slow_samples_may_be_older_and_never_refuse_before_they_shrink() -> None:
    slow = Freshness(interval_seconds=10)
    assert (slow.full_seconds, slow.stale_seconds) == (40, 80)
    assert (slow.share(40), slow.share(60), slow.share(80)) == (1, 0.5, 0)


@given(AGES, AGES)
def test_the_share_never_grows_with_age(one: float, other: float) -> None:
    younger, older = sorted((one, other))
    assert 0 <= Freshness().share(older) <= Freshness().share(younger) <= 1
