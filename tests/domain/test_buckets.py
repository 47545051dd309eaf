"""A bucket against the sums that it promises."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.buckets import Bucket

RATES = st.floats(0.01, 1e9)
NOWS = st.floats(0, 1e9)
STEPS = st.tuples(st.floats(0, 30), st.sampled_from(["take", "give"]), st.integers(0, 120))


@given(per_minute=st.floats(1, 600), steps=st.lists(STEPS, max_size=30))
def test_no_window_is_granted_more_than_the_capacity_and_what_refills_in_it(
    per_minute: float, steps: list[tuple[float, str, int]]
) -> None:
    bucket, now, out = Bucket(per_minute), 0.0, 0
    net = [(0.0, 0)]
    for gap, what, amount in steps:
        now += gap
        if what == "take" and bucket.seconds_until(amount, now) == 0.0:
            bucket.take(amount, now)
            net.append((now, amount))
            out += amount
        elif what == "give" and amount <= out:
            bucket.give(amount, now)
            net.append((now, -amount))
            out -= amount
    sums = list(accumulate(amount for _, amount in net))
    for first in range(len(net)):
        for last in range(first, len(net)):
            granted = sums[last] - (sums[first - 1] if first else 0)
            window_seconds = net[last][0] - net[first][0]
            assert granted <= per_minute + per_minute / 60 * window_seconds + 1e-3


@given(per_minute=RATES, now=NOWS, used=st.floats(0, 2), estimate=st.floats(0, 1), actual=st.floats(0, 10))
def test_an_estimate_that_is_settled_costs_what_was_used(
    per_minute: float, now: float, used: float, estimate: float, actual: float
) -> None:
    told, guessed = Bucket(per_minute), Bucket(per_minute)
    for bucket in (told, guessed):
        bucket.take(used * per_minute, now)
    told.take(actual * per_minute, now)
    guessed.take(estimate * per_minute, now)
    if actual > estimate:
        guessed.take((actual - estimate) * per_minute, now)
    else:
        guessed.give((estimate - actual) * per_minute, now)
    assert guessed.level(now) == pytest.approx(told.level(now), abs=1e-6 * per_minute)


@given(nows=st.lists(st.floats(0, 1000), min_size=1, max_size=20))
def test_a_now_that_runs_backwards_refills_nothing_and_loses_nothing(nows: list[float]) -> None:
    bucket, steady = Bucket(60), Bucket(60)
    for now, latest in zip(nows, accumulate(nows, max), strict=True):
        assert bucket.level(now) == steady.level(latest)
        bucket.take(20, now)
        steady.take(20, latest)
        assert bucket.seconds_until(50, now) == steady.seconds_until(50, latest)


@given(per_minute=RATES, now=NOWS, used=st.floats(0, 50), share=st.floats(0, 1))
def test_what_is_waited_for_is_there_afterwards_and_not_long_before(
    per_minute: float, now: float, used: float, share: float
) -> None:
    bucket = Bucket(per_minute)
    bucket.take(used * per_minute, now)
    seconds = bucket.seconds_until(share * per_minute, now)
    assert seconds is not None
    assert seconds == 0 or bucket.seconds_until(share * per_minute, now + seconds * 0.9 - 1e-5) != 0
    assert bucket.seconds_until(share * per_minute, now + seconds) == 0.0


def test_it_starts_full_and_never_holds_more_than_its_capacity() -> None:
    bucket = Bucket(60)
    assert bucket.level(0) == 60
    bucket.take(10, 0)
    assert bucket.level(4) == 54
    bucket.give(100, 4)
    assert bucket.level(1000) == 60


def test_what_never_fits_has_no_time() -> None:
    assert Bucket(60).seconds_until(60.1, 0) is None
    assert Bucket(60, capacity=100).seconds_until(100, 0) == 0.0


def test_more_than_there_is_can_be_forced_out_and_is_paid_back_before_anything_else() -> None:
    bucket = Bucket(60)
    bucket.take(90, 0)
    assert bucket.level(0) == -30
    assert bucket.seconds_until(0, 0) == 30
    assert bucket.seconds_until(10, 10) == 30


@pytest.mark.parametrize("report", [10**12, 10**400])
def test_no_report_closes_a_bucket_for_more_than_an_hour(report: int) -> None:
    bucket = Bucket(60)
    bucket.take(report, 0)
    bucket.take(report, 1)
    assert bucket.seconds_until(0, 1) == 3600
    bucket.give(report, 1)
    assert bucket.level(1) == 60


@pytest.mark.parametrize(
    ("used", "per_minute", "level"), [(0, 120, 120), (0, 30, 30), (50, 120, 70), (50, 30, -20), (60, 90, 30)]
)
def test_after_another_rate_is_set_what_was_used_stays_used(used: int, per_minute: int, level: int) -> None:
    bucket = Bucket(60)
    bucket.take(used, 5)
    bucket.resize(per_minute, 5)
    assert bucket.level(5) == level
    bucket.take(bucket.level(5), 5)
    assert bucket.level(15) == pytest.approx(per_minute / 6)
    assert bucket.level(1e9) == per_minute
