"""One slot per topic, the latest wins."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.edges.feed.frames import Framed
from aura_actors.edges.feed.held import Held, Offer


def publication(topic: str, seq: int, *, is_event: bool = False) -> Framed:
    """Only its number matters here."""
    return Framed(topic, seq, is_event, b"")


def taken(held: Held, now: float = 0) -> list[tuple[str, int]]:
    """Everything that is due."""
    found = []
    while (next_ := held.take(now)) is not None:
        found.append((next_.topic, next_.seq))
    return found


def test_an_unsent_publication_gives_way_to_a_newer_one() -> None:
    """And that is reported, to be counted."""
    held = Held(1, room=4)
    assert held.hold("system", 1)
    offers = [held.offer(publication("system", seq)) for seq in (1, 2, 3)]
    assert offers == [Offer.KEPT, Offer.CONFLATED, Offer.CONFLATED]
    assert taken(held) == [("system", 3)]


def test_what_was_to_be_sent_again_and_was_dropped_makes_no_room() -> None:
    held = Held(1, room=1)
    held.hold("alerts", 1)
    held.resume("alerts", 0, [publication("alerts", seq, is_event=True) for seq in (1, 2, 3)])
    held.drop("alerts")
    held.hold("alerts", 1)
    offers = [held.offer(publication("alerts", seq, is_event=True)) for seq in (4, 5)]
    assert offers == [Offer.KEPT, Offer.MISSED]


def test_what_is_not_held_is_ignored() -> None:
    """Also after it was dropped, with what waited of it."""
    held = Held(1, room=4)
    assert held.offer(publication("system", 1)) is Offer.IGNORED
    held.hold("system", 1)
    held.offer(publication("system", 2))
    held.drop("system")
    held.drop("system")
    assert "system" not in held
    assert taken(held) == []


def test_every_nth_publication_is_sent() -> None:
    """The first at once, then n apart."""
    held = Held(1, room=4)
    held.hold("system", 3)
    sent = []
    for seq in range(5, 15):
        held.offer(publication("system", seq))
        sent += taken(held, now=seq)
    assert sent == [("system", 5), ("system", 8), ("system", 11), ("system", 14)]


def test_a_skipped_publication_is_sent_when_no_newer_one_comes() -> None:
    """A topic that changes rarely does not leave the client with its old state."""
    held = Held(1, room=4)
    held.hold("admission", 5)
    held.offer(publication("admission", 1))
    assert taken(held, now=100) == [("admission", 1)]
    assert held.next_due() == float("inf")
    held.offer(publication("admission", 2))
    held.offer(publication("admission", 3))
    assert (taken(held, now=105.9), held.next_due()) == ([], 106)
    assert taken(held, now=106) == [("admission", 3)]
    assert held.next_due() == float("inf")
    held.offer(publication("admission", 7))
    assert taken(held, now=106) == []


def test_what_is_not_newer_is_not_sent_again() -> None:
    """Who has just taken up a topic may be offered what it got already."""
    held = Held(1, room=4)
    held.hold("system", 1)
    held.offer(publication("system", 5))
    assert taken(held) == [("system", 5)]
    assert [held.offer(publication("system", seq)) for seq in (4, 5)] == [Offer.IGNORED, Offer.IGNORED]
    assert (taken(held, now=1000), held.next_due()) == ([], float("inf"))


def test_events_are_all_sent_and_before_the_state_behind_them() -> None:
    held = Held(1, room=4)
    held.hold("alerts", 1)
    for seq in (1, 2, 3):
        assert held.offer(publication("alerts", seq, is_event=True)) is Offer.KEPT
    held.offer(publication("alerts", 4))
    assert [seq for _, seq in taken(held)] == [1, 2, 3, 4]


def test_a_state_before_an_event_is_sent_before_it() -> None:
    """Numbers of a topic never fall, also where the state was skipped for the interval's sake."""
    for every in (1, 10):
        held = Held(1, room=4)
        held.hold("alerts", every)
        held.offer(publication("alerts", 1))
        assert [seq for _, seq in taken(held)] == [1]
        held.offer(publication("alerts", 2))
        held.offer(publication("alerts", 3, is_event=True))
        assert [seq for _, seq in taken(held)] == [2, 3]


def test_an_event_without_room_is_missed_and_states_need_none() -> None:
    held = Held(1, room=2)
    held.hold("alerts", 1)
    offers = [held.offer(publication("alerts", seq, is_event=True)) for seq in (1, 2, 3)]
    assert offers == [Offer.KEPT, Offer.KEPT, Offer.MISSED]
    assert held.offer(publication("alerts", 4)) is Offer.KEPT


