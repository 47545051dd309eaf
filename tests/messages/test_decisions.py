"""What admission decided is counted whole and told in few words."""

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.messages.decisions import KEPT, Decisions


def test_a_flood_of_decisions_is_one_event_with_all_counts_and_the_newest() -> None:
    decisions = Decisions()
    for number in range(10_000):
        decisions.denied(f"job-{number}", "me", never=number % 4 == 0, detail="memory: no room", timestamp=0.0)
    (event,) = decisions.drain()
    assert event.counts == {"never": 2_500, "refused": 7_500}
    assert [each.key for each in event.latest] == [f"job-{number}" for number in range(10_000 - KEPT, 10_000)]
    assert decisions.drain() == []


def test_a_large_step_is_counted_whole_and_its_newest_are_told_in_order() -> None:
    decisions = Decisions()
    leases = [lease(fence) for fence in range(1, 257)]
    decisions.about(leases, "granted", 0.0)
    decisions.about(leases[:2], "released", 0.0)
    decisions.about([], "expired", 0.0)
    (event,) = decisions.drain()
    assert event.counts == {"granted": 256, "released": 2}
    told = [(each.outcome, each.fence) for each in event.latest]
    assert told == [*(("granted", fence) for fence in range(259 - KEPT, 257)), ("released", 1), ("released", 2)]


def test_a_flood_wakes_its_reader_once_and_again_when_it_has_read() -> None:
    decisions = Decisions()
    for _ in range(10_000):
        decisions.drained(on=True, timestamp=0.0)
    assert decisions.news.version == 1
    decisions.drain()
    assert decisions.news.version == 1
    decisions.drained(on=False, timestamp=0.0)
    assert decisions.news.version == 2


def lease(fence: int) -> Lease:
    return Lease(
        key=f"job-{fence}",
        owner="me",
        secret="s",
        fence=fence,
        spec=JobSpec(),
        ttl_seconds=30.0,
        granted_at=0.0,
        expires_at=30.0,
        granted_timestamp=0.0,
    )
