"""Where the schedule draws its lines: how far jitter goes, when a task is due, when a clock was set."""

import pytest

from aura_actors.domain.schedule import Anchor, Timing, clock_jumped, jitter_seconds, pause_seconds

HOUR, WEEK = 3600.0, 604800.0


def jitter(task: str, period: float) -> float:
    return jitter_seconds(Timing(task=task, every_seconds=(period,)))


def test_jitter_goes_up_to_a_tenth_of_the_period_and_to_fifteen_minutes() -> None:
    hourly = [jitter(f"task {number}", HOUR) for number in range(100)]
    weekly = [jitter(f"task {number}", WEEK) for number in range(100)]
    assert 0.9 * 360 < max(hourly) < 360
    assert weekly == pytest.approx([seconds * 900 / 360 for seconds in hourly])


def test_a_task_is_enabled_unless_it_is_told_otherwise() -> None:
    assert Timing(task="a", every_seconds=(HOUR,)).enabled


@pytest.mark.parametrize(("wall", "steady", "moved"), [(1010, 60, 0), (1015, 60, 5), (1010, 65, -5)])
def test_a_wall_clock_has_moved_by_what_the_steady_one_does_not_say(
    wall: float, steady: float, moved: float
) -> None:
    assert Anchor(wall=1000, steady=50).moved_seconds(wall, steady) == moved


@pytest.mark.parametrize(("moved", "jumped"), [(900, False), (-900, False), (900.5, True), (-900.5, True)])
def test_a_clock_may_drift_by_fifteen_minutes(moved: float, *, jumped: bool) -> None:
    assert clock_jumped(Anchor(wall=0, steady=0), 1000 + moved, 1000) is jumped


def test_a_pause_doubles_up_to_the_period_however_often_something_went_wrong() -> None:
    assert [pause_seconds(60.0, times, HOUR) for times in (1, 2, 3, 6, 7, 8)] == [60, 120, 240, 1920, 3600, 3600]
    assert pause_seconds(60.0, 1, 30.0) == 30.0
    assert pause_seconds(60.0, 5_000, WEEK) == WEEK
