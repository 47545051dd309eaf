"""Three clocks that move together, and apart where real ones do."""

import pytest

from aura_actors.testing import ManualClock


def test_time_stands_until_it_is_moved_and_then_moves_on_all_clocks() -> None:
    clock = ManualClock(steady=10, wall=1000)
    assert (clock.steady(), clock.boot(), clock.wall()) == (10, 10, 1000)
    clock.advance(2.5)
    assert (clock.steady(), clock.boot(), clock.wall()) == (12.5, 12.5, 1002.5)


def test_while_the_machine_sleeps_the_steady_clock_stands() -> None:
    clock = ManualClock(steady=10, wall=1000)
    clock.suspend(60)
    assert (clock.steady(), clock.boot(), clock.wall()) == (10, 70, 1060)


def test_only_the_wall_clock_can_be_set_back() -> None:
    clock = ManualClock(steady=10, wall=1000)
    clock.set_wall(500)
    assert (clock.steady(), clock.boot(), clock.wall()) == (10, 10, 500)
    for move in (clock.advance, clock.suspend):
        with pytest.raises(ValueError, match="time does not go back by 1 s"):
            move(-1)
    assert (clock.steady(), clock.boot(), clock.wall()) == (10, 10, 500)
