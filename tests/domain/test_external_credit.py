"""Jobs whose processes are not known: what grew since their grant becomes theirs, each byte once."""

from aura_actors.domain.external import External
from tests.domain.external_world import look, parts


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
