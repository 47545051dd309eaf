"""What others use at one level: first readings, ghosts and credit."""

import pytest

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.external import External, Level


def look(external: External, at: float, used: int, attributed: int = 0, capacity: int = 1000) -> None:
    external.look(at, Level(name=MACHINE, capacity_bytes=capacity, used_bytes=used), attributed)


def parts(external: External) -> tuple[int, int, int]:
    """Y, K and the sum of credit."""
    return external.peak_bytes, external.ghost_bytes, external.credited_bytes


def test_before_the_first_look_nobody_is_known_to_use_anything() -> None:
    external = External()
    assert (parts(external), external.external_bytes, external.credit_of(1)) == ((0, 0, 0), 0, 0)


# --- groups ------------------------------------------------------------------------------------------------------


def test_the_first_reading_of_a_group_rebases_the_peak() -> None:
    external = External()
    look(external, 0, 400)
    external.expect("g", 150, 1.0)
    look(external, 2, 600)
    assert external.peak_bytes == 600
    external.attribute("g", 350)
    look(external, 3, 600, 350)
    assert external.peak_bytes == 250


def test_a_first_reading_takes_nothing_below_what_others_used_at_the_grant() -> None:
    external = External()
    look(external, 0, 400)
    external.expect("g", 0, 1.0)
    look(external, 2, 500)
    external.attribute("g", 300)
    look(external, 3, 500, 300)
    assert external.peak_bytes == 400
    look(external, 31, 500, 300)
    assert external.peak_bytes == 400, "of what was seen at 2 as well"


def test_what_others_grow_before_a_group_is_read_stays_theirs() -> None:
    external = External()
    look(external, 0, 400)
    external.expect("g", 150, 1.0)
    look(external, 2, 900)
    external.attribute("g", 350)
    assert external.peak_bytes == 550


def test_a_peak_of_others_before_the_grant_is_not_taken_for_the_jobs() -> None:
    external = External()
    look(external, 0, 700)
    look(external, 1, 100)
    external.expect("g", 0, 1.0)
    external.attribute("g", 300)
    look(external, 2, 400, 300)
    assert external.peak_bytes == 700


def test_a_group_that_comes_back_while_it_is_a_ghost_takes_nothing_from_others() -> None:
    external = External()
    look(external, 0, 700, 200)
    look(external, 1, 500, 200)
    external.dismiss("g", 1.0, 200)
    external.expect("g", 200, 1.5)
    external.attribute("g", 200)
    look(external, 2, 500, 200)
    assert (external.peak_bytes, external.ghost_bytes) == (500, 0)


@pytest.mark.parametrize(("before", "read", "peak"), [(500, 200, 700), (500, 350, 550), (900, 350, 900)])
def test_what_a_group_grew_since_it_came_back_was_no_use_of_others_since_then(
    before: int, read: int, peak: int
) -> None:
    external = External()
    look(external, 0, before + 200, 200)
    look(external, 1, 500, 200)
    external.dismiss("g", 1.0, 200)
    external.expect("g", 200, 1.5)
    look(external, 2, 900)
    external.attribute("g", read)
    assert external.peak_bytes == peak


def test_a_group_that_ends_before_it_is_read_rebases_nothing_later() -> None:
    external = External()
    look(external, 0, 400)
    external.expect("g", 400, 1.0)
    external.dismiss("g", 1.5, 0)
    external.attribute("g", 400)
    assert external.peak_bytes == 400


def test_where_one_group_uses_everything_others_use_nothing() -> None:
    external = External()
    look(external, 0, 500)
    external.expect_running("g", 0.0)
    external.attribute("g", 500)
    assert external.peak_bytes == 0


def test_a_group_that_ran_before_a_level_was_seen_is_its_own_there_once_it_is_read() -> None:
    external = External()
    look(external, 0, 500)
    external.expect_running("g", 0.0)
    look(external, 1, 520)
    external.attribute("g", 320)
    look(external, 2, 520, 320)
    assert external.peak_bytes == 200


def test_a_group_nobody_expected_rebases_nothing() -> None:
    external = External()
    look(external, 0, 500)
    external.attribute("g", 300)
    assert external.peak_bytes == 500


# --- ghosts ------------------------------------------------------------------------------------------------------


def test_a_ghost_falls_as_use_falls() -> None:
    external = External()
    look(external, 0, 500, 300)
    external.dismiss("g", 0.5, 300)
    assert (external.held_bytes, external.ghost_bytes) == (500, 300)
    look(external, 1, 350)
    assert (external.peak_bytes, external.ghost_bytes) == (200, 150)
    look(external, 2, 200)
    assert (external.peak_bytes, external.ghost_bytes) == (200, 0)


def test_the_oldest_ghost_falls_first() -> None:
    external = External()
    look(external, 0, 400, 300)
    external.dismiss("old", 0.0, 100)
    external.dismiss("new", 1.0, 200)
    look(external, 2, 250)
    assert [(ghost.group, ghost.amount) for ghost in external._ghosts] == [("new", 150)]


