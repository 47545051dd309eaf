"""A gate over a smoothed busy percentage."""

import math

import pytest

from aura_actors.domain.busy_gate import BusyGate


def feed(gate: BusyGate, seconds: range, percent: float) -> None:
    for second in seconds:
        gate.observe(float(second), percent)


def test_it_closes_above_its_threshold_and_opens_five_points_below() -> None:
    gate = BusyGate(85)
    feed(gate, range(60), 90)
    assert gate.closed()
    feed(gate, range(60, 120), 82)
    assert gate.closed()
    feed(gate, range(120, 180), 79)
    assert not gate.closed()
    feed(gate, range(180, 240), 84)
    assert not gate.closed()


def test_one_busy_second_does_not_close_it() -> None:
    gate = BusyGate(85)
    for second in range(30):
        gate.observe(second, 100 if second == 20 else 30)
        assert not gate.closed()


def test_the_first_reading_weighs_nothing() -> None:
    """It covers a moment of our own start, which is busy by nature."""
    gate = BusyGate(85)
    gate.observe(0, 100)
    assert gate.busy_percent == 0
    gate.observe(0.2, 100)
    assert gate.busy_percent == pytest.approx(100 * (1 - math.exp(-0.2 / 5)))


def test_a_time_constant_of_five_seconds_whatever_the_interval() -> None:
    often, once = BusyGate(85), BusyGate(85)
    for n in range(51):
        often.observe(n / 10, 60)
    once.observe(0, 60)
    once.observe(5, 60)
    assert often.busy_percent == pytest.approx(once.busy_percent) == pytest.approx(60 * (1 - 1 / math.e))


def test_a_threshold_of_a_hundred_never_closes() -> None:
    gate = BusyGate(100)
    feed(gate, range(60), 100)
    assert not gate.closed(500)


def test_what_is_expected_counts_on_top_and_is_not_remembered() -> None:
    gate = BusyGate(85)
    feed(gate, range(60), 50)
    assert gate.closed(36)
    assert not gate.closed(34)
    assert not gate.closed()


def test_exactly_the_threshold_is_open() -> None:
    assert not BusyGate(85).closed(85)
    assert (BusyGate(85).open_percent, BusyGate(85).threshold_percent) == (85, 85)


def test_a_clock_that_goes_back_changes_nothing_of_the_average() -> None:
    gate = BusyGate(85)
    feed(gate, range(10), 50)
    before = gate.busy_percent
    gate.observe(2.0, 100)
    assert gate.busy_percent == before


def test_another_threshold_holds_for_the_average_that_was_seen() -> None:
    gate = BusyGate(85)
    for now in range(60):
        gate.observe(now, 70)
    assert not gate.closed()
    gate.threshold_percent = 50
    assert gate.closed()
