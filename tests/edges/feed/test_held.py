"""One slot per topic, the latest wins."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.edges.feed.held import Held, Offer
from aura_actors.messages.topics import Publication


def publication(topic: str, seq: int) -> Publication:
    """Only its number matters here."""
    return Publication(topic=topic, seq=seq, data=b"", payload=b"")


def taken(held: Held, now: float = 0) -> list[tuple[str, int]]:
    """Everything that is due."""
    found = []
    while (next_ := held.take(now)) is not None:
        found.append((next_.topic, next_.seq))
    return found


def test_an_unsent_publication_gives_way_to_a_newer_one() -> None:
    """And that is reported, to be counted."""
    held = Held(1)
    assert held.hold("system", 1)
    offers = [held.offer(publication("system", seq)) for seq in (1, 2, 3)]
    assert offers == [Offer.KEPT, Offer.CONFLATED, Offer.CONFLATED]
    assert taken(held) == [("system", 3)]


def test_what_is_not_held_is_ignored() -> None:
    """Also after it was dropped, with what waited of it."""
    held = Held(1)
    assert held.offer(publication("system", 1)) is Offer.IGNORED
    held.hold("system", 1)
    held.offer(publication("system", 2))
    held.drop("system")
    held.drop("system")
    assert "system" not in held
    assert taken(held) == []


def test_every_nth_publication_is_sent() -> None:
    """The first at once, then n apart."""
    held = Held(1)
    held.hold("system", 3)
    sent = []
    for seq in range(5, 15):
        held.offer(publication("system", seq))
        sent += taken(held, now=seq)
    assert sent == [("system", 5), ("system", 8), ("system", 11), ("system", 14)]


def test_a_skipped_publication_is_sent_when_no_newer_one_comes() -> None:
    """A topic that changes rarely does not leave the client with its old state."""
    held = Held(1)
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


def test_numbers_that_start_again_are_news() -> None:
    """The publisher may be restarted with lower numbers; the client must not wait for the old ones."""
    held = Held(1)
    held.hold("system", 10)
    held.offer(publication("system", 500))
    assert taken(held) == [("system", 500)]
    held.offer(publication("system", 1))
    assert taken(held) == [("system", 1)]


def test_topics_take_turns() -> None:
    """A topic that always has news does not silence the others."""
    held = Held(1)
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
    held = Held(1)
    held.hold("system", 10)
    held.offer(publication("system", 1))
    assert taken(held) == [("system", 1)]
    assert not held.hold("system", 1)
    assert taken(held) == []
    held.offer(publication("system", 2))
    assert taken(held) == [("system", 2)]


@given(st.lists(st.one_of(st.integers(1, 3), st.none()), max_size=60), st.integers(1, 5))
def test_a_reader_sees_growing_numbers_and_at_last_the_newest(steps: list[int | None], every: int) -> None:
    """Whatever the order of publications (by how much the number grows) and reads (None)."""
    held, seq, seen = Held(1), 0, []
    held.hold("t", every)
    for now, step in enumerate(steps):
        if step is None:
            seen += [number for _, number in taken(held, now)]
        else:
            seq += step
            held.offer(publication("t", seq))
    seen += [number for later in (10_000, 20_000) for _, number in taken(held, later)]
    assert seen == sorted(set(seen))
    assert (seen[-1] if seen else 0) == seq
