"""One dimension: H and its parts, over one level and several."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.accounts import MACHINE, Allowance, Counted, Group, Measured, Use
from aura_actors.domain.external import Level
from aura_actors.domain.window import Window

RULE = Allowance(reserved_bytes=50, threshold_percent=80)
G, INSIDE = Group("g"), Group("in", 0, "/slice/job")


def level(capacity: int, used: int, name: str = MACHINE) -> Level:
    return Level(name=name, capacity_bytes=capacity, used_bytes=used)


def memory(used: int = 100, windows: dict[str, Window] | None = None) -> Measured:
    made = Measured("memory", RULE, windows, resident=True)
    made.look(0.0, [level(1000, used)], {})
    return made


def test_allowed_is_the_smaller_of_the_share_and_what_the_interface_leaves() -> None:
    assert [RULE.of(capacity) for capacity in (1000, 250, 249, 100, 50, 40)] == [800, 200, 199, 50, 0, 0]
    assert Allowance().of(77) == 77


def test_before_the_first_reading_nothing_is_known_and_there_is_no_room() -> None:
    made = Measured("memory", RULE)
    assert (made.capacity, made.most, made.external, made.ghosts, made.free_now) == (None, None, 0, 0, 0)
    assert made.credit_of(1) == 0
    made.charge(1, 10, None, 0.0)
    made.charge(2, 10, G, 0.0)
    assert (made.room, made.promised) == (float("-inf"), 20)
    made.refund(2, 10, G, 0.0)
    made.redeclare(1, 10, 5, None, 0.0)
    assert (made.room, made.promised) == (float("-inf"), 5)


def test_what_is_declared_and_not_used_yet_is_held_in_full() -> None:
    account = memory()
    account.charge(1, 300, G, 0.0)
    assert (account.promised, account.room) == (300, 400)


def test_what_a_job_uses_of_its_declaration_is_not_held_twice() -> None:
    account = memory()
    account.charge(1, 300, G, 0.0)
    account.look(1.0, [level(1000, 350)], {"g": Use(250, 250)})
    assert (account.external, account.promised, account.room) == (100, 300, 400)


def test_a_job_that_uses_more_than_it_declared_is_held_for_what_it_uses() -> None:
    account = memory()
    account.charge(1, 100, G, 0.0)
    account.look(1.0, [level(1000, 400)], {"g": Use(280, 320)})
    assert (account.external, account.promised, account.room) == (120, 320, 360)


def test_two_leases_of_one_process_count_its_memory_once() -> None:
    account = memory()
    account.charge(1, 100, G, 0.0)
    account.charge(2, 200, G, 0.0)
    assert (account.promised, account.room) == (300, 400)
    account.look(1.0, [level(1000, 500)], {"g": Use(400, 400)})
    assert (account.external, account.promised) == (100, 400)
    account.refund(1, 100, G, 1.0)
    assert (account.promised, account.ghosts, account.room) == (400, 0, 300)
    account.refund(2, 200, G, 1.0)
    assert (account.promised, account.ghosts, account.external, account.room) == (0, 400, 100, 300)
    account.look(2.0, [level(1000, 100)], {})
    assert account.room == 700


def test_of_two_leases_of_one_process_the_one_that_ends_gives_back_what_it_declared() -> None:
    account = memory()
    account.charge(1, 100, G, 0.0)
    account.charge(2, 200, G, 0.0)
    account.refund(1, 100, G, 0.0)
    assert (account.promised, account.room) == (200, 500)


def test_a_group_that_one_reading_leaves_out_keeps_what_it_used() -> None:
    account = memory()
    account.charge(1, 100, G, 0.0)
    account.look(1.0, [level(1000, 400)], {"g": Use(300, 300)})
    account.look(2.0, [level(1000, 400)], {})
    assert account.use_of("g") == Use(300, 300)
    assert (account.use_of(None), account.use_of("x")) == (None, None)


def test_what_a_process_had_resident_before_its_grant_was_its_own() -> None:
    account = memory(used=400)
    account.charge(1, 100, Group("g", bytes_before=300), 0.5)
    account.look(1.0, [level(1000, 400)], {"g": Use(300, 300)})
    assert (account.external, account.room) == (100, 400)


def test_a_process_of_which_nothing_is_known_used_nothing_before_its_grant() -> None:
    account = memory(used=400)
    account.charge(1, 100, G, 0.5)
    account.look(1.0, [level(1000, 400)], {"g": Use(300, 300)})
    assert account.external == 400


def test_what_a_process_had_resident_says_nothing_of_another_dimension() -> None:
    account = Measured("gpu:0:memory", Allowance())
    account.look(0.0, [level(100, 60)], {})
    account.look(1.0, [level(100, 10)], {})
    account.charge(1, 20, Group("g", bytes_before=50), 1.0)
    account.look(2.0, [level(100, 30)], {"g": Use(20, 20)})
    assert account.external == 60


def test_headroom_is_the_least_over_levels() -> None:
    account = memory()
    account.look(1.0, [level(1000, 100), level(500, 200, "/slice")], {})
    assert (account.capacity, account.most, account.room, account.free_now) == (500, 400, 200, 300)
    account.look(2.0, [level(1000, 750), level(500, 200, "/slice")], {})
    assert (account.room, account.free_now) == (50, 250)


def test_ghosts_are_those_at_the_level_where_least_is_free() -> None:
    account = memory()
    account.charge(1, 300, G, 0.0)
    account.look(1.0, [level(1000, 500), level(500, 450, "/slice")], {"g": Use(300, 300)})
    account.refund(1, 300, G, 1.0)
    assert (account.room, account.ghosts, account.external) == (-50, 0, 450)
    account.look(1.5, [level(1000, 500)], {})
    assert (account.room, account.ghosts, account.external) == (300, 300, 200)


def test_a_group_is_subtracted_only_at_levels_that_it_is_in() -> None:
    account = memory()
    account.look(1.0, [level(1000, 100), level(500, 0, "/slice")], {})
    account.charge(1, 100, G, 1.0)
    account.charge(2, 100, INSIDE, 1.0)
    account.charge(3, 100, Group("sibling", 0, "/slice2/job"), 1.0)
    account.charge(4, 100, Group("itself", 0, "/slice"), 1.0)
    uses = {"g": Use(10, 10), "in": Use(20, 20), "sibling": Use(30, 30), "itself": Use(40, 40)}
    account.look(2.0, [level(1000, 200), level(500, 160, "/slice")], uses)
    held = {name: external.peak_bytes for name, (_, external) in account._levels.items()}
    assert held == {MACHINE: 100, "/slice": 100}
    assert account.room == 400 - 100 - 400


def test_a_limit_that_is_lifted_binds_nobody_and_begins_anew_when_it_returns() -> None:
    windows: dict[str, Window] = {}
    account = memory(windows=windows)
    account.look(1.0, [level(1000, 100), level(500, 390, "/slice")], {})
    account.look(2.0, [level(1000, 100)], {})
    assert (account.room, set(windows)) == (700, {MACHINE})
    account.look(3.0, [level(1000, 100), level(500, 10, "/slice")], {})
    assert account.room == 390


def test_where_no_limit_is_left_there_is_no_room() -> None:
    account = memory()
    account.charge(1, 10, None, 0.0)
    account.look(1.0, [], {})
    assert account.room == -10


def test_a_limit_that_changes_is_followed_at_once_and_the_peak_of_use_stays() -> None:
    account = memory()
    for at, capacity in ((1.0, 500), (2.0, 900), (3.0, 600)):
        used = 200 if at == 1.0 else 100
        account.look(at, [level(1000, 0), level(capacity, used, "/slice")], {})
        assert account.room == RULE.of(capacity) - 200


def test_the_peak_outlives_whoever_keeps_the_books() -> None:
    windows: dict[str, Window] = {}
    memory(used=600, windows=windows)
    again = Measured("memory", RULE, windows)
    again.look(1.0, [level(1000, 100)], {})
    assert again.room == 200


def test_what_was_in_use_when_a_level_is_first_seen_is_no_growth_of_a_job_from_before() -> None:
    """After a restart a lease without a process would be credited what others use."""
    account = Measured("memory", RULE)
    account.charge(1, 400, None, 0.0)
    for at in range(10):
        account.look(float(at), [level(1000, 300)], {})
    account.ready(1)
    assert (account.credit_of(1), account.room) == (0, 800 - 300 - 400)


def test_what_grows_after_a_level_is_first_seen_may_be_a_jobs_from_before() -> None:
    account = Measured("memory", RULE)
    account.charge(1, 400, None, 0.0)
    account.look(0.0, [level(1000, 300)], {})
    account.look(1.0, [level(1000, 500)], {})
    account.ready(1)
    assert account.credit_of(1) == 200


def test_a_process_from_before_a_restart_is_no_external_use_once_it_is_read() -> None:
    account = Measured("memory", RULE)
    account.charge(1, 400, G, 0.0)
    account.look(0.0, [level(1000, 450)], {})
    assert account.room == 800 - 450 - 400
    account.look(1.0, [level(1000, 450)], {"g": Use(350, 350)})
    assert account.room == 800 - 100 - 400


def test_credit_is_what_was_credited_where_least_was() -> None:
    account = memory()
    account.charge(1, 300, None, 0.0)
    account.look(1.0, [level(1000, 300), level(500, 0, "/slice")], {})
    account.ready(1)
    assert account.credit_of(1) == 0
    account.look(2.0, [level(1000, 300)], {})
    assert (account.credit_of(1), account.room) == (200, 400)
    account.charge(2, 50, None, 2.0)
    account.refund(1, 300, None, 2.0)
    assert (account.ghosts, account.room) == (200, 450)
    account.look(3.0, [level(1000, 100)], {})
    assert (account.ghosts, account.promised, account.room) == (0, 50, 650)


def test_a_smaller_declaration_frees_what_is_not_in_use_at_once() -> None:
    account = memory()
    account.charge(1, 300, None, 0.0)
    account.look(1.0, [level(1000, 300)], {})
    account.ready(1)
    assert account.room == 400
    account.redeclare(1, 300, 50, None, 1.0)
    assert (account.promised, account.ghosts, account.room) == (50, 150, 500)
    account.look(2.0, [level(1000, 150)], {})
    assert account.room == 650


def test_a_group_that_declares_less_is_held_for_what_it_uses() -> None:
    account = memory()
    account.charge(1, 300, G, 0.0)
    account.look(1.0, [level(1000, 200)], {"g": Use(100, 100)})
    account.redeclare(1, 300, 20, G, 1.0)
    assert (account.promised, account.room) == (100, 600)
    account.redeclare(1, 20, 150, G, 1.0)
    assert (account.promised, account.room) == (150, 550)


def test_a_group_that_was_never_read_leaves_no_ghost() -> None:
    account = memory()
    account.charge(1, 300, G, 0.0)
    account.refund(1, 300, G, 0.0)
    assert (account.ghosts, account.promised, account.room) == (0, 0, 700)


AMOUNTS = st.integers(0, 300)


@given(st.integers(0, 1000), st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=5))
def test_headroom_is_what_is_free_less_what_is_not_used_yet(others: int, jobs: list[tuple[int, int]]) -> None:
    """The identity of the design: (A - used) - sum max(0, R - M)."""
    account = Measured("memory", RULE)
    used = others + sum(m for _, m in jobs)
    for fence, (declared, _) in enumerate(jobs):
        account.charge(fence, declared, Group(str(fence)), 0.0)
    uses = {str(fence): Use(m, m) for fence, (_, m) in enumerate(jobs)}
    account.look(0.0, [level(1000, used)], uses)
    assert account.room == 800 - used - sum(max(0, r - m) for r, m in jobs)


# --- counted -----------------------------------------------------------------------------------------------------


def test_a_counted_dimension_is_its_capacity_less_what_is_promised() -> None:
    account = Counted("cores", 8, "millicores")
    account.charge(1, 3, None, 0.0)
    account.charge(2, 2, G, 0.0)
    account.redeclare(1, 3, 4, None, 0.0)
    assert (account.promised, account.room, account.most, account.unit) == (6, 2, 8, "millicores")
    assert (account.external, account.ghosts) == (0, 0)
    account.resize(5)
    assert (account.promised, account.room, account.most) == (6, -1, 5)
    account.refund(1, 4, None, 0.0)
    account.ready(2)
    assert (account.promised, account.room) == (2, 3)
