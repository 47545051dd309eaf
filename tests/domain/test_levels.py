"""Memory that is limited at several levels at once: the machine and the control groups around us."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.headroom import Level, Levels, MemoryRule

GIB = 2**30
RULE = MemoryRule(reserved_for_ui_bytes=100, threshold_percent=80)


def level(name: str, capacity: int, used: int) -> Level:
    return Level(name=name, capacity_bytes=capacity, used_bytes=used)


def free(levels: Levels) -> int:
    capacity, external = levels.capacity_bytes, levels.external_bytes(RULE)
    assert capacity is not None
    assert external is not None
    return RULE.allowed_bytes(capacity) - external


def test_before_the_first_reading_nothing_is_known() -> None:
    assert (Levels().capacity_bytes, Levels().external_bytes(RULE)) == (None, None)


def test_capacity_is_the_smallest_level() -> None:
    levels = Levels()
    levels.observe(0, [level("machine", 64_000, 10_000), level("group", 2_000, 300)])
    assert (levels.capacity_bytes, levels.external_bytes(RULE)) == (2_000, 300)


def test_a_full_machine_binds_a_group_that_has_room() -> None:
    levels = Levels()
    levels.observe(0, [level("machine", 64_000, 51_000), level("group", 2_000, 0)])
    assert free(levels) == 64_000 * 0.8 - 51_000


def test_a_limit_that_is_lifted_binds_nobody_any_longer() -> None:
    levels = Levels()
    levels.observe(0, [level("machine", 64_000, 0), level("group", 2_000, 1_900)])
    levels.observe(1, [level("machine", 64_000, 0)])
    assert (levels.capacity_bytes, levels.external_bytes(RULE)) == (64_000, 0)


def test_a_limit_that_changes_is_followed_at_once_and_the_peak_of_use_stays() -> None:
    levels = Levels()
    for at, capacity in ((0, 2_000), (1, 8_000), (2, 1_000)):
        levels.observe(at, [level("machine", 64_000, 0), level("group", capacity, 700 if at == 0 else 100)])
        assert (levels.capacity_bytes, levels.external_bytes(RULE)) == (capacity, 700)


Amounts = st.integers(min_value=0, max_value=10**6)


@given(st.lists(st.lists(st.tuples(Amounts, Amounts), min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_is_free_is_the_least_over_all_levels_each_at_its_peak(samples: list[list[tuple[int, int]]]) -> None:
    levels = Levels()
    for at, sample in enumerate(samples):
        levels.observe(at, [level(str(n), capacity, used) for n, (capacity, used) in enumerate(sample)])
    expected = min(
        RULE.allowed_bytes(capacity) - max(sample[n][1] for sample in samples)
        for n, (capacity, _) in enumerate(samples[-1])
    )
    assert free(levels) == expected
