"""Restart budgets past the edge of their window: traces on which sliding, tumbling and gap-reset differ.

The same traces are played through a real supervisor in virtual time, so that the window is known to slide there
too.
"""

from collections.abc import Sequence
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.reports import GaveUp
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import Worker

INTENSITY, PERIOD_SECONDS = 5, 5.0


def sliding(crashes: Sequence[float], *, intensity: int = INTENSITY) -> float | None:
    """When the budget under test gives up."""
    budget = RestartIntensity(intensity=intensity, period_seconds=PERIOD_SECONDS)
    restarts: tuple[float, ...] = ()
    for now in crashes:
        restarts = budget.record(restarts, now)
        if not budget.allows(restarts):
            return now
    return None


def by_definition(crashes: Sequence[float], *, intensity: int = INTENSITY) -> float | None:
    """The first crash with more than `intensity` in the closed period that ends with it."""
    for n, now in enumerate(crashes):
        if sum(now - t <= PERIOD_SECONDS for t in crashes[: n + 1]) > intensity:
            return now
    return None


def tumbling(crashes: Sequence[float]) -> float | None:
    """systemd's and Pekko's kind: a window begins with its first crash, and is over after the period."""
    began, count = float("-inf"), 0
    for now in crashes:
        if now - began > PERIOD_SECONDS:
            began, count = now, 0
        count += 1
        if count > INTENSITY:
            return now
    return None


def gap_reset(crashes: Sequence[float], *, quiet_seconds: float = PERIOD_SECONDS) -> float | None:
    """A counter that starts again after so long without a crash."""
    last, count = float("-inf"), 0
    for now in crashes:
        if now - last > quiet_seconds:
            count = 0
        last, count = now, count + 1
        if count > INTENSITY:
            return now
    return None


DRIP = [4.9 * n for n in range(40)]
ACROSS_THE_EDGE = [0, 4.0, 4.4, 4.8, 5.2, 5.6, 6.0]
TWO_BURSTS = [0, 0.2, 0.4, 4.0, 4.2, 8.4, 8.6, 8.8]
LATE_BURST = [0, 4.5, 4.6, 4.7, 4.8, 5.1, 5.2, 12.0, 16.9]

TRACES = [
    pytest.param(DRIP, None, None, 24.5, id="a slow drip"),
    pytest.param(ACROSS_THE_EDGE, 6.0, None, 5.6, id="a burst across the edge of a tumbling window"),
    pytest.param(TWO_BURSTS, None, None, 8.4, id="two small bursts"),
    pytest.param(LATE_BURST, 5.2, None, 5.1, id="a burst that a tumbling window cuts in two"),
]


@pytest.mark.parametrize(("crashes", "slides", "tumbles", "resets"), TRACES)
def test_three_windows_differ_on_a_trace_and_ours_slides(
    crashes: list[float], slides: float | None, tumbles: float | None, resets: float | None
) -> None:
    assert (sliding(crashes), tumbling(crashes), gap_reset(crashes)) == (
        slides,
        tumbles,
        None if resets is None else pytest.approx(resets),
    )


def test_a_reset_after_a_short_quiet_misses_a_storm_that_a_sliding_window_sees() -> None:
    storm = [0.9 * n for n in range(6)]
    assert (sliding(storm), gap_reset(storm, quiet_seconds=0.8)) == (4.5, None)


# Quarters of a second, which floats add up and take apart exactly.
gaps = st.integers(0, 24).map(lambda quarters: quarters / 4)
traces = st.lists(gaps, max_size=30).map(lambda gaps: [sum(gaps[: n + 1]) for n in range(len(gaps))])


@given(traces, st.integers(0, 6))
def test_the_window_slides_as_its_definition_says(crashes: list[float], intensity: int) -> None:
    assert sliding(crashes, intensity=intensity) == by_definition(crashes, intensity=intensity)


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 6))
def test_the_window_slides_as_its_definition_says_on_its_very_edge(gaps: list[int], intensity: int) -> None:
    crashes = [float(sum(gaps[: n + 1])) for n in range(len(gaps))]
    assert sliding(crashes, intensity=intensity) == by_definition(crashes, intensity=intensity)


@given(traces)
def test_what_a_tumbling_window_sees_a_sliding_one_sees_and_what_that_sees_a_gap_reset_sees(
    crashes: list[float],
) -> None:
    """So the traces above are all the ways in which the three can differ."""
    never = float("inf")
    times = [never if at is None else at for at in (gap_reset(crashes), sliding(crashes), tumbling(crashes))]
    assert times == sorted(times)


@pytest.mark.parametrize(("crashes", "slides", "tumbles", "resets"), TRACES)
async def test_a_supervisor_gives_up_when_its_window_says_so(
    autojump_clock: MockClock,
    crashes: list[float],
    slides: float | None,
    tumbles: float | None,
    resets: float | None,
) -> None:
    assert await gives_up_at(crashes) == (None if slides is None else pytest.approx(slides))


async def gives_up_at(crashes: Sequence[float]) -> float | None:
    """Play the trace in a supervisor that restarts without delay: the seconds after which it gives up."""
    began = trio.current_time()
    stopping = trio.Event()
    supervisor = Supervisor(
        "s",
        [ChildSpec(name="a", service=Worker("a", []))],
        intensity=RestartIntensity(intensity=INTENSITY, period_seconds=PERIOD_SECONDS),
        backoff=Backoff(first_seconds=0, cap_seconds=0),
    )
    gave_up_at: float | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(supervisor.run, stopping=stopping))
            for seconds in crashes:
                await trio.sleep_until(began + seconds)
                supervisor.crash("a", RuntimeError("on purpose"))
            await trio.sleep(0.1)
            stopping.set()
    except* GaveUp:
        gave_up_at = trio.current_time() - began
    return gave_up_at
