"""Giving way: when the machine is busy, how long to rest, and how long a pass may be put off."""

import pytest

from aura_actors.domain.yielding import Load, Manners, busy_with, may_wait, rest_seconds

MANNERS = Manners(cpu_percent=80, io_percent=20, running_jobs=2, patience_periods=3)


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(), None),
        (Load(cpu_percent=79.9, io_percent=19.9, running_jobs=1), None),
        (Load(cpu_percent=80), "the processor is in use to 80 %"),
        (Load(io_percent=20), "tasks waited for disks 20 % of the time"),
        (Load(running_jobs=2), "2 jobs are running"),
    ],
)
def test_any_one_of_the_three_makes_the_machine_busy_and_what_is_unknown_does_not(
    load: Load, reason: str | None
) -> None:
    assert busy_with(load, MANNERS) == reason


def test_unless_told_otherwise_80_percent_20_percent_and_one_job_are_busy_and_three_periods_are_waited() -> None:
    calm, busy = Load(cpu_percent=79.9, io_percent=19.9), [Load(cpu_percent=80), Load(io_percent=20)]
    assert busy_with(calm, Manners()) is None
    assert all(busy_with(load, Manners()) for load in busy)
    assert busy_with(Load(running_jobs=1), Manners()) == "1 job is running"
    assert (may_wait(-299.9, 100, Manners()), may_wait(-300, 100, Manners())) == (True, False)


def test_a_threshold_of_100_percent_is_never_reached() -> None:
    assert busy_with(Load(cpu_percent=100, io_percent=100), Manners(cpu_percent=100, io_percent=100)) is None


def test_a_rest_is_as_long_as_the_work_and_only_while_the_machine_is_busy() -> None:
    assert rest_seconds(0.05, busy=True) == 0.05
    assert rest_seconds(0.05, busy=False) == 0


def test_a_pass_is_put_off_for_three_periods_and_no_longer() -> None:
    assert may_wait(-0.0, 100, MANNERS)
    assert may_wait(-299.9, 100, MANNERS)
    assert not may_wait(-300, 100, MANNERS)
