"""Where the timetable draws its lines: the moment at which a task is due, and whom the last of a pass waits for."""

import pytest

from aura_actors.domain.schedule import Timing, jitter_seconds
from aura_actors.domain.timetable import Hour, Standing, choose, most_overdue
from aura_actors.domain.yielding import Manners

DAY, WEEK = 86_400.0, 7 * 86_400.0
WALL, DELAY = 1.8e9, 300.0


def timing(task: str, period: float = WEEK, *, last: bool = False) -> Timing:
    return Timing(task=task, every_seconds=(period,), last_of_pass=last)


def standing(of: Timing, ago: float | None) -> Standing:
    return Standing(timing=of, finished_at=None if ago is None else WALL - ago)


def chosen(*standings: Standing, since_open: float = WEEK, since_run: float = DAY) -> str | None:
    at = Hour(wall=WALL, since_open_seconds=since_open, since_run_seconds=since_run, busy=False)
    return choose(standings, at, start_delay_seconds=DELAY, manners=Manners())


def jitters() -> tuple[Timing, Timing]:
    """The closing task, and another of its period whose jitter is longer by a second at least."""
    last = timing("vacuum", last=True)
    others = (timing(f"task {number}") for number in range(100))
    return last, next(each for each in others if jitter_seconds(each) > jitter_seconds(last) + 1)


def test_no_task_is_the_last_of_a_pass_unless_it_is_told_so() -> None:
    assert not Timing(task="a", every_seconds=(DAY,)).last_of_pass


def test_a_task_is_due_at_the_very_moment() -> None:
    task = timing("a")
    due_after = DELAY + jitter_seconds(task)
    assert chosen(standing(task, None), since_open=due_after) == "a"
    assert chosen(standing(task, None), since_open=due_after - 0.5) is None
    assert most_overdue({"a": 0.0}) == "a"
    assert most_overdue({"a": 0.5}) is None


@pytest.mark.parametrize(("since_run", "task"), [(59.5, None), (60.0, "a")])
def test_a_minute_passes_between_two_runs(since_run: float, task: str | None) -> None:
    assert chosen(standing(timing("a"), None), since_run=since_run) == task


@pytest.mark.parametrize("before", [0.0, 0.5])
def test_the_last_of_a_pass_waits_for_one_that_is_not_due_yet(before: float) -> None:
    last, other = jitters()
    ago = WEEK + (jitter_seconds(last) + jitter_seconds(other)) / 2
    assert chosen(standing(last, ago), standing(other, ago + before)) is None
    assert chosen(standing(last, ago), standing(other, ago - 1)) == "vacuum"


def test_the_last_of_a_pass_waits_for_nobody_of_another_period() -> None:
    assert (
        chosen(standing(timing("vacuum", last=True), 8 * DAY), standing(timing("m", 28 * DAY), 10 * DAY))
        == "vacuum"
    )


def test_two_that_close_a_pass_do_not_wait_for_each_other() -> None:
    both = (standing(timing(name, last=True), 8 * DAY) for name in ("vacuum", "sweep"))
    assert chosen(*both) in ("vacuum", "sweep")
