"""Marks are as wide as they were asked for, differ without colour, and show no zero that was not measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.cli.top import marks
from aura_actors.cli.top.marks import ASCII, UNICODE, bar, heat, spark, stack

PERCENT = st.none() | st.floats(-10, 1000, allow_nan=False)


@pytest.mark.parametrize(
    ("percent", "drawn"),
    [
        (None, "────"),
        (0.0, "────"),
        (12.5, "╾───"),
        (50.0, "━━──"),
        (62.5, "━━╾─"),
        (100.0, "━━━━"),
        (250.0, "━━━━"),
    ],
)
def test_a_bar_is_exact_to_half_a_cell(percent: float | None, drawn: str) -> None:
    assert bar(percent, 4, UNICODE).plain == drawn


@given(PERCENT, st.integers(0, 200), st.sampled_from([UNICODE, ASCII]))
def test_a_bar_is_as_wide_as_asked(percent: float | None, width: int, glyphs: marks.Glyphs) -> None:
    assert bar(percent, width, glyphs).cell_len == width


@given(st.floats(-5, 1e9), st.floats(-5, 1e9), st.floats(0, 1e9), st.integers(0, 100))
def test_a_stacked_bar_is_as_wide_as_asked(ours: float, others: float, whole: float, width: int) -> None:
    assert stack((ours, others), whole, width, UNICODE).cell_len == width


def test_what_is_ours_and_what_is_others_differ_without_colour() -> None:
    assert stack((4, 2), 8, 8, UNICODE).plain == "━━━━══──"
    assert stack((4, 2), 8, 8, ASCII).plain == "====##--"


def test_more_than_the_whole_is_shown_in_proportion() -> None:
    assert stack((6, 2), 4, 4, UNICODE).plain == "━━━═"


def test_a_line_leaves_unknown_values_out_and_marks_a_zero() -> None:
    (row,) = spark([0.0, None, 50.0, 100.0, 200.0], 100.0, UNICODE)
    assert row.plain == "▁ ▄██"


def test_a_line_may_be_several_rows_high() -> None:
    above, below = spark([0.0, 25.0, 50.0, 75.0, 100.0], 100.0, UNICODE, rows=2)
    assert (above.plain, below.plain) == ("   ▄█", "▁▄███")


def test_a_line_of_nothing_but_zeros_is_flat() -> None:
    assert spark([0.0, 0.0], 0.0, UNICODE)[0].plain == "▁▁"


def test_heat_grows_towards_the_limit() -> None:
    assert [heat(value, 85.0) for value in (None, 10.0, 75.0, 85.0)] == [
        marks.FAINT, marks.CALM, marks.NEAR, marks.HIGH,
    ]  # fmt: skip
