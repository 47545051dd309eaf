"""What `--memory auto` reserves."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.learning import History, Learning, Run, percentile

ENOUGH_RUNS, CALM_RUNS, KEPT_RUNS, KINDS = 5, 20, 64, 256
MIB = 2**20


def learned(*peaks_mib: int) -> Learning:
    learning = Learning()
    for peak in peaks_mib:
        learning.finished("encode", Run(peak * MIB, float(peak)))
    return learning


def test_nothing_is_reserved_by_fewer_than_five_runs() -> None:
    assert learned(*[100] * (ENOUGH_RUNS - 1)).reserve_bytes("encode") is None
    assert learned(*[100] * ENOUGH_RUNS).reserve_bytes("encode") == 100 * MIB
    assert learned().reserve_bytes("never heard of") is None


def test_the_95th_percentile_of_the_peaks_is_reserved() -> None:
    assert learned(*range(1, 61)).reserve_bytes("encode") == 57 * MIB


def test_old_runs_are_forgotten() -> None:
    learning = learned(*[900] * KEPT_RUNS, *[100] * KEPT_RUNS)
    assert learning.reserve_bytes("encode") == 100 * MIB
    assert len(learning.histories["encode"].runs) == KEPT_RUNS


def test_a_kill_steps_the_reservation_up_and_the_next_one_again() -> None:
    learning = learned(*[100] * ENOUGH_RUNS)
    learning.killed("encode", 100 * MIB)
    assert learning.reserve_bytes("encode") == 150 * MIB
    learning.killed("encode", 150 * MIB)
    assert learning.reserve_bytes("encode") == 225 * MIB


def test_a_late_kill_of_a_smaller_reservation_takes_no_step_back() -> None:
    learning = learned(*[100] * ENOUGH_RUNS)
    learning.killed("encode", 150 * MIB)
    learning.killed("encode", 100 * MIB)
    assert learning.reserve_bytes("encode") == 225 * MIB


def test_a_kill_counts_before_there_are_enough_runs() -> None:
    learning = Learning()
    learning.killed("encode", 100 * MIB)
    assert learning.reserve_bytes("encode") == 150 * MIB


def test_the_step_is_forgotten_after_enough_runs_without_a_kill() -> None:
    learning = learned(*[100] * ENOUGH_RUNS)
    learning.killed("encode", 100 * MIB)
    for _ in range(CALM_RUNS - 1):
        learning.finished("encode", Run(100 * MIB, 10.0))
    assert learning.reserve_bytes("encode") == 150 * MIB
    learning.finished("encode", Run(100 * MIB, 10.0))
    assert learning.reserve_bytes("encode") == 100 * MIB


def test_a_step_that_is_forgotten_leaves_nothing_of_itself() -> None:
    learning = Learning()
    learning.killed("encode", 100 * MIB)
    for _ in range(CALM_RUNS):
        learning.finished("encode", Run(0, 10.0))
    assert learning.reserve_bytes("encode") is None


def test_what_was_seen_counts_where_it_is_more_than_the_step() -> None:
    learning = learned(*[400] * ENOUGH_RUNS)
    learning.killed("encode", 100 * MIB)
    assert learning.reserve_bytes("encode") == 400 * MIB


def test_what_was_learned_lowers_a_declaration_and_only_a_kill_raises_it() -> None:
    learning = learned(*[100] * ENOUGH_RUNS)
    assert learning.reserve_bytes("encode", 200 * MIB) == 100 * MIB
    assert learning.reserve_bytes("encode", 50 * MIB) == 50 * MIB
    assert learning.reserve_bytes("other", 50 * MIB) == 50 * MIB
    learning.killed("encode", 50 * MIB)
    assert learning.reserve_bytes("encode", 50 * MIB) == 75 * MIB


def test_a_declaration_is_told_by_how_much_it_is_off() -> None:
    learning = learned(*[100] * ENOUGH_RUNS)
    assert learning.declared_share("encode", 200 * MIB) == 2.0
    assert learning.declared_share("other", 200 * MIB) is None


def test_the_kind_not_heard_of_for_longest_makes_place() -> None:
    learning = Learning()
    for number in range(KINDS):
        learning.killed(f"kind-{number}", MIB)
    learning.killed("kind-0", MIB)
    learning.killed("new", MIB)
    assert learning.find("kind-1") is None
    assert learning.find("kind-0") is not None
    assert len(learning.histories) == KINDS


def test_kept_histories_go_on_where_they_were() -> None:
    before = learned(*[100] * ENOUGH_RUNS)
    after = Learning({kind: History(runs=list(known.runs)) for kind, known in before.histories.items()})
    assert [*after] == [*before]


def test_a_kind_is_shown_with_medians_and_tails() -> None:
    shown = learned(*range(1, 21)).find("encode")
    assert shown is not None
    assert (shown.runs, shown.peak_p50_bytes, shown.peak_p95_bytes) == (20, 10 * MIB, 19 * MIB)
    assert (shown.runtime_p50_seconds, shown.runtime_p95_seconds) == (10.0, 19.0)


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 100))
def test_so_many_percent_are_not_above_the_percentile(values: list[int], percent: int) -> None:
    found = percentile(values, percent)
    assert found is not None
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
