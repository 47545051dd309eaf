"""The guide's rule for the thread pool, and its hysteresis."""

import pytest

from aura_actors.domain.thread_pool import ThreadPoolRule


@pytest.mark.parametrize(
    ("cpu_percent", "size"), [(0, 16), (69.9, 16), (70, 99), (80, 99), (80.1, 8), (100, 8), (None, 99)]
)
def test_four_threads_per_core_while_calm_two_while_busy_and_none_changed_between(
    cpu_percent: float | None, size: int
) -> None:
    assert ThreadPoolRule().size(99, cores=4, cpu_percent=cpu_percent) == size


def test_an_unknown_number_of_cores_changes_nothing() -> None:
    assert ThreadPoolRule().size(99, cores=None, cpu_percent=50) == 99


def test_a_use_that_swings_around_the_threshold_is_one_change() -> None:
    size, sizes = 16, []
    for cpu_percent in (85, 79, 81, 76, 88, 72):
        size = ThreadPoolRule().size(size, cores=4, cpu_percent=cpu_percent)
        sizes.append(size)
    assert sizes == [8] * 6
