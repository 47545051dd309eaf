"""Which task goes next, and a year of it with downtimes, restarts, busy days and passes that take long."""

import itertools
import os
import random
from collections.abc import Sequence

import pytest

from aura_actors.domain.schedule import Timing
from aura_actors.domain.timetable import GAP_SECONDS, Hour, Standing, choose, most_overdue, waits
from aura_actors.domain.yielding import Manners

HOUR, DAY = 3_600.0, 86_400.0
WEEK = 7 * DAY
DELAY = 300.0
WALL = 1.8e9
MANNERS = Manners()


def standing(task: str, period: float = HOUR, *, ago: float | None = None, last: bool = False) -> Standing:
    timing = Timing(task=task, every_seconds=(period,), last_of_pass=last)
    return Standing(timing=timing, finished_at=None if ago is None else WALL - ago)


def hour(*, since_run: float = DAY, busy: bool = False, since_open: float = 30 * DAY, wall: float = WALL) -> Hour:
    return Hour(wall=wall, since_open_seconds=since_open, since_run_seconds=since_run, busy=busy)


def chosen(standings: Sequence[Standing], at: Hour) -> str | None:
    return choose(standings, at, start_delay_seconds=DELAY, manners=MANNERS)


def test_the_longest_due_task_goes_first() -> None:
    assert most_overdue({"a": 5.0, "b": -1.0, "c": -9.0}) == "c"
    assert most_overdue({"a": 5.0}) is None
    assert most_overdue({}) is None
    assert chosen([standing("a", ago=2 * HOUR), standing("b", ago=9 * HOUR)], hour()) == "b"


def test_there_is_a_pause_between_two_runs() -> None:
    due = [standing("a", ago=9 * HOUR)]
    assert chosen(due, hour(since_run=GAP_SECONDS - 1)) is None
    assert chosen(due, hour(since_run=GAP_SECONDS)) == "a"


def test_a_busy_machine_puts_a_pass_off_for_three_periods() -> None:
    assert chosen([standing("a", ago=3.9 * HOUR)], hour(busy=True)) is None
    assert chosen([standing("a", ago=4.2 * HOUR)], hour(busy=True)) == "a"


def test_patience_counts_from_the_start_where_the_program_was_not_there_before() -> None:
    assert chosen([standing("a", ago=99 * HOUR)], hour(busy=True, since_open=2 * HOUR)) is None


def test_the_last_of_a_pass_waits_for_the_others_of_its_period_but_not_for_ever() -> None:
    vacuum = standing("vacuum", WEEK, ago=8 * DAY, last=True)
    behind, through, hourly = (
        standing("logs", WEEK, ago=8.5 * DAY),
        standing("logs", WEEK, ago=1),
        standing("t", ago=1),
    )
    assert chosen([vacuum, standing("logs", WEEK, ago=6.9 * DAY), hourly], hour()) == "vacuum"
    assert chosen([vacuum, behind], hour()) == "logs"
    assert chosen([vacuum, through], hour()) == "vacuum"
    # It is not due yet, but will be within the pass.
    late = standing("vacuum", WEEK, ago=7.1 * DAY, last=True)
    assert chosen([late, standing("logs", WEEK, ago=7.2 * DAY)], hour()) == "logs"
    never = standing("vacuum", WEEK, ago=29 * DAY, last=True)
    stuck = Standing(timing=behind.timing, finished_at=WALL - 30 * DAY)
    assert chosen([never, stuck], hour(busy=True)) in ("logs", "vacuum")


def test_a_disabled_task_is_neither_due_nor_waited_for() -> None:
    off = Timing(task="off", every_seconds=(WEEK,), enabled=False)
    vacuum = standing("vacuum", WEEK, ago=8 * DAY, last=True)
    assert chosen([vacuum, Standing(timing=off, finished_at=None)], hour()) == "vacuum"
    assert "off" not in waits([Standing(timing=off, finished_at=None)], hour(), DELAY)


# --- a year ---------------------------------------------------------------------------------------------------

TASKS = {
    "temp-files": HOUR, "orphaned-uploads": HOUR, "cache": HOUR,
    "archive-projects": DAY, "failed-projects": DAY, "compress-logs": DAY,
    "export-history": WEEK, "action-logs": WEEK, "archived-projects": WEEK, "vacuum": WEEK,
}  # fmt: skip
YEAR = 365 * DAY


