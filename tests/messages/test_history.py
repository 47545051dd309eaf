"""The history keeps what is young enough, never more than its bound, and counts its own bytes."""

from hypothesis import given
from hypothesis import strategies as st

from aura_actors.messages.history import Entry, History


def entry(seq: int, at: float, data: bytes = b"{}") -> Entry:
    return Entry(seq=seq, at=at, timestamp=1000 + at, data=data)


def kept(history: History, **query: float) -> list[int]:
    return [e.seq for e in history.of("system", **query)]  # type: ignore[arg-type]


def test_what_is_older_than_the_history_goes_when_something_newer_comes() -> None:
    history = History(["system"], seconds=10, entries=100)
    for seq in range(1, 31):
        history.add("system", entry(seq, at=seq))
    assert kept(history) == list(range(20, 31))


def test_the_number_of_entries_is_bounded_however_often_somebody_publishes() -> None:
    history = History(["system"], seconds=10, entries=5)
    for seq in range(1, 31):
        history.add("system", entry(seq, at=1))
    assert kept(history) == [26, 27, 28, 29, 30]


def test_a_part_is_named_by_seq_or_by_date() -> None:
    history = History(["system"], seconds=100, entries=100)
    for seq in range(1, 6):
        history.add("system", entry(seq, at=seq))
    assert kept(history, after_seq=3) == [4, 5]
    assert kept(history, since=1003) == [3, 4, 5]


def test_other_topics_are_not_kept() -> None:
    history = History(["system"], seconds=100, entries=100)
    history.add("actors", entry(1, at=1))
    assert (history.topics, history.held_entries) == (["system"], 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=60), st.integers(1, 10))
def test_the_bytes_that_it_says_are_the_bytes_that_it_holds(steps: list[tuple[float, int]], entries: int) -> None:
    history, now = History(["system"], seconds=8, entries=entries), 0.0
    for seq, (gap, size) in enumerate(steps, 1):
        now += gap
        history.add("system", entry(seq, at=now, data=b"x" * size))
        held = history.of("system")
        assert history.held_bytes == sum(len(e.data) for e in held)
        assert history.held_entries == len(held) <= entries