def test_what_is_sent_again_comes_first_whole_and_takes_no_room() -> None:
    """Then goes on what happens meanwhile; the newest state is the last."""
    held = Held(1, room=1)
    held.hold("system", 3)
    held.resume("system", 9, [publication("system", seq) for seq in (10, 11, 12)])
    assert held.offer(publication("system", 12)) is Offer.IGNORED
    assert held.offer(publication("system", 13, is_event=True)) is Offer.KEPT
    held.offer(publication("system", 15))
    assert [seq for _, seq in taken(held)] == [10, 11, 12, 13, 15]
    assert held.offer(publication("system", 16, is_event=True)) is Offer.KEPT
    assert held.offer(publication("system", 17, is_event=True)) is Offer.MISSED


def test_who_missed_nothing_goes_on_behind_what_it_has() -> None:
    held = Held(1, room=1)
    held.hold("system", 1)
    held.resume("system", 9, [])
    assert held.offer(publication("system", 9)) is Offer.IGNORED
    assert held.offer(publication("system", 10)) is Offer.KEPT


def test_what_waits_of_a_dropped_topic_is_gone_and_of_others_stays() -> None:
    held = Held(1, room=4)
    for topic in ("alerts", "actors"):
        held.hold(topic, 1)
        held.offer(publication(topic, 1, is_event=True))
        held.offer(publication(topic, 2))
    held.drop("alerts")
    assert taken(held) == [("actors", 1), ("actors", 2)]


def test_topics_take_turns() -> None:
    """A topic that always has news does not silence the others."""
    held = Held(1, room=4)
    for topic in ("system", "process"):
        held.hold(topic, 1)
    order = []
    for seq in range(1, 5):
        held.offer(publication("system", seq))
        held.offer(publication("process", seq))
        next_ = held.take(now=seq)
        assert next_ is not None
        order.append(next_.topic)
    assert order == ["system", "process", "system", "process"]
    assert held.topics == ["system", "process"]


def test_holding_again_changes_the_thinning_only() -> None:
    """It is not new, and what was sent is not sent again."""
    held = Held(1, room=4)
    held.hold("system", 10)
    held.offer(publication("system", 1))
    assert taken(held) == [("system", 1)]
    assert not held.hold("system", 1)
    assert taken(held) == []
    held.offer(publication("system", 2))
    assert taken(held) == [("system", 2)]


def test_what_passes_is_sent_at_once_and_not_again() -> None:
    """In its turn only, and never behind a newer one."""
    held = Held(1, room=4)
    held.hold("system", 2)
    assert [held.passes(publication("system", seq), 0) for seq in (3, 3, 2, 4, 5)] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert held.offer(publication("system", 5)) is Offer.IGNORED
    assert not held.passes(publication("process", 9), 0)
    assert taken(held) == []


def test_nothing_passes_what_waits() -> None:
    """Neither a state nor an event, of whatever topic, until all is taken."""
    for is_event in (False, True):
        held = Held(1, room=4)
        for topic in ("system", "alerts"):
            held.hold(topic, 1)
        held.offer(publication("system", 1, is_event=is_event))
        assert not held.passes(publication("alerts", 1, is_event=True), 0)
        assert not held.passes(publication("alerts", 2), 0)
        assert taken(held) == [("system", 1)]
        assert held.passes(publication("alerts", 1, is_event=True), 0)


def test_an_event_does_not_pass_a_state_that_was_skipped_before_it() -> None:
    held = Held(1, room=4)
    held.hold("alerts", 10)
    assert held.passes(publication("alerts", 1), 0)
    assert held.offer(publication("alerts", 2)) is Offer.SKIPPED
    event = publication("alerts", 3, is_event=True)
    assert not held.passes(event, 0)
    assert held.offer(event) is Offer.KEPT
    assert taken(held) == [("alerts", 2), ("alerts", 3)]


@given(st.lists(st.one_of(st.tuples(st.integers(1, 3), st.booleans()), st.none()), max_size=60), st.integers(1, 5))
def test_a_reader_sees_growing_numbers_all_events_and_at_last_the_newest(
    steps: list[tuple[int, bool] | None], every: int
) -> None:
    """Whatever the order of publications (by how much the number grows, and whether it is an event) and reads."""
    held, seq, seen, events = Held(1, room=60), 0, [], []
    held.hold("t", every)
    for now, step in enumerate(steps):
        if step is None:
            seen += [number for _, number in taken(held, now)]
        else:
            seq += step[0]
            news = publication("t", seq, is_event=step[1])
            if held.passes(news, now):
                seen.append(seq)
            else:
                held.offer(news)
            events += [seq] if step[1] else []
    seen += [number for later in (10_000, 20_000) for _, number in taken(held, later)]
    assert seen == sorted(set(seen))
    assert set(events) <= set(seen)
    assert (seen[-1] if seen else 0) == seq
