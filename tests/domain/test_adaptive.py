"""The limit that is learned, as a table and against a provider of a known size."""

from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.adaptive import AdaptiveLimit

LATER = 5.0
"""The cool-down."""


def lowered(maximum: int, times: int = 1) -> AdaptiveLimit:
    """A limit that was lowered, the last time at 0."""
    limit = AdaptiveLimit(maximum)
    for n in range(1 - times, 1):
        limit.finished("throttled", n * LATER - 1, 1, n * LATER)
    return limit


@pytest.mark.parametrize(
    ("maximum", "after"), [(100, [70, 49, 34, 23]), (10, [7, 4, 2, 1, 1]), (3, [2, 1, 1]), (1, [1, 1])]
)
@pytest.mark.parametrize("outcome", ["throttled", "timeout"])
def test_every_sign_of_overload_takes_30_percent_and_leaves_one(
    maximum: int, after: list[int], outcome: str
) -> None:
    limit, now, seen = AdaptiveLimit(maximum), 0.0, []
    for _ in after:
        limit.finished(outcome, now - 1, 1, now)
        seen.append(limit.limit)
        now += LATER + 1
    assert seen == after


@pytest.mark.parametrize(("in_use", "after"), [(1, 7), (3, 7), (4, 8), (7, 8), (20, 8)])
def test_a_good_answer_adds_one_while_at_least_half_is_in_use(in_use: int, after: int) -> None:
    limit = lowered(10)
    limit.finished("ok", 1, in_use, LATER)
    assert limit.limit == after
    even = lowered(12)
    even.finished("ok", 1, 4, LATER)
    assert even.limit == 9


def test_it_grows_to_the_maximum_and_not_above() -> None:
    limit = lowered(10)
    for n in range(9):
        limit.finished("ok", LATER + n, 10, LATER + n)
    assert limit.limit == 10


def test_the_maximum_wins_over_the_minimum() -> None:
    limit = AdaptiveLimit(3, minimum=10)
    limit.finished("throttled", -1, 3, 0)
    assert limit.limit == 3


def test_one_overload_counts_once_however_many_calls_met_it() -> None:
    limit = AdaptiveLimit(100)
    for n in range(20):
        limit.finished("throttled", -1, 100, 0.2 * n)
    assert limit.limit == 70


@pytest.mark.parametrize("began_at", [-0.5, 0.0])
@pytest.mark.parametrize("outcome", ["throttled", "ok"])
def test_a_call_that_began_before_the_limit_was_lowered_says_nothing_however_late(
    outcome: str, began_at: float
) -> None:
    limit = lowered(10)
    limit.finished(outcome, began_at, 10, 100)
    assert limit.limit == 7


@pytest.mark.parametrize("outcome", ["throttled", "ok"])
@pytest.mark.parametrize(("now", "counts"), [(LATER - 0.1, False), (LATER, True)])
def test_nothing_is_learned_in_the_cool_down(outcome: str, now: float, *, counts: bool) -> None:
    limit = lowered(10)
    limit.finished(outcome, 1, 10, now)
    assert limit.limit == ({"throttled": 4, "ok": 8}[outcome] if counts else 7)


def test_another_outcome_says_nothing_about_load() -> None:
    limit = lowered(10)
    limit.finished("error", 1, 10, LATER)
    assert limit.limit == 7


def test_time_that_runs_backwards_changes_nothing() -> None:
    limit = lowered(10)
    limit.finished("throttled", -100, 10, -50)
    assert limit.limit == 7


@given(
    maximum=st.integers(1, 100),
    minimum=st.integers(1, 10),
    calls=st.lists(
        st.tuples(
            st.sampled_from(["ok", "throttled", "timeout", "error"]),
            st.floats(-10, 100),
            st.integers(0, 200),
            st.floats(0, 100),
        )
    ),
)
def test_it_stays_within_its_bounds(maximum: int, minimum: int, calls: list[tuple[str, float, int, float]]) -> None:
    limit = AdaptiveLimit(maximum, minimum)
    for outcome, began_at, in_use, now in calls:
        limit.finished(outcome, began_at, in_use, now)
        assert min(minimum, maximum) <= limit.limit <= maximum


@pytest.mark.parametrize(("bears", "maximum"), [(3, 50), (10, 50), (2, 10)])
def test_it_settles_near_what_the_provider_bears_though_refusals_come_fast(bears: int, maximum: int) -> None:
    """Without the cool-down the good answers of a busy moment undo every decrease: it stays at the maximum."""
    limit, now, last, serving, weighted = AdaptiveLimit(maximum), 0.0, 0.0, 0, 0.0
    running: list[tuple[float, int, float, str]] = []
    started = 0
    while now < 600:
        while len(running) < limit.limit:
            started += 1
            fits = serving < bears
            serving += fits
            seconds = 1.0 + started % 20 / 10 if fits else 0.1
            heappush(running, (now + seconds, started, now, "ok" if fits else "throttled"))
        last = now
        now, _, began_at, outcome = heappop(running)
        weighted += limit.limit * (now - last)
        serving -= outcome == "ok"
        limit.finished(outcome, began_at, len(running) + 1, now)
    assert bears * 0.6 <= weighted / now <= bears * 1.4
