"""The cleanup schedule, in virtual time: due from the end of the last run, once after downtime, never a storm."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.schedule import (
    CLOCK_TOLERANCE_SECONDS,
    MAX_JITTER_SECONDS,
    Anchor,
    Periods,
    Timing,
    believed,
    clock_jumped,
    jitter_seconds,
    wait_seconds,
)

HOUR, DAY, YEAR = 3_600.0, 86_400.0, 365 * 86_400.0
DELAY = 300.0
NAMES = ["temp-files", "cache", "orphaned-uploads", "compress-logs", "vacuum", "export-history", "action-logs"]


def timing(task: str = "temp-files", *every: float) -> Timing:
    return Timing(task=task, every_seconds=every or (HOUR,))


def wait(task: Timing, finished_at: float | None, *, wall: float, since_open: float = YEAR) -> float:
    return wait_seconds(task, finished_at, wall=wall, since_open_seconds=since_open, start_delay_seconds=DELAY)


def runs_of(task: Timing, lives: list[tuple[float, float]], run_seconds: float = 5.0) -> list[float]:
    """When the task runs in a machine that is up for, then down for, each of `lives`; wall clock = real time."""
    now, finished_at, begun = 0.0, None, []
    for up, down in lives:
        opened = now
        while True:
            left = wait(task, finished_at, wall=now, since_open=now - opened)
            now += max(0.0, left)
            if now + run_seconds > opened + up:
                break
            begun.append(now)
            now += run_seconds
            finished_at = now
        now = opened + up + down
    return begun


def test_periods_have_the_guides_lengths() -> None:
    assert Periods().lengths(("hourly", "daily", "weekly")) == (HOUR, DAY, 7 * DAY)
    with pytest.raises(KeyError):
        Periods().lengths(("yearly",))


def test_a_task_with_several_periods_is_due_at_the_earliest() -> None:
    assert timing("cache", DAY, HOUR).period_seconds == HOUR


def test_jitter_is_stable_bounded_and_different_for_every_task() -> None:
    jitters = [jitter_seconds(timing(name)) for name in NAMES]
    assert jitters == [jitter_seconds(timing(name)) for name in NAMES]
    assert all(0 <= j < HOUR / 10 for j in jitters)
    assert min(b - a for a, b in itertools.pairwise(sorted(jitters))) > 1
    assert jitter_seconds(timing("vacuum", 7 * DAY)) < MAX_JITTER_SECONDS


def test_the_first_run_waits_for_the_start_delay_even_when_long_overdue() -> None:
    task = timing()
    assert wait(task, None, wall=0, since_open=0) == DELAY + jitter_seconds(task)
    assert wait(task, 0.0, wall=YEAR, since_open=0) == DELAY + jitter_seconds(task)


def test_due_counts_from_the_end_of_the_last_run() -> None:
    task = timing()
    assert wait(task, 1_000.0, wall=1_000.0) == HOUR + jitter_seconds(task)
    assert wait(task, 1_000.0, wall=1_000.0 + 2 * HOUR) < 0


def test_a_year_without_downtime_runs_about_once_an_hour() -> None:
    begun = runs_of(timing(), [(YEAR, 0)])
    assert YEAR / (HOUR * 1.1 + 5) - 1 <= len(begun) <= YEAR / HOUR


def test_a_year_with_a_week_off_every_month_catches_up_with_one_run_each_time() -> None:
    begun = runs_of(timing("vacuum", 7 * DAY), [(21 * DAY, 9 * DAY)] * 12)
    starts = [n * 30 * DAY for n in range(12)]
    for opened in starts:
        soon = [t for t in begun if opened <= t < opened + 7 * DAY]
        assert len(soon) == 1
        assert soon[0] >= opened + DELAY


@given(
    name=st.sampled_from(NAMES),
    period=st.sampled_from([HOUR, DAY, 7 * DAY]),
    lives=st.lists(st.tuples(st.floats(0, 20 * DAY), st.floats(0, 20 * DAY)), max_size=20),
)
def test_runs_are_never_closer_than_the_period_and_never_missed_for_long(
    name: str, period: float, lives: list[tuple[float, float]]
) -> None:
    task = timing(name, period)
    begun = runs_of(task, lives)
    assert all(b - a >= period for a, b in itertools.pairwise(begun))
    opened = 0.0
    for up, down in lives:
        # A life that is long enough for the longest possible wait has a run in it.
        if up > DELAY + period * 1.1 + 10:
            assert any(opened <= t < opened + up for t in begun)
        opened += up + down


@given(jumps=st.lists(st.tuples(st.floats(60, DAY), st.floats(-YEAR, YEAR)), max_size=20))
def test_a_wall_clock_that_is_set_costs_one_extra_run_at_most(jumps: list[tuple[float, float]]) -> None:
    task = timing()
    steady, offset, runs = 0.0, 10 * YEAR, 0
    finished_at: float | None = offset
    for after, jump in [*jumps, (DAY, 0.0)]:
        end = steady + after
        while True:
            finished_at = believed(finished_at, steady + offset)
            left = wait(task, finished_at, wall=steady + offset, since_open=steady)
            if steady + max(left, 0.0) > end:
                break
            steady += max(left, 0.0)
            runs += 1
            finished_at = steady + offset
        steady = end
        offset += jump
    assert runs <= steady / HOUR + len(jumps) + 1
    # and the last quiet day is not starved, whatever came before
    assert runs >= DAY / (HOUR * 1.1) - 2


def test_a_stamp_from_the_future_becomes_now_once() -> None:
    assert believed(500.0, wall=100.0) == 100.0
    assert believed(50.0, wall=100.0) == 50.0
    assert believed(None, wall=100.0) is None


@pytest.mark.parametrize(("moved", "jumped"), [(0, False), (-CLOCK_TOLERANCE_SECONDS - 1, True), (DAY, True)])
def test_a_clock_that_was_set_is_told_from_time_passing(moved: float, jumped: bool) -> None:
    anchor = Anchor(wall=1e9, steady=50.0)
    assert clock_jumped(anchor, 1e9 + YEAR + moved, 50.0 + YEAR) is jumped