def test_a_ghost_is_external_use_after_five_seconds() -> None:
    external = External()
    look(external, 0, 500, 300)
    external.dismiss("g", 0.5, 300)
    look(external, 5.25, 500)
    assert parts(external) == (200, 300, 0)
    look(external, 5.5, 500)
    assert parts(external) == (500, 0, 0)


def test_a_ghost_whose_time_is_up_takes_in_nothing_that_others_use_now() -> None:
    external = External()
    look(external, 0, 500, 300)
    external.dismiss("g", 0.5, 300)
    look(external, 5.5, 600)
    assert parts(external) == (600, 0, 0)


def test_what_falls_after_the_time_of_an_older_ghost_falls_from_the_younger() -> None:
    external = External()
    look(external, 0, 500, 300)
    external.dismiss("old", 0.0, 100)
    external.dismiss("new", 1.0, 200)
    look(external, 5, 450)
    assert (external.external_bytes, external.ghost_bytes) == (300, 150)


def test_a_ghost_does_not_grow_and_others_that_grow_are_external() -> None:
    external = External()
    look(external, 0, 500, 300)
    external.dismiss("g", 0.5, 300)
    look(external, 1, 600)
    assert parts(external) == (300, 300, 0)


def test_a_group_that_used_nothing_leaves_no_ghost() -> None:
    external = External()
    look(external, 0, 100)
    external.dismiss("g", 0.5, 0)
    assert external.ghost_bytes == 0
    external.dismiss("h", 0.5, 1)
    assert external.ghost_bytes == 1


# --- credit ------------------------------------------------------------------------------------------------------


def claimed(declared: int = 300, grown: int = 200) -> External:
    external = External()
    look(external, 0, 100)
    external.claim(1, declared, 0.5)
    look(external, 1, 100 + grown)
    return external


def test_growth_is_credited_when_the_client_says_ready_and_leaves_the_peak() -> None:
    external = claimed()
    assert parts(external) == (300, 0, 0)
    external.ready(1)
    assert parts(external) == (100, 0, 200)
    assert external.external_bytes == 100


def test_no_more_is_credited_than_was_declared_however_often_it_says_ready() -> None:
    external = claimed(declared=150)
    external.ready(1)
    external.ready(1)
    assert parts(external) == (150, 0, 150)


def test_no_growth_is_too_small_for_credit() -> None:
    external = claimed(grown=1)
    external.ready(1)
    assert external.credit_of(1) == 1


def test_a_job_may_begin_before_the_first_look_and_then_all_use_is_growth() -> None:
    external = External()
    external.claim(1, 300, 0.0)
    look(external, 1, 200)
    external.ready(1)
    assert (parts(external), external.external_bytes) == ((0, 0, 200), 0)


def test_after_a_larger_declaration_more_is_credited() -> None:
    external = claimed(declared=150)
    external.redeclare(1, 300, 1.5)
    external.ready(1)
    assert external.credit_of(1) == 200


def test_an_older_job_without_credit_takes_nothing_from_the_growth_of_a_newer_one() -> None:
    external = External()
    look(external, 0, 300)
    external.claim(1, 300, 0.5)
    look(external, 1, 100)
    external.claim(2, 300, 1.5)
    look(external, 2, 250)
    external.ready(2)
    assert external.credit_of(2) == 150


def test_a_byte_of_growth_is_credited_once() -> None:
    external = claimed()
    external.claim(2, 300, 1.0)
    look(external, 2, 400)
    external.ready(2)
    external.ready(1)
    assert (external.credit_of(2), external.credit_of(1)) == (100, 200)
    external.ready(2)
    external.ready(1)
    assert external.credited_bytes == 300


def test_the_growth_that_an_older_job_was_credited_is_not_a_newer_ones() -> None:
    external = External()
    look(external, 0, 100)
    external.claim(1, 300, 0.5)
    external.claim(2, 300, 0.75)
    look(external, 1, 300)
    external.ready(1)
    external.ready(2)
    assert (external.credit_of(1), external.credit_of(2)) == (200, 0)


def test_credit_is_cut_back_when_use_falls_the_older_first() -> None:
    external = claimed()
    external.ready(1)
    external.claim(2, 300, 1.5)
    look(external, 2, 400)
    external.ready(2)
    assert (external.credit_of(1), external.credit_of(2)) == (200, 100)
    look(external, 3, 350)
    assert (external.credit_of(1), external.credit_of(2)) == (200, 50)
    look(external, 4, 200)
    assert (external.credit_of(1), external.credit_of(2)) == (100, 0)
    look(external, 5, 50)
    assert external.credited_bytes == 0


