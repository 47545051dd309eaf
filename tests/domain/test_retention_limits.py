"""Where the retention rule draws its lines: the last nanosecond, the last byte, the last file."""

from typing import Any

import pytest

from aura_actors.domain.retention import Item, Keep, Kind, Rule, judge, plan

SECOND_NS = 10**9
NOW_NS = 10**18
ANY_AGE = Rule(older_than_seconds=0)


def item(name: str = "f", **fields: Any) -> Item:
    said: dict[str, Any] = {"parent": 0, "kind": Kind.FILE} | fields
    return Item(name=name, **said)


@pytest.mark.parametrize(
    ("ahead_ns", "reason"),
    [(0, None), (1, Keep.YOUNG), (60 * SECOND_NS, Keep.YOUNG), (60 * SECOND_NS + 1, Keep.FUTURE)],
)
def test_a_stamp_is_only_young_up_to_a_minute_ahead_and_not_believed_beyond(
    ahead_ns: int, reason: Keep | None
) -> None:
    assert judge(item(modified_ns=NOW_NS + ahead_ns), NOW_NS, ANY_AGE) is reason


def test_what_a_scan_does_not_say_is_0_and_one_link() -> None:
    said = item()
    unsaid = (
        "device",
        "inode",
        "size_bytes",
        "allocated_bytes",
        "number",
        "modified_ns",
        "changed_ns",
        "born_ns",
        "used_ns",
        "accessed_ns",
        "mode",
        "newest_ns",
    )
    assert {getattr(said, name) for name in unsaid} == {0}
    assert said.links == 1


def test_a_rule_that_names_no_cap_removes_a_hundred_thousand_at_most_and_all_of_them() -> None:
    assert (ANY_AGE.max_files, ANY_AGE.max_bytes, ANY_AGE.max_share) == (100_000, None, 1.0)


def test_links_to_a_directory_are_those_of_its_own_folders() -> None:
    (gone,) = plan([item("d", kind=Kind.DIRECTORY, number=1, links=3)], NOW_NS, ANY_AGE).directories
    assert gone.name == "d"


def test_bytes_are_removed_up_to_the_cap_and_what_is_over_it_is_named() -> None:
    sizes = {"a": 30, "b": 20, "c": 1}
    items = [item(name, size_bytes=size, modified_ns=at) for at, (name, size) in enumerate(sizes.items())]
    made = plan(items, NOW_NS, Rule(older_than_seconds=0, max_bytes=50))
    assert [gone.name for gone in made.remove] == ["a", "b"]
    assert made.kept == {Keep.OVER_CAP: 1}


@pytest.mark.parametrize(("entries", "removed"), [(1000, 1000), (1001, 500)])
def test_a_share_counts_from_the_first_entry_above_a_thousand(entries: int, removed: int) -> None:
    items = [item(str(number)) for number in range(entries)]
    assert len(plan(items, NOW_NS, Rule(older_than_seconds=0, max_share=0.5)).remove) == removed
