"""The retention rule: a pure function from what a scan saw to what goes and why the rest stays."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.retention import FUTURE_SLACK_SECONDS, Item, Keep, Kind, Rule, judge, judge_stamp, plan

HOUR_NS = 3_600 * 10**9
NOW_NS = 1_000_000 * HOUR_NS
DAY = Rule(older_than_seconds=86_400)


def item(name: str = "f", *, age_hours: float = 48, **fields: Any) -> Item:
    stamp = NOW_NS - int(age_hours * HOUR_NS)
    given_fields: dict[str, Any] = {
        "parent": 0,
        "kind": Kind.FILE,
        "modified_ns": stamp,
        "changed_ns": stamp,
        **fields,
    }
    return Item(name=name, **given_fields)


def reasons(items: list[Item], rule: Rule = DAY) -> dict[str, Keep]:
    return {kept.name: kept.reason for kept in plan(items, NOW_NS, rule, list_kept=100).keep}


def test_an_old_file_goes_and_a_young_one_stays() -> None:
    made = plan([item("old"), item("young", age_hours=23)], NOW_NS, DAY)
    assert [i.name for i in made.remove] == ["old"]
    assert reasons([item("young", age_hours=23)]) == {"young": Keep.YOUNG}


@pytest.mark.parametrize("stamp", ["modified_ns", "changed_ns"])
def test_one_new_stamp_is_enough_to_stay(stamp: str) -> None:
    assert judge(item(**dict[str, Any]({stamp: NOW_NS - HOUR_NS})), NOW_NS, DAY) is Keep.YOUNG


def test_a_file_exactly_as_old_as_the_limit_goes() -> None:
    assert judge(item(age_hours=24), NOW_NS, DAY) is None


def test_a_stamp_from_the_future_is_kept_and_named() -> None:
    ahead = NOW_NS + int((FUTURE_SLACK_SECONDS + 1) * 1e9)
    assert judge(item(modified_ns=ahead), NOW_NS, Rule(older_than_seconds=0)) is Keep.FUTURE


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": Kind.SPECIAL}, Keep.SPECIAL),
        ({"kind": Kind.SYMLINK}, Keep.SYMLINK),
        ({"links": 2}, Keep.HARD_LINKED),
        ({"obstacle": Keep.LOCKED}, Keep.LOCKED),
        ({"obstacle": Keep.OTHER_FILESYSTEM, "kind": Kind.SPECIAL}, Keep.OTHER_FILESYSTEM),
    ],
)
def test_what_is_no_plain_file_stays_and_says_why(fields: dict[str, Any], reason: Keep) -> None:
    assert judge(item(**fields), NOW_NS, DAY) is reason


def test_a_link_goes_by_its_own_age_when_the_rule_says_so() -> None:
    rule = Rule(older_than_seconds=86_400, remove_symlinks=True)
    assert judge(item(kind=Kind.SYMLINK), NOW_NS, rule) is None
    assert judge(item(kind=Kind.SYMLINK, age_hours=1), NOW_NS, rule) is Keep.YOUNG


def test_a_directory_goes_only_when_it_is_old_and_everything_in_it_goes() -> None:
    tree = [
        item("full", kind=Kind.DIRECTORY, number=1),
        item("inner", kind=Kind.DIRECTORY, number=2, parent=1),
        item("young", parent=2, age_hours=1),
        item("emptied", kind=Kind.DIRECTORY, number=3),
        item("old", parent=3),
        item("fresh", kind=Kind.DIRECTORY, number=4, age_hours=1),
    ]
    made = plan(tree, NOW_NS, DAY)
    assert [i.name for i in made.directories] == ["emptied"]
    assert reasons(tree) == {
        "young": Keep.YOUNG,
        "inner": Keep.NOT_EMPTY,
        "full": Keep.NOT_EMPTY,
        "fresh": Keep.YOUNG,
    }


def test_a_directory_that_was_not_entered_keeps_its_parent() -> None:
    tree = [
        item("outer", kind=Kind.DIRECTORY, number=1),
        item("mount", kind=Kind.DIRECTORY, parent=1, obstacle=Keep.OTHER_FILESYSTEM),
    ]
    assert reasons(tree) == {"mount": Keep.OTHER_FILESYSTEM, "outer": Keep.NOT_EMPTY}


def test_directories_are_listed_from_the_bottom_up() -> None:
    tree = [item(str(n), kind=Kind.DIRECTORY, number=n, parent=n - 1) for n in range(1, 5)]
    assert [i.number for i in plan(tree, NOW_NS, DAY).directories] == [4, 3, 2, 1]


def test_the_oldest_go_first_where_a_cap_bites() -> None:
    items = [item(str(age), age_hours=age) for age in (30, 50, 40)]
    made = plan(items, NOW_NS, Rule(older_than_seconds=86_400, max_files=2), list_kept=9)
    assert [i.name for i in made.remove] == ["50", "40"]
    assert [(k.name, k.reason) for k in made.keep] == [("30", Keep.OVER_CAP)]


def test_the_byte_cap_skips_what_does_not_fit() -> None:
    items = [item("big", age_hours=60, size_bytes=100), item("small", age_hours=50, size_bytes=10)]
    made = plan(items, NOW_NS, Rule(older_than_seconds=86_400, max_bytes=50))
    assert [i.name for i in made.remove] == ["small"]


def test_the_share_counts_only_in_large_folders() -> None:
    rule = Rule(older_than_seconds=86_400, max_share=0.5)
    assert len(plan([item(str(n)) for n in range(1_000)], NOW_NS, rule).remove) == 1_000
    assert len(plan([item(str(n)) for n in range(1_002)], NOW_NS, rule).remove) == 501


ITEMS = st.lists(
    st.builds(
        item,
        name=st.text(min_size=1, max_size=3),
        age_hours=st.floats(-100, 100),
        kind=st.sampled_from([Kind.FILE, Kind.SYMLINK, Kind.SPECIAL]),
        links=st.integers(1, 2),
        size_bytes=st.integers(0, 100),
        obstacle=st.sampled_from([None, None, None, Keep.LOCKED, Keep.EXCLUDED]),
    ),
    max_size=40,
)
RULES = st.builds(
    Rule,
    older_than_seconds=st.floats(0, 200_000),
    remove_symlinks=st.booleans(),
    max_files=st.integers(0, 20),
    max_bytes=st.none() | st.integers(0, 300),
)


@given(items=ITEMS, rule=RULES)
def test_every_item_is_removed_or_kept_and_nothing_new_or_over_a_cap_is_removed(
    items: list[Item], rule: Rule
) -> None:
    made = plan(items, NOW_NS, rule, list_kept=len(items))
    assert sum(made.kept.values()) == len(made.keep)
    assert sorted([i.name for i in made.remove] + [k.name for k in made.keep]) == sorted(i.name for i in items)
    assert rule.older_than_seconds is not None
    assert all(NOW_NS - i.newest_ns >= int(rule.older_than_seconds * 1e9) for i in made.remove)
    assert all(i.links == 1 and i.obstacle is None and i.kind is not Kind.SPECIAL for i in made.remove)
    assert len(made.remove) <= rule.max_files
    assert rule.max_bytes is None or sum(i.size_bytes for i in made.remove) <= rule.max_bytes


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [(None, Keep.UNREADABLE), (1_061.0, Keep.FUTURE), (1_059.0, Keep.YOUNG), (901.0, Keep.YOUNG), (900.0, None)],
)  # fmt: skip
def test_a_record_is_as_old_as_its_stamp_says_and_a_stamp_from_the_future_is_not_believed(
    stamp: float | None, reason: Keep | None
) -> None:
    assert judge_stamp(stamp, 1_000.0, older_than_seconds=100.0) is reason
