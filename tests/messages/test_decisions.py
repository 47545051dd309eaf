"""What admission decided is counted whole and told in few words."""

from aura_actors.messages.decisions import KEPT, Decisions


def test_a_flood_of_decisions_is_one_event_with_all_counts_and_the_newest() -> None:
    decisions = Decisions()
    for number in range(10_000):
        decisions.denied(f"job-{number}", "me", never=number % 4 == 0, detail="memory: no room", timestamp=0.0)
    (event,) = decisions.drain()
    assert event.counts == {"never": 2_500, "refused": 7_500}
    assert [each.key for each in event.latest] == [f"job-{number}" for number in range(10_000 - KEPT, 10_000)]
    assert decisions.drain() == []


def test_a_flood_wakes_its_reader_once_and_again_when_it_has_read() -> None:
    decisions = Decisions()
    for _ in range(10_000):
        decisions.drained(on=True, timestamp=0.0)
    assert decisions.news.version == 1
    decisions.drain()
    assert decisions.news.version == 1
    decisions.drained(on=False, timestamp=0.0)
    assert decisions.news.version == 2
