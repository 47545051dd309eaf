"""Leases that are kept alive: when, how many at once, and what is said of one that is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.edges.keeping import Keeper
from aura_actors.errors import Foreign, Gone, StoreUnavailable
from aura_actors.messages import admission as m
from aura_actors.testing import Probe, Question

Renewals = Question[m.Batch]


def lease(key: str, *, ttl_seconds: float = 30.0, secret: str = "s", fence: int = 1) -> Lease:
    return Lease(
        key=key,
        owner="me",
        secret=secret,
        fence=fence,
        spec=JobSpec(),
        ttl_seconds=ttl_seconds,
        granted_at=0,
        expires_at=ttl_seconds,
        granted_timestamp=0,
    )


class House:
    def __init__(self) -> None:
        self.probe = Probe[m.AdmissionMessage]()
        self.ended: list[tuple[str, type[Exception]]] = []
        self.keeper = Keeper(self.probe.ref, lambda lease, why: self.ended.append((lease.key, type(why))))

    async def renewals(self, *, within: float) -> tuple[Renewals, list[str]]:
        question = await self.probe.question(m.Batch, within=within)
        return question, [each.key for each in question.message.operations if isinstance(each, m.Renew)]


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    opened = House()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opened.keeper.run)
        yield opened
        nursery.cancel_scope.cancel()


async def test_leases_are_renewed_at_a_third_of_their_time_in_one_batch(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        await trio.sleep(3)
        h.keeper.keep(lease("b", ttl_seconds=60))
        began = trio.current_time()
        question, keys = await h.renewals(within=20)
        assert trio.current_time() - began == pytest.approx(7)
        assert keys == ["a", "b"]
        question.reply((lease("a"), lease("b", ttl_seconds=60)))
        question, _ = await h.renewals(within=20)
        assert trio.current_time() - began == pytest.approx(17)


async def test_a_shorter_time_moves_the_next_renewal_forward(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a", ttl_seconds=300))
        await wait_all_tasks_blocked()
        h.keeper.keep(lease("b", ttl_seconds=3))
        await h.renewals(within=1.5)


async def test_nothing_is_renewed_where_nothing_is_held(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        h.keeper.let_go(m.Release(key="a", secret="s"))
        await h.probe.expect_nothing(100)
        h.keeper.keep(lease("a"))
        await h.renewals(within=11)


async def test_only_its_own_secret_lets_a_lease_go(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        assert h.keeper.let_go(m.Release(key="a", secret="other")) is None
        assert h.keeper.let_go(m.Release(key="b", secret="s")) is None
        _, keys = await h.renewals(within=11)
        assert keys == ["a"]


@pytest.mark.parametrize("why", [Gone("over"), Foreign("somebody else's")])
async def test_a_lease_that_is_gone_is_told_of_once_and_kept_no_more(
    autojump_clock: MockClock, why: Gone | Foreign
) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        h.keeper.keep(lease("b"))
        question, _ = await h.renewals(within=11)
        question.reply((why, lease("b")))
        _, keys = await h.renewals(within=11)
        assert keys == ["b"]
        assert h.ended == [("a", type(why))]
        assert len(h.keeper) == 1


async def test_a_lease_that_was_given_back_meanwhile_is_not_told_of(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        question, _ = await h.renewals(within=11)
        h.keeper.let_go(m.Release(key="a", secret="s"))
        question.reply((Gone("given back"),))
        await wait_all_tasks_blocked()
        assert h.ended == []
        assert len(h.keeper) == 0


async def test_what_could_not_be_renewed_is_tried_again_soon(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        question, _ = await h.renewals(within=11)
        question.refuse(StoreUnavailable("disk full"))
        question, _ = await h.renewals(within=1.5)
        question.reply((StoreUnavailable("disk full"),))
        question, _ = await h.renewals(within=1.5)
        question.reply((lease("a"),))
        await h.probe.expect_nothing(9)
        assert h.ended == []


async def test_a_newer_form_is_taken_over_only_where_the_lease_is_kept(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.go_on(lease("a"))
        assert len(h.keeper) == 0
        h.keeper.keep(lease("a"))
        h.keeper.go_on(lease("a", ttl_seconds=6))
        h.keeper.go_on(lease("a", ttl_seconds=1, fence=2))
        question, _ = await h.renewals(within=2.1)
        (renewal,) = question.message.operations
        assert isinstance(renewal, m.Renew)
        assert renewal.ttl_seconds == 6


async def test_a_restart_of_admission_loses_no_renewal(autojump_clock: MockClock) -> None:
    async with house() as h:
        h.keeper.keep(lease("a"))
        await h.renewals(within=11)
        h.probe.crash()
        question, _ = await h.renewals(within=2)
        question.reply((lease("a"),))
        assert h.ended == []
