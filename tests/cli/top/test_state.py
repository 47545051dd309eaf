"""Frames become a state: the newest of each topic, the past of what is drawn, a restart of the daemon, and ages."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.cli.top.state import KEPT, TOPICS, State, columns, remembered, take
from aura_actors.wire.feed import Event
from aura_actors.wire.metrics import SystemMetrics
from tests.cli.top.scenes import ADMISSION, BEGAN, frame, state, system


def sampled(*shares: float | None, every: float = 1.0) -> State:
    known = State()
    for number, share in enumerate(shares):
        seconds = number * every
        known = take(known, frame("system", system(seconds, cpu=share), seconds=seconds), seconds)
    return known


def test_the_newest_of_each_topic_is_kept() -> None:
    known = take(state(), frame("admission", {**ADMISSION, "queuedJobs": 7}), 1.0)
    assert known.admission is not None
    assert known.admission.queued_jobs == 7
    assert known.providers == state().providers


def test_a_topic_that_this_version_does_not_know_changes_nothing() -> None:
    assert take(state(), frame("weather", {"rain": True}), 1.0) == state()


def test_an_event_changes_nothing() -> None:
    event = Event(topic="alerts", epoch="e", seq=2, ts=BEGAN, data=msgspec.Raw(b"{}"))
    assert take(state(), event, 1.0) == state()


def test_a_frame_of_another_shape_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        take(state(), frame("cleanup", {"tasks": 3}), 1.0)


def test_the_same_sample_is_remembered_once() -> None:
    known = sampled(1.0, 2.0)
    assert known.system is not None
    assert len(remembered(known.past, [known.system])) == 2


def test_the_past_is_bounded() -> None:
    systems = [msgspec.convert(system(float(n)), SystemMetrics) for n in range(KEPT + 5)]
    past = remembered((), systems)
    assert len(past) == KEPT
    assert past[-1].at - past[0].at == KEPT - 1


def test_one_device_that_is_mounted_twice_counts_once() -> None:
    (disk,) = system()["disks"]
    twice = [disk, {**disk, "driveName": "/home"}]
    assert state(system=system(disks=twice)).past[-1].read == disk["readBytesPerSecond"]


def test_another_epoch_is_a_restart_that_keeps_nothing_but_the_past() -> None:
    known = take(state(), frame("system", system(5), seconds=5, epoch="f"), 9.0)
    assert known.restarted_at == 9.0
    assert known.admission is None
    assert [sample.at - BEGAN.timestamp() for sample in known.past] == [0.0, 5.0]


def test_the_first_epoch_is_no_restart() -> None:
    assert state().restarted_at is None


def test_age_is_by_the_daemons_clock() -> None:
    known = take(State(), frame("system", system(-3), seconds=0), 100.0)
    assert known.age_seconds(100.0) == pytest.approx(3.0)
    assert known.age_seconds(104.5) == pytest.approx(7.5)
    assert known.daemon_time(104.5) == BEGAN + dt.timedelta(seconds=4.5)


def test_a_frame_that_was_long_under_way_does_not_set_the_clock_back() -> None:
    known = take(take(State(), frame("system", system()), 0.0), frame("admission", ADMISSION, seconds=1), 5.0)
    assert known.age_seconds(5.0) == pytest.approx(5.0)


def test_a_clock_that_is_set_back_there_is_set_back_here() -> None:
    """By an hour: the sample of a second later is no hour old, and lines begin anew."""
    known = sampled(1.0, 2.0)
    known = take(known, frame("system", system(-3600, cpu=3.0), seconds=-3600), 2.0)
    assert known.age_seconds(2.0) == pytest.approx(0.0)
    known = take(known, frame("system", system(-3599, cpu=4.0), seconds=-3599), 3.0)
    assert known.age_seconds(3.5) == pytest.approx(0.5)
    assert [sample.cpu for sample in known.past] == [3.0, 4.0]


def test_nothing_is_as_old_as_nothing() -> None:
    assert State().age_seconds(1.0) is None


@pytest.mark.parametrize("every", [0.5, 1.0, 5.0])
def test_a_step_is_the_usual_distance_of_samples(every: float) -> None:
    assert sampled(*[1.0] * 5, every=every).step_seconds == every


def test_one_step_is_one_column_and_the_newest_is_last() -> None:
    assert columns([(10.0, 1.0), (11.1, 2.0), (12.2, 3.0)], count=4, step_seconds=1.0) == [None, 1.0, 2.0, 3.0]


def test_several_values_of_one_step_are_their_mean() -> None:
    assert columns([(10.0, 1.0), (10.4, 2.0), (10.8, None)], count=1, step_seconds=1.0) == [1.5]


def test_a_value_stands_for_a_while_and_then_there_is_a_gap() -> None:
    points = [(10.0, 1.0), (16.0, 2.0)]
    assert columns(points, count=7, step_seconds=1.0) == [1.0, 1.0, 1.0, None, None, None, 2.0]


def test_what_was_not_known_is_a_gap() -> None:
    assert columns([(10.0, 1.0), (11.0, None)], count=2, step_seconds=1.0) == [1.0, None]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 100))), st.integers(0, 300))
def test_there_are_as_many_columns_as_asked_for(points: list[tuple[float, float | None]], count: int) -> None:
    assert len(columns(sorted(points, key=lambda point: point[0]), count=count, step_seconds=0.5)) == count


def test_a_line_moves_on_and_does_not_change_its_shape() -> None:
    points = [(float(n), float(n * n % 7)) for n in range(50)]
    before = columns(points, count=20, step_seconds=2.0)
    after = columns([*points, (50.0, 1.0)], count=20, step_seconds=2.0)
    assert after[:-1] == before[1:]


def test_the_last_of_the_topics_is_the_sample() -> None:
    assert TOPICS[-1] == "system"
