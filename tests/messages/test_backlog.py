"""The last publications of each topic, without holes."""

import pytest
import trio
import trio.testing

from aura_actors.messages.backlog import KEPT, Backlog
from aura_actors.messages.topics import Publication


def publication(seq: int, *, topic: str = "t", is_event: bool = False) -> Publication:
    return Publication(topic=topic, seq=seq, data=b"dd", payload=b"pppp", is_event=is_event)


def filled(*numbers: int, kept: int = 3) -> Backlog:
    backlog = Backlog(["t", "other"], kept=kept)
    for seq in numbers:
        backlog.add(publication(seq))
    return backlog


def numbers(found: list[Publication] | None) -> list[int] | None:
    return None if found is None else [each.seq for each in found]


@pytest.mark.parametrize(
    ("seq", "missed"), [(5, []), (4, [5]), (2, [3, 4, 5]), (1, None), (0, None), (6, None), (-1, None)]
)
def test_what_was_missed_is_told_whole_or_not_at_all(seq: int, missed: list[int] | None) -> None:
    """Also to one that has seen more than there was."""
    assert numbers(filled(1, 2, 3, 4, 5).after("t", seq)) == missed


def test_nothing_was_missed_of_a_topic_that_never_said_anything() -> None:
    backlog = filled(1)
    assert (backlog.newest("other"), backlog.after("other", 0), backlog.snapshot("other")) == (0, [], None)


def test_three_hundred_are_kept() -> None:
    backlog = Backlog(["t"])
    for seq in range(1, 1000):
        backlog.add(publication(seq))
    missed = backlog.after("t", 999 - KEPT)
    assert missed is not None
    assert (KEPT, len(missed), backlog.after("t", 998 - KEPT)) == (300, 300, None)
    assert (backlog.held_entries, backlog.held_bytes) == (300, 300 * 6)


def test_of_large_ones_fewer_are_kept_and_the_newest_always() -> None:
    """A thousand who wait are half a megabyte, several times a second. Other topics keep what they have."""
    backlog = Backlog(["t", "other"], kept_bytes=15)  # 6 bytes each, see above
    backlog.add(publication(1, topic="other"))
    for seq in (1, 2, 3):
        backlog.add(publication(seq))
    assert (backlog.after("t", 0), numbers(backlog.after("t", 1)), backlog.held_bytes) == (None, [2, 3], 18)
    backlog.add(Publication(topic="t", seq=4, data=b"d" * 20, payload=b"p" * 20))
    assert (numbers(backlog.after("t", 3)), backlog.after("t", 2), backlog.held_bytes) == ([4], None, 46)
    assert numbers(backlog.after("other", 0)) == [1]


def test_a_number_that_does_not_follow_begins_anew() -> None:
    """Who missed the hole is told so."""
    backlog = filled(1, 2, 7)
    assert (numbers(backlog.after("t", 6)), backlog.after("t", 5), backlog.held_bytes) == ([7], None, 6)


def test_the_newest_state_is_there_behind_any_number_of_events() -> None:
    backlog = filled(1)
    for seq in range(2, 9):
        backlog.add(publication(seq, is_event=True))
    snapshot = backlog.snapshot("t")
    assert snapshot is not None
    assert (snapshot.seq, backlog.newest("t")) == (1, 8)
    assert [backlog.had_event_after("t", seq) for seq in (1, 7, 8)] == [True, True, False]


async def test_who_waits_is_woken_by_the_next() -> None:
    backlog = filled(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backlog.added.wait_newer, backlog.added.version)
        await trio.testing.wait_all_tasks_blocked()
        backlog.add(publication(2))
