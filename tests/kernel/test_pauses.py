"""Collections of garbage are timed, and the hook is taken out again."""

import gc
from itertools import count

from aura_actors.kernel.pauses import GcPauses, begin, settle


def test_the_time_between_begin_and_end_of_a_collection_is_added_up() -> None:
    times = iter([10.0, 10.5, 20.0, 20.2])
    pauses = GcPauses(clock=lambda: next(times))
    gc.disable()
    try:
        with pauses.watching():
            gc.collect()
            gc.collect()
    finally:
        gc.enable()
    statistics = pauses.statistics()
    assert round(statistics.pause_seconds_total, 6) == 0.7
    assert round(statistics.longest_pause_seconds, 6) == 0.5
    assert len(statistics.collections) == len(statistics.collected) == 3


def test_nothing_is_counted_outside_the_block() -> None:
    ticks = count()
    pauses = GcPauses(clock=lambda: float(next(ticks)))
    hooks = list(gc.callbacks)
    with pauses.watching():
        pass
    gc.collect()
    assert gc.callbacks == hooks
    assert pauses.statistics().pause_seconds_total == 0


def test_what_is_there_when_a_program_has_settled_is_not_looked_at_again() -> None:
    kept = [[number] for number in range(1000)]
    try:
        settle()
        assert gc.get_freeze_count() > len(kept)
        assert not any(each is kept for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is kept for each in gc.get_objects())


def test_what_was_loaded_without_the_collector_is_not_looked_at_when_it_begins() -> None:
    gc.disable()
    loaded = [[number] for number in range(1000)]
    try:
        begin()
        assert gc.isenabled()
        assert not any(each is loaded for each in gc.get_objects())
    finally:
        gc.enable()
        gc.unfreeze()
