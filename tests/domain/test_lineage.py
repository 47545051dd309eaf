"""Who belongs to which lease, decided from rows of a process table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.lineage import Lineage, Row

INIT, SHELL, JOB = 1, 10, 20


def row(pid: int, parent: int, *, group: int = SHELL, session: int = SHELL, start: int | None = None) -> Row:
    return Row(pid, parent, group, session, pid if start is None else start, 0)


def lineage(*rows: Row, roots: dict[int, str] | None = None) -> Lineage:
    """init, a shell that leads a session, and a job of it that holds a lease and leads its process group."""
    table = Lineage()
    table.enter([row(INIT, 0, group=1, session=1), row(SHELL, INIT), row(JOB, SHELL, group=JOB), *rows])
    lease(table, roots or {JOB: "a"})
    return table


def lease(table: Lineage, roots: dict[int, str]) -> None:
    table.set_roots({pid: (pid, name) for pid, name in roots.items()}, roots.values())


def test_descendants_belong_and_others_do_not() -> None:
    table = lineage(row(21, JOB), row(22, 21), row(30, SHELL))
    assert table.groups == {JOB: "a", 21: "a", 22: "a"}


def test_descendants_listed_before_their_parents_belong() -> None:
    table = lineage()
    assert table.enter([row(19, 25), row(25, JOB), row(18, SHELL)]) == [18]
    assert table.groups.keys() == {JOB, 25, 19}


def test_another_process_under_the_id_of_a_root_is_not_the_root() -> None:
    table = lineage(row(21, JOB))
    table.enter([row(JOB, SHELL, start=99)])
    assert table.groups == {21: "a"}


def test_a_root_without_a_start_time_is_whoever_has_the_id() -> None:
    table = lineage()
    table.set_roots({SHELL: (None, "s")}, ["s"])
    assert table.groups == {SHELL: "s", JOB: "s"}


def test_an_orphan_stays_where_it_was() -> None:
    table = lineage(row(21, JOB, group=JOB), row(22, 21, group=JOB))
    table.forget(21)
    table.enter([row(22, INIT, group=JOB)])
    assert table.groups == {JOB: "a", 22: "a"}


def test_an_orphan_that_was_never_seen_in_the_tree_is_known_by_its_process_group() -> None:
    table = lineage()
    assert table.enter([row(22, INIT, group=JOB)]) == []
    assert table.groups[22] == "a"


def test_an_orphan_taken_in_by_a_subreaper_of_another_session_is_known_too() -> None:
    table = lineage(row(5, INIT, group=5, session=5))
    table.enter([row(22, 5, group=JOB)])
    assert table.groups[22] == "a"


def test_a_neighbour_in_a_pipeline_joins_the_process_group_and_not_the_lease() -> None:
    table = lineage()
    assert table.enter([row(23, SHELL, group=JOB)]) == [23]


def test_a_session_begun_in_the_tree_is_known_after_its_leader_ended() -> None:
    table = lineage(row(21, JOB, group=21, session=21))
    table.forget(21)
    table.enter([row(22, INIT, group=21, session=21)])
    assert table.groups == {JOB: "a", 22: "a"}


def test_an_orphan_that_leads_a_process_group_of_its_own_is_known_by_its_session() -> None:
    table = lineage(row(21, JOB, group=21, session=21))
    table.forget(21)
    assert table.enter([row(22, INIT, group=22, session=21)]) == []
    assert table.groups[22] == "a"


def test_what_an_ended_leader_led_belongs_to_nobody_after_its_lease() -> None:
    table = lineage(row(21, JOB, group=21, session=21))
    table.forget(21)
    lease(table, {})
    assert table.enter([row(22, INIT, group=21, session=21)]) == [22]


def test_a_leader_nobody_is_led_by_is_let_go_of() -> None:
    table = lineage(row(21, JOB, group=21, session=21), row(24, JOB, group=24, session=24))
    table.forget(21)
    table.forget(24)
    table.enter([row(30, INIT, group=24, session=24)])
    table.prune()
    table.enter([row(31, INIT, group=21, session=21)])
    assert table.groups == {JOB: "a", 30: "a"}


def test_the_id_of_an_ended_leader_that_is_used_again_leads_strangers() -> None:
    table = lineage(row(21, JOB, group=21, session=21))
    table.forget(21)
    table.enter([row(21, INIT, group=21, session=21, start=500)])
    table.enter([row(31, 21, group=21, session=21)])
    assert table.groups == {JOB: "a"}


def test_the_nearest_ancestor_with_a_lease_counts() -> None:
    table = lineage(row(21, JOB), row(22, 21), row(23, 22), roots={JOB: "a", 22: "b"})
    assert table.groups == {JOB: "a", 21: "a", 22: "b", 23: "b"}


def test_a_lease_that_begins_within_another_takes_what_is_below_it() -> None:
    table = lineage(row(21, JOB), row(22, 21), row(23, 22))
    lease(table, {JOB: "a", 22: "b"})
    assert table.groups == {JOB: "a", 21: "a", 22: "b", 23: "b"}


def test_what_an_inner_lease_held_goes_back_to_the_outer_one() -> None:
    table = lineage(row(21, JOB), row(22, 21), roots={JOB: "a", 21: "b"})
    lease(table, {JOB: "a"})
    assert set(table.groups.values()) == {"a"}
    assert table.groups.keys() == {JOB, 21, 22}


def test_what_the_last_lease_held_belongs_to_nobody() -> None:
    table = lineage(row(21, JOB))
    lease(table, {})
    assert table.groups == {}


def test_an_orphan_keeps_its_group_when_other_leases_come_and_go() -> None:
    table = lineage(row(22, JOB))
    table.forget(JOB)
    table.enter([row(22, INIT, group=7, session=7)])
    lease(table, {JOB: "a", 30: "c"})
    assert table.groups == {22: "a"}
    lease(table, {JOB: "a"})
    assert table.groups == {22: "a"}


def test_a_stranger_may_be_adopted_and_its_children_follow() -> None:
    table = lineage(row(40, INIT, group=40, session=40))
    table.adopt(40, "a")
    table.enter([row(41, 40, group=40, session=40)])
    assert table.groups == {JOB: "a", 40: "a", 41: "a"}


@pytest.mark.parametrize("group", ["nobody's", ""])
def test_nobody_is_adopted_by_a_group_that_is_not_there(group: str) -> None:
    table = lineage(row(40, INIT, group=40, session=40))
    table.adopt(40, group)
    assert 40 not in table.groups


def test_who_has_ended_is_not_adopted() -> None:
    table = lineage()
    table.adopt(99, "a")
    assert 99 not in table.groups


def test_a_table_that_goes_round_in_circles_ends() -> None:
    """Two looks at different moments may say so."""
    table = Lineage()
    assert table.enter([row(5, 6), row(6, 5), row(7, 7)]) == [5, 6, 7]


PIDS = st.integers(min_value=1, max_value=12)
STEPS = st.one_of(
    st.tuples(st.just("enter"), PIDS, PIDS, PIDS, st.integers(0, 2)),
    st.tuples(st.just("forget"), PIDS),
    st.tuples(st.just("roots"), st.sets(PIDS, max_size=3)),
    st.tuples(st.just("prune")),
)


@given(st.lists(STEPS, max_size=40))
def test_members_are_in_the_table_and_their_groups_among_the_roots(steps: list[tuple[object, ...]]) -> None:
    table, roots = Lineage(), set[str]()
    for step in steps:
        match step:
            case ("enter", int(pid), int(parent), int(leader), int(start)):
                table.enter([Row(pid, parent, leader, leader, start, 0)])
            case ("forget", int(pid)):
                table.forget(pid)
            case ("roots", set(pids)):
                roots = {str(pid) for pid in pids}
                table.set_roots({int(pid): (None, str(pid)) for pid in pids}, roots)
            case _:
                table.prune()
        assert table.groups.keys() <= table.rows.keys()
        assert set(table.groups.values()) <= roots
        assert all(table.groups[int(name)] == name for name in roots if int(name) in table.rows)