def test_two_that_share_what_grew_keep_no_more_credit_than_is_left_of_it() -> None:
    external = External()
    look(external, 0, 100)
    external.claim(1, 300, 0.5)
    external.claim(2, 100, 0.75)
    look(external, 1, 300)
    external.ready(2)
    external.ready(1)
    assert (external.credit_of(1), external.credit_of(2)) == (100, 100)
    look(external, 2, 200)
    assert (external.credit_of(1), external.credit_of(2)) == (0, 100)


def test_no_credit_comes_back_by_itself() -> None:
    external = claimed()
    external.ready(1)
    look(external, 2, 100)
    look(external, 3, 300)
    assert parts(external) == (300, 0, 0)


def test_the_credit_of_a_job_that_ends_is_a_ghost() -> None:
    external = claimed()
    external.ready(1)
    assert external.disclaim(1, 1.5)
    assert parts(external) == (100, 200, 0)
    assert not external.disclaim(1, 1.5)
    look(external, 2, 300)
    assert parts(external) == (100, 200, 0)


def test_a_job_that_ends_without_credit_leaves_no_ghost() -> None:
    external = claimed()
    assert not external.disclaim(1, 1.5)
    assert external.ghost_bytes == 0


def test_credit_beyond_a_smaller_declaration_is_a_ghost_until_it_is_given_back() -> None:
    """Otherwise what is in use would be promised to somebody else until the next reading."""
    external = claimed()
    external.ready(1)
    external.redeclare(1, 50, 1.5)
    assert (parts(external), external.credit_of(1)) == ((100, 150, 50), 50)
    look(external, 2, 150)
    assert parts(external) == (100, 0, 50)


def test_a_ghost_that_becomes_external_is_nobodys_growth() -> None:
    external = External()
    look(external, 0, 400, 300)
    external.dismiss("g", 0.0, 300)
    external.claim(1, 300, 0.5)
    look(external, 6, 400)
    external.ready(1)
    assert external.credit_of(1) == 0


# --- the gate that settles by itself -----------------------------------------------------------------------------


def test_the_only_unsettled_job_earns_its_growth_once_use_was_flat_for_two_seconds() -> None:
    external = claimed()
    look(external, 2, 300)
    assert external.credit_of(1) == 0
    look(external, 3, 310)
    assert external.credit_of(1) == 210


def test_one_look_is_no_sign_that_use_is_flat() -> None:
    external = External()
    look(external, 0, 100)
    external.claim(1, 300, 0.5)
    look(external, 3, 300)
    assert external.credit_of(1) == 0


def test_use_that_moves_by_more_than_a_hundredth_of_the_capacity_is_not_flat() -> None:
    external = claimed()
    look(external, 2, 305)
    look(external, 3, 311)
    assert external.credit_of(1) == 0
    look(external, 4, 311)
    assert external.credit_of(1) == 211


def test_of_two_unsettled_jobs_nobody_earns_anything_by_itself() -> None:
    external = claimed()
    external.claim(2, 300, 1.0)
    for at in range(2, 30):
        look(external, at, 300)
    assert external.credited_bytes == 0
    external.ready(2)
    look(external, 30, 300)
    assert (external.credit_of(1), external.credit_of(2)) == (200, 0)


def test_a_job_that_has_not_grown_in_a_minute_is_settled_and_keeps_no_other_waiting() -> None:
    external = External()
    look(external, 0, 100)
    external.claim(1, 300, 10.0)
    for at in range(11, 70):
        look(external, at, 100)
    external.claim(2, 300, 69.0)
    look(external, 69.5, 300)
    for at in range(70, 73):
        look(external, at, 300)
    assert (external.credit_of(1), external.credit_of(2)) == (0, 0)
    external = External()
    look(external, 0, 100)
    external.claim(1, 300, 0.0)
    for at in range(1, 61):
        look(external, at, 100)
    external.claim(2, 300, 60.0)
    for at in range(61, 65):
        look(external, at, 300)
    assert (external.credit_of(1), external.credit_of(2)) == (0, 200)


def test_what_was_seen_before_a_job_began_is_no_sign_that_use_is_flat() -> None:
    external = claimed(grown=0)
    external.ready(1)
    look(external, 2, 100)
    external.claim(2, 300, 2.0)
    look(external, 3, 108)
    look(external, 4, 108)
    assert external.credit_of(2) == 0
    look(external, 5, 108)
    assert external.credit_of(2) == 8


def test_a_job_younger_than_two_seconds_earns_nothing_by_itself() -> None:
    external = External()
    look(external, 0, 100)
    external.claim(2, 300, 0.0)
    for at in range(1, 5):
        look(external, at, 100)
    external.claim(1, 300, 4.0)
    external.disclaim(2, 4.0)
    look(external, 5, 108)
    assert external.credit_of(1) == 0
    look(external, 6, 108)
    assert external.credit_of(1) == 8


def test_more_attributed_than_used_is_no_negative_use() -> None:
    external = External()
    look(external, 0, 100, 150)
    assert (external.external_bytes, external.peak_bytes) == (0, 0)
