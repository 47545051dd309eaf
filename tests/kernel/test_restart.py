"""Restart budgets and delays: pure, so every fact is a trace of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.errors import InvalidValue
from aura_actors.kernel.lifecycle import NEXT, IllegalTransition, Signal, State, advance
from aura_actors.kernel.restart import Backoff, RestartIntensity


def gives_up_at(intensity: RestartIntensity, times: list[float]) -> float | None:
    restarts: tuple[float, ...] = ()
    for now in times:
        restarts = intensity.record(restarts, now)
        if not intensity.allows(restarts):
            return now
    return None


def test_the_window_slides() -> None:
    """A tumbling window would start over at 5.0 and never give up on this trace; OTP's gives up at 6.0."""
    budget = RestartIntensity(intensity=5, period_seconds=5)
    assert gives_up_at(budget, [0, 4.0, 4.4, 4.8, 5.2, 5.6, 6.0]) == 6.0


def test_a_slow_drip_of_crashes_is_never_given_up_on() -> None:
    """A counter that only a long gap resets would give up at the sixth crash."""
    budget = RestartIntensity(intensity=5, period_seconds=5)
    assert gives_up_at(budget, [4.9 * n for n in range(100)]) is None


def test_the_window_is_closed_at_its_edge() -> None:
    budget = RestartIntensity(intensity=1, period_seconds=5)
    assert gives_up_at(budget, [0, 5.0]) == 5.0
    assert gives_up_at(budget, [0, 5.1]) is None


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_never_longer_than_the_cap(attempt: int, chance: float) -> None:
    backoff = Backoff(first_seconds=0.05, cap_seconds=5)
    assert 0 <= backoff.delay(attempt, chance) <= 5


def test_a_budget_that_the_backoff_puts_out_of_reach_is_refused() -> None:
    with pytest.raises(InvalidValue, match="never give up"):
        RestartIntensity(intensity=5, period_seconds=10).check_reachable(Backoff(first_seconds=1, cap_seconds=60))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("signal", list(Signal))
def test_a_transition_that_is_not_in_the_table_raises(state: State, signal: Signal) -> None:
    if (state, signal) in NEXT:
        assert advance(state, signal) is NEXT[state, signal]
    else:
        with pytest.raises(IllegalTransition):
            advance(state, signal)
