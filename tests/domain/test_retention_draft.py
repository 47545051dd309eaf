"""What a scan may decide by itself while a plan is made, and what becomes of a plan when files stay after all."""

from typing import Any

import pytest

from aura_actors.domain.retention import (
    Draft,
    Item,
    Keep,
    Kept,
    Kind,
    Plan,
    Rule,
    judge,
    judge_stamp,
    plan,
    without,
)

SECOND_NS = 10**9
NOW_NS = 10**18
ANY_AGE = Rule(older_than_seconds=0)


def item(name: str = "f", at: int = 0, **fields: Any) -> Item:
    said: dict[str, Any] = {"parent": 0, "kind": Kind.FILE, "modified_ns": at} | fields
    return Item(name=name, **said)


def folder(number: int, parent: int = 0) -> Item:
    return item(f"d{number}", kind=Kind.DIRECTORY, number=number, parent=parent)


# --- what a scan may decide --------------------------------------------------------------------------------------


@pytest.mark.parametrize("older_than_seconds", [0, 100, 86_400])
def test_exactly_the_stamps_that_a_draft_calls_young_are_judged_so(older_than_seconds: float) -> None:
    rule = Rule(older_than_seconds=older_than_seconds)
    draft = Draft(NOW_NS, rule)
    first, last = int(draft.young_from_ns), draft.young_until_ns
    stamps = (first - 1, first, last, last + 1)
    assert [judge(item(at=at), NOW_NS, rule) for at in stamps] == [None, Keep.YOUNG, Keep.YOUNG, Keep.FUTURE]


def test_where_age_does_not_count_no_stamp_is_young() -> None:
    draft = Draft(NOW_NS, Rule(older_than_seconds=None))
    assert draft.young_from_ns > draft.young_until_ns == NOW_NS + 60 * SECOND_NS


@pytest.mark.parametrize("most", [1, 2])
def test_what_is_no_older_than_the_youngest_of_a_full_list_is_over_the_cap(most: int) -> None:
    draft = Draft(NOW_NS, Rule(older_than_seconds=0, max_files=most))
    assert draft.over_cap_from_ns > NOW_NS
    for at in (5, 7)[:most]:
        assert draft.over_cap_from_ns > NOW_NS
        draft.add(item(at=at))
    assert draft.over_cap_from_ns == (5, 7)[most - 1]
    draft.add(item(at=3))
    assert draft.over_cap_from_ns == (3, 5)[most - 1]


def test_where_nothing_may_go_everything_is_over_the_cap() -> None:
    draft = Draft(NOW_NS, Rule(older_than_seconds=0, max_files=0))
    draft.add(item())
    assert draft.over_cap_from_ns < 0
    assert draft.finish().kept == {Keep.OVER_CAP: 1}


@pytest.mark.parametrize(("ago", "latest"), [(100, 90), (5, 0), (-5, -5)])
def test_a_stamp_that_is_not_exact_is_as_late_as_it_can_be_and_not_later_than_now(ago: int, latest: int) -> None:
    assert Draft(NOW_NS, ANY_AGE).at_most_now(NOW_NS - ago, 10) == NOW_NS - latest


def test_files_that_a_scan_decides_count_as_the_others_do() -> None:
    draft = Draft(NOW_NS, Rule(older_than_seconds=0, max_share=0.1))
    for number in range(501):
        draft.keep_file(1, str(number), Keep.YOUNG)
    for number in range(500):
        draft.add(item(str(number)))
    draft.add(folder(1))
    made = draft.finish()
    assert (len(made.remove), made.directories) == (100, ())
    assert made.kept == {Keep.YOUNG: 501, Keep.OVER_CAP: 400, Keep.NOT_EMPTY: 1}


def test_of_what_stays_as_many_are_named_as_were_asked_for() -> None:
    young = [item(name, NOW_NS) for name in "abc"]
    rule = Rule(older_than_seconds=1)
    assert plan(young, NOW_NS, rule).keep == Draft(NOW_NS, rule).finish().keep == ()
    made = plan(young, NOW_NS, rule, list_kept=2)
    assert made.keep == (Kept(0, "a", Keep.YOUNG), Kept(0, "b", Keep.YOUNG))
    assert made.kept == {Keep.YOUNG: 3}
    draft = Draft(NOW_NS, rule)
    draft.add(young[0])
    assert draft.finish().keep == ()


@pytest.mark.parametrize(
    ("ahead", "reason"), [(-100, None), (-99.5, Keep.YOUNG), (60, Keep.YOUNG), (60.5, Keep.FUTURE)]
)
def test_a_record_is_as_young_as_a_file_of_that_stamp(ahead: float, reason: Keep | None) -> None:
    assert judge_stamp(1e9 + ahead, 1e9, older_than_seconds=100) is reason


# --- files that stay after all -----------------------------------------------------------------------------------


def drawn_up() -> Plan:
    """Two files in a folder of a folder, one in another folder."""
    tree = [item("a", 1, parent=2), item("b", 2, parent=2), item("c", 3, parent=3)]
    return plan([*tree, folder(1), folder(2, parent=1), folder(3)], NOW_NS, ANY_AGE)


def test_where_nothing_stays_the_plan_is_the_same() -> None:
    made = drawn_up()
    assert without(made, {}) is made


def test_a_file_that_stays_keeps_all_folders_that_it_is_in() -> None:
    made = without(drawn_up(), {1: Keep.IN_USE})
    assert [gone.name for gone in made.remove] == ["a", "c"]
    assert [gone.name for gone in made.directories] == ["d3"]
    assert made.kept == {Keep.IN_USE: 1, Keep.NOT_EMPTY: 2}


def test_a_folder_that_stays_keeps_those_that_it_is_in_and_no_file() -> None:
    planned = drawn_up()
    names = [gone.name for gone in planned.directories]
    made = without(planned, {len(planned.remove) + names.index("d2"): Keep.UNREADABLE})
    assert made.remove == planned.remove
    assert [gone.name for gone in made.directories] == ["d3"]
    assert made.kept == {Keep.UNREADABLE: 1, Keep.NOT_EMPTY: 1}
