"""The peak over a window of time."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.window import Window

STEPS = st.lists(st.tuples(st.integers(1, 80), st.integers(0, 100)), min_size=1, max_size=40)


@given(STEPS)
def test_the_peak_is_the_highest_of_the_last_thirty_seconds(steps: list[tuple[int, int]]) -> None:
    window, now, seen = Window(), 0.0, []
    for quarters, value in steps:
        now += quarters / 4
        seen.append((now, value))
        window.add(now, value)
        assert window.peak == max(v for t, v in seen if t >= now - 30)


def test_before_the_first_value_the_peak_is_zero() -> None:
    assert Window().peak == 0


def test_the_last_value_is_kept_however_old_it_is() -> None:
    window = Window()
    window.add(0.0, 7)
    assert window.peak == 7
    window.add(1000.0, 3)
    assert window.peak == 3


def test_values_within_a_tenth_of_a_second_are_one_the_higher_and_leave_no_earlier() -> None:
    window = Window()
    for n in range(100):
        window.add(n / 1000, n % 7)
    assert window.peak == 6
    window.add(30.05, 1)
    assert window.peak == 6
    window.add(30.2, 1)
    assert window.peak == 1


def test_values_a_tenth_of_a_second_apart_are_two_and_leave_one_after_the_other() -> None:
    window = Window()
    window.add(0.0, 5)
    window.add(0.1, 1)
    assert window.peak == 5
    window.add(30.05, 2)
    assert window.peak == 2


def test_a_value_counts_for_thirty_seconds_to_the_last_moment() -> None:
    window = Window()
    window.add(0.0, 5)
    window.add(30.0, 1)
    assert window.peak == 5


def test_values_of_one_moment_are_one() -> None:
    window = Window()
    for value in (3, 9, 4):
        window.add(1.0, value)
    assert list(window._values) == [[1.0, 9]]


@given(st.integers(10, 1000))
def test_what_is_kept_is_bounded_however_often_one_looks(per_second: int) -> None:
    window = Window()
    for n in range(5 * per_second):
        window.add(n / per_second, 1)
    assert len(window._values) <= 51


def test_a_correction_takes_from_later_values_alone_and_never_below_its_floor() -> None:
    window = Window()
    for at, value in enumerate((50, 40, 30)):
        window.add(float(at), value)
    window.correct(25, since=1.0, floor=20)
    assert [value for _, value in window._values] == [50, 20, 20]
    window.correct(45, since=0.0, floor=0)
    assert window.peak == 5


def test_a_value_below_the_floor_stays() -> None:
    window = Window()
    window.add(0.0, 5)
    window.correct(10, since=0.0, floor=20)
    assert window.peak == 5


def test_there_is_nothing_to_correct_before_the_first_value() -> None:
    window = Window()
    window.correct(10, since=0.0, floor=0)
    assert window.peak == 0
