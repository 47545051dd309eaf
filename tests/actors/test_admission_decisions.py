"""Every decision of admission is told, once it is written and never if it is not, without a secret."""

from pathlib import Path

import msgspec
import pytest
import trio

from aura_actors.domain.needs import JobSpec
from aura_actors.errors import NeverFits, Refused, StoreUnavailable
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, House, acquire, ask, open_house
from tests.actors.test_admission_slots import slot
from tests.actors.waiters import Waiters, release, until_queued


def told(house: House) -> list[tuple[str, str | None]]:
    """Outcome and key of what was decided since this was last asked."""
    return [(each.outcome, each.key) for made in house.seen.decisions.drain() for each in made.latest]


async def test_a_grant_and_its_end_are_told_with_their_fence_and_without_the_secret(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = await ask(house.ref, acquire("a"))
        await ask(house.ref, acquire("a"))  # the same again is no decision
        await release(house, held)
        (made,) = house.seen.decisions.drain()
    assert made.counts == {"granted": 1, "released": 1}
    assert [(each.key, each.owner, each.fence) for each in made.latest] == 2 * [("a", "me", held.lease.fence)]
    assert held.lease.secret.encode() not in msgspec.json.encode(made)


async def test_a_denial_says_why_and_whether_waiting_would_help(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a", memory=8 * GIB))
        house.seen.decisions.drain()
        with pytest.raises(Refused) as refused:
            await ask(house.ref, acquire("b"))
        with pytest.raises(NeverFits) as never:
            await ask(house.ref, acquire("c", memory=9 * GIB))
        (made,) = house.seen.decisions.drain()
    assert [(each.outcome, each.key, each.detail) for each in made.latest] == [
        ("refused", "b", str(refused.value)),
        ("never", "c", str(never.value)),
    ]


async def test_whoever_waited_is_told_of_when_its_turn_comes_and_not_before(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("a"))
        house.seen.decisions.drain()
        Waiters(house, nursery).start(acquire("b"))
        await until_queued(house, "b")
        assert told(house) == []
        await release(house, held)
        assert sorted(told(house)) == [("granted", "b"), ("released", "a")]


async def test_every_way_in_which_a_lease_ends_has_its_word(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("expires", ttl=1))
        await ask(house.ref, acquire("revoked", ttl=200))
        await ask(house.ref, m.Acquire(job_id="gone", owner="me", spec=JobSpec(), connection="c", ttl_seconds=200))
        brief = JobSpec(max_runtime_seconds=100)
        await ask(house.ref, m.Acquire(job_id="brief", owner="me", spec=brief, ttl_seconds=200))
        used = await ask(house.ref, slot())
        house.seen.decisions.drain()
        await house.ref.ask(m.Revoke(job_id="revoked", by="boss"), within=60)
        await house.ref.ask(m.Disconnected(connection="c"), within=60)
        await release(house, used)
        assert told(house) == [("revoked", "revoked"), ("disconnected", "gone"), ("released", used.lease.key)]
        for now in (102.0, 201.0):
            clock.now = now
            await house.ref.ask(m.Describe(), within=60)
        assert told(house) == [("expired", "expires"), ("runtime", "brief")]


async def test_a_drain_is_told_when_it_begins_and_ends_and_not_when_it_goes_on(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for on in (True, True, False):
            await house.ref.ask(m.Drain(on=on, by="boss"), within=60)
        assert told(house) == [("draining", None), ("admitting", None)]
        await house.ref.ask(m.Drain(on=True, by="boss"), within=60)
        house.seen.decisions.drain()
        await house.crash()
        assert told(house) == [], "a new incarnation goes on draining"


async def test_what_could_not_be_written_is_not_told(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = await ask(house.ref, acquire("a"))
        house.seen.decisions.drain()
        house.journal.before = StoreUnavailable("no space left on device")
        with pytest.raises(StoreUnavailable):
            await ask(house.ref, acquire("b"))
        with pytest.raises(StoreUnavailable):
            await release(house, held)
        assert told(house) == []
