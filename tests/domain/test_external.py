"""What others use at one level: first readings and ghosts."""

import pytest

from aura_actors.domain.external import External
from tests.domain.external_world import look, parts


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


# --- the sum -----------------------------------------------------------------------------------------------------


def test_more_attributed_than_used_is_no_negative_use() -> None:
    external = External()
    look(external, 0, 100, 150)
    assert (external.external_bytes, external.peak_bytes) == (0, 0)