class Year:
    """The rules of the schedule, driven as the actor drives them, through lives of a program on a bad machine."""

    def __init__(self, seed: int, passes: Sequence[float] = (2.0,) * 9 + (60.0, 1_200.0, 5_400.0)) -> None:
        self.chance = random.Random(seed)
        self.passes = passes
        self.now = 0.0
        self.finished: dict[str, float] = {}
        self.runs: list[tuple[str, float, float, bool]] = []
        """Task, start, end, and whether it came to its end."""
        self.lives: list[tuple[float, float]] = []
        self.busy: list[tuple[float, float]] = []

    def is_busy(self) -> bool:
        while self.busy and self.busy[0][1] <= self.now:
            self.busy.pop(0)
        return bool(self.busy) and self.busy[0][0] <= self.now

    def plan_busy_times(self) -> None:
        at = 0.0
        while at < YEAR:
            at += self.chance.expovariate(1 / (2 * DAY))
            length = self.chance.choice([HOUR, 6 * HOUR, 4 * DAY])
            self.busy.append((at, at + length))
            at += length

    def live(self, until: float) -> None:
        """One life of the program; a run that is under way at its end is cut short."""
        opened, ran_at = self.now, float("-inf")
        standings = {
            task: Timing(task=task, every_seconds=(period,), last_of_pass=task == "vacuum")
            for task, period in TASKS.items()
        }
        while self.now < until:
            table = [Standing(timing=t, finished_at=self.finished.get(task)) for task, t in standings.items()]
            at = Hour(
                wall=WALL + self.now,
                since_open_seconds=self.now - opened,
                since_run_seconds=self.now - ran_at,
                busy=self.is_busy(),
            )
            task = choose(table, at, start_delay_seconds=DELAY, manners=MANNERS)
            if task is None:
                # The actor ticks; time in which nothing can change is skipped here.
                nearest = min(waits(table, at, DELAY).values())
                self.now += HOUR / 3 if at.busy else max(60.0, nearest)
                continue
            began = self.now
            self.now += self.chance.choice(self.passes)
            whole = self.now < until
            self.runs.append((task, began, min(self.now, until), whole))
            ran_at = self.now
            if whole:
                self.finished[task] = WALL + self.now
        self.lives.append((opened, until))
        self.now = until


SEEDS = range(1, 1 + int(os.environ.get("AURA_SCHEDULE_YEARS", "1")))
"""More years: AURA_SCHEDULE_YEARS=50."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_year_with_downtimes_restarts_and_long_passes(seed: int) -> None:
    year = Year(seed)
    year.plan_busy_times()
    while year.now < YEAR:
        year.live(year.now + year.chance.choice([0.2 * HOUR, 5 * HOUR, 3 * DAY, 20 * DAY]))
        year.now += year.chance.choice([0.0, 0.0, 30.0, 9 * HOUR, 4 * DAY])

    runs = sorted(year.runs, key=lambda run: run[1])
    # Never two at once, and never one straight after the other: so never all together.
    for (_, _, end, _), (_, begin, _, _) in itertools.pairwise(runs):
        assert begin >= end
    for opened, closed in year.lives:
        lived = [run for run in runs if opened <= run[1] < closed]
        assert all(run[1] >= opened + DELAY for run in lived)
        assert all(b[1] - a[2] >= GAP_SECONDS for a, b in itertools.pairwise(lived))

    for task, period in TASKS.items():
        through = [run for run in runs if run[0] == task and run[3]]
        # Not more often than it should: a whole period between an end and the next start.
        assert all(b[1] - a[2] >= period - 1 for a, b in itertools.pairwise(through)), task
        # Not less often: of all the time that somebody was there, no stretch is longer than its period, its jitter,
        # the patience with a busy machine, and the passes of others that were before it in line.
        for opened, closed in year.lives:
            marks = [opened, *(run[2] for run in through if opened <= run[1] < closed), closed]
            longest = max(b - a for a, b in itertools.pairwise(marks))
            assert longest <= period * 1.1 + MANNERS.patience_periods * period + 10 * HOUR, (task, longest / period)

    # The closing task is the last of each weekly pass.
    vacuums = [run for run in runs if run[0] == "vacuum" and run[3]]
    assert len(vacuums) >= 15
    for before, after in itertools.pairwise(vacuums):
        between = {run[0] for run in runs if before[2] < run[1] < after[1] and run[3]}
        assert {"export-history", "action-logs", "archived-projects"} <= between


def test_on_a_calm_machine_every_task_runs_as_often_as_its_period_and_jitter_say() -> None:
    year = Year(4, passes=(5.0, 30.0))
    year.live(28 * DAY)
    for task, period in TASKS.items():
        count, most = sum(run[0] == task for run in year.runs), 28 * DAY / period
        # A tenth of jitter at most, the pass itself, and whoever was before it in line.
        assert most / 1.2 - 2 <= count <= most + 1, (task, count, most)
