"""The processor's rule: smoothed use without what young jobs explain, plus what they declared."""

import pytest

from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.processor import Processor


def processor(threshold: float = 85) -> Processor:
    made = Processor(BusyGate(threshold))
    made.look(0.0, 0.0, 8, {})
    return made


def test_what_a_young_job_declared_counts_until_it_is_five_seconds_old() -> None:
    cpu = processor()
    cpu.begin(1, 7000, None, 10.0)
    assert cpu.expected_percent(14.9) == pytest.approx(87.5)
    assert cpu.closed(14.9)
    assert cpu.expected_percent(15.0) == 0
    assert not cpu.closed(15.0)


def test_each_grows_up_at_its_own_time_however_many_begin_meanwhile() -> None:
    cpu = processor()
    cpu.begin(1, 4000, None, 10.0)
    cpu.begin(2, 2000, None, 13.0)
    assert cpu.expected_percent(14.9) == pytest.approx(75)
    assert cpu.expected_percent(15.0) == pytest.approx(25)
    assert cpu.expected_percent(17.9) == pytest.approx(25)
    assert cpu.expected_percent(18.0) == 0


def test_jobs_that_declare_no_cores_expect_nothing() -> None:
    cpu = processor()
    cpu.begin(1, 0, None, 10.0)
    cpu.end(1)
    assert cpu.expected_percent(10.0) == 0


def test_a_job_that_ends_young_expects_nothing_any_more() -> None:
    cpu = processor()
    cpu.begin(1, 4000, None, 10.0)
    cpu.begin(2, 2000, None, 10.0)
    cpu.end(1)
    cpu.end(1)
    assert cpu.expected_percent(10.0) == pytest.approx(25)


def busy_after(cpu: Processor, seconds: int, percent: float, cores: float, since: int = 0) -> float:
    for second in range(since + 1, since + seconds + 1):
        cpu.look(float(second), percent, 8, {"g": cores * second})
    return cpu.gate.busy_percent


def test_use_of_a_young_job_is_not_counted_twice() -> None:
    cpu = processor()
    cpu.begin(1, 4000, "g", 0.0)
    cpu.look(0.0, 0.0, 8, {"g": 0.0})
    assert busy_after(cpu, 4, 50, 4.0) == 0


def test_only_so_much_is_explained_as_it_declared() -> None:
    plain, cpu = BusyGate(85), processor()
    cpu.begin(1, 2000, "g", 0.0)
    cpu.look(0.0, 0.0, 8, {"g": 0.0})
    for second in range(5):
        plain.observe(float(second), 25)
    assert busy_after(cpu, 4, 50, 4.0) == pytest.approx(plain.busy_percent)


def test_use_that_nobody_can_tell_to_be_a_young_jobs_own_counts() -> None:
    cpu = processor()
    cpu.begin(1, 4000, None, 0.0)
    assert busy_after(cpu, 4, 50, 4.0) > 20


def test_a_job_that_is_not_young_any_more_explains_nothing_though_nobody_asked_meanwhile() -> None:
    """Readings come whether or not anybody asks for a lease."""
    cpu = processor()
    cpu.begin(1, 8000, "g", 0.0)
    assert busy_after(cpu, 60, 100, 8.0) > 95
    assert cpu.closed(61.0)


def test_what_explains_use_is_how_much_ran_in_a_second_however_far_apart_the_readings() -> None:
    cpu = processor()
    cpu.begin(1, 4000, "g", 0.0)
    cpu.look(0.0, 0.0, 8, {"g": 0.0})
    cpu.look(2.0, 50, 8, {"g": 4.0})
    assert cpu.gate.busy_percent == pytest.approx(25 * (1 - 2.718281828 ** (-2 / 5)))


def test_a_young_job_that_nobody_could_read_explains_nothing() -> None:
    cpu = processor()
    cpu.begin(1, 4000, "g", 0.0)
    cpu.look(1.0, 50, 8, {})
    cpu.look(2.0, 50, 8, {})
    assert cpu.gate.busy_percent == pytest.approx(50 * (1 - 2.718281828 ** (-2 / 5)))


def test_before_the_first_reading_there_is_one_core() -> None:
    cpu = Processor(BusyGate(85))
    cpu.begin(1, 500, None, 0.0)
    assert cpu.expected_percent(0.0) == 50


def test_a_group_that_is_new_or_starts_again_explains_nothing_below_zero() -> None:
    cpu = processor()
    cpu.begin(1, 4000, "g", 0.0)
    cpu.look(1.0, 50, 8, {"g": 1000.0})
    cpu.look(2.0, 50, 8, {"g": 0.0})
    assert cpu.gate.busy_percent == pytest.approx(50 * (1 - 2.718281828 ** (-2 / 5)))


def test_there_is_one_core_at_least() -> None:
    cpu = processor()
    cpu.look(1.0, 50, 0, {})
    assert cpu.cores == 1


def test_what_is_seen_and_expected_are_added() -> None:
    cpu = processor()
    busy_after(cpu, 60, 40, 0.0)
    cpu.begin(1, 2000, None, 60.0)
    assert cpu.expected_busy_percent(60.0) == pytest.approx(65, abs=0.1)
