"""A disk that fills up: what is brought forward, in which order, and when it is not worth the while."""

from aura_actors.domain.watermarks import LITTLE_PERCENT, PURGE, RETRY_SECONDS, Emergency, Marks

TASKS = ("temp-files", "cache", "vacuum")
MARKS = Marks(high_percent=85, low_percent=80)


def steps(emergency: Emergency, used: list[float | None], now: float = 0.0) -> list[str | None]:
    return [emergency.step(each, now) for each in used]


def test_nothing_happens_below_the_high_mark_or_where_use_is_unknown() -> None:
    emergency = Emergency(MARKS, TASKS)
    assert steps(emergency, [84.9, None, 80]) == [None, None, None]
    assert not emergency.on


def test_quarantine_goes_first_then_what_is_cheapest_to_recreate_until_the_low_mark() -> None:
    emergency = Emergency(MARKS, TASKS)
    assert steps(emergency, [85, 84, 83]) == [PURGE, "cache", PURGE]
    assert emergency.on
    assert steps(emergency, [82, 81]) == ["temp-files", PURGE]
    assert steps(emergency, [81]) == [None]
    assert not emergency.on


def test_it_ends_at_the_low_mark_and_begins_again_at_the_high_one() -> None:
    emergency = Emergency(MARKS, TASKS)
    assert steps(emergency, [90, 80, 84.9, 85]) == [PURGE, None, None, PURGE]


def test_one_that_freed_little_is_not_repeated_for_a_while() -> None:
    emergency = Emergency(MARKS, ("cache",))
    assert steps(emergency, [90, 90, 90, 90]) == [PURGE, "cache", PURGE, None]
    assert steps(emergency, [90], now=RETRY_SECONDS - 1) == [None]
    assert steps(emergency, [90], now=RETRY_SECONDS) == [PURGE]


def test_it_is_an_hour_and_a_hundredth_of_the_disk_from_85_percent_to_80_unless_told_otherwise() -> None:
    assert (RETRY_SECONDS, LITTLE_PERCENT) == (3600, 1)
    emergency = Emergency(Marks(), TASKS)
    assert steps(emergency, [84.9, 85, 80.1, 80]) == [None, PURGE, "cache", None]


def test_one_that_came_to_the_low_mark_is_repeated_however_little_it_freed() -> None:
    emergency = Emergency(Marks(high_percent=80.5, low_percent=80), TASKS)
    assert steps(emergency, [80.5, 80, 80.5]) == [PURGE, None, PURGE]


def test_one_that_freed_something_is_repeated_at_once() -> None:
    emergency = Emergency(MARKS, ("cache",))
    steps(emergency, [90, 90, 90, 90 - LITTLE_PERCENT])
    assert steps(emergency, [89]) == [PURGE]


def test_tasks_that_only_move_things_are_not_brought_forward() -> None:
    emergency = Emergency(MARKS, ("vacuum", "archive-projects"))
    assert steps(emergency, [95, 95]) == [PURGE, None]
