"""Slots at providers: queue, rates, and what a refusal or a journal that fails costs, which is nothing."""

from pathlib import Path

import pytest

from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from aura_actors.errors import Refused, StoreUnavailable
from aura_actors.kernel.latest import Latest
from aura_actors.messages import admission as m
from aura_actors.messages.admission_view import ProviderView
from tests.actors.house import GIB, Clock, House, acquire, ask, open_house
from tests.actors.waiters import queue, release

RATED = ProviderLimits(max_concurrent=2, requests_per_minute=60, tokens_per_minute=6000)
FULL = StoreUnavailable("no space left on device")


async def openai(house: House) -> ProviderView:
    (provider,) = (
        each for each in (await house.ref.ask(m.Describe(), within=60)).providers if each.name == "OpenAI"
    )
    return provider


async def left(house: House) -> tuple[int | None, int | None]:
    """Requests and tokens that may be used now."""
    provider = await openai(house)
    return provider.requests_available, provider.tokens_available


def slot(tokens: int = 1000, *, wait: bool = False) -> m.AcquireSlot:
    return m.AcquireSlot(provider="OpenAI", owner="me", tokens=tokens, turn=Latest(None), wait=wait)


async def test_a_refusal_uses_up_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, clock=Clock(), limits=RATED) as house:
        for _ in range(2):
            await ask(house.ref, slot())
        assert await left(house) == (58, 4000)
        for _ in range(5):
            with pytest.raises(Refused):
                await ask(house.ref, slot())
        assert await left(house) == (58, 4000)
        assert (await openai(house)).denied == 5


async def test_a_job_that_is_short_of_memory_uses_up_nothing_at_its_provider(tmp_path: Path) -> None:
    async with open_house(tmp_path, clock=Clock(), limits=RATED) as house:
        await ask(house.ref, acquire("held", memory=8 * GIB))
        need = ProviderNeed(name="OpenAI", tokens=1000)
        spec = JobSpec(memory_bytes=GIB, providers=(need,))
        with pytest.raises(Refused):
            await ask(house.ref, m.Acquire(job_id="a", owner="me", spec=spec))
        assert await left(house) == (60, 6000)
        assert (await openai(house)).used == 0


async def test_what_a_call_really_used_is_settled_both_ways(tmp_path: Path) -> None:
    async with open_house(tmp_path, clock=Clock(), limits=RATED) as house:
        for used, tokens in ((300, 5700), (1500, 4200)):
            lease = (await ask(house.ref, slot())).lease
            await house.ref.ask(m.Release(key=lease.key, secret=lease.secret, tokens=used), within=60)
            assert (await left(house))[1] == tokens


@pytest.mark.parametrize("known", [True, False])
async def test_a_grant_that_cannot_be_written_uses_up_nothing(tmp_path: Path, known: bool) -> None:
    async with open_house(tmp_path, clock=Clock(), limits=RATED) as house:
        other = ProviderNeed(name="OpenAI" if known else "Other", tokens=10)
        spec = JobSpec(providers=(ProviderNeed(name="OpenAI", tokens=1000), other))
        house.journal.before = FULL
        for request in (slot(), m.Acquire(job_id="a", owner="me", spec=spec)):
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await ask(house.ref, request)
        assert await left(house) == (60, 6000)
        view = await house.ref.ask(m.Describe(), within=60)
        assert [(each.name, each.used, each.granted) for each in view.providers] == [("OpenAI", 0, 0)]


async def test_waiting_while_nothing_can_be_written_uses_up_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock, limits=RATED) as house:
        held = [(await ask(house.ref, slot())) for _ in range(2)]
        await house.ref.ask(slot(wait=True), within=60)
        house.journal.before = FULL
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                await release(house, held[0])
        assert await left(house) == (58, 4000)
        house.journal.before = None
        await release(house, held[0])
        assert await left(house) == (57, 3000)


async def test_a_release_that_cannot_be_written_is_settled_once_when_it_can(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock, limits=RATED) as house:
        lease = (await ask(house.ref, slot())).lease
        give_back = m.Release(key=lease.key, secret=lease.secret, outcome="ok", tokens=400)
        house.journal.before = FULL
        clock.now += 0.125
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await house.ref.ask(give_back, within=60)
        assert (await openai(house)).used == 1
        house.journal.before = None
        await house.ref.ask(give_back, within=60)
        provider = await openai(house)
        assert (provider.used, provider.tokens_available) == (0, 5612)
        assert provider.mean_call_seconds == 0.125


async def test_a_crash_refills_no_budget(tmp_path: Path) -> None:
    async with open_house(tmp_path, clock=Clock(), limits=RATED) as house:
        lease = (await ask(house.ref, slot())).lease
        await house.crash()
        assert await left(house) == (59, 5000)
        await house.ref.ask(m.Release(key=lease.key, secret=lease.secret, tokens=200), within=60)
        assert await left(house) == (59, 5800)


async def test_those_who_wait_for_a_rate_begin_when_it_allows_them_to(tmp_path: Path) -> None:
    clock = Clock()
    limits = ProviderLimits(max_concurrent=9, tokens_per_minute=6000)
    async with open_house(tmp_path, clock=clock, limits=limits) as house:
        await ask(house.ref, slot(tokens=6000))
        request = slot(tokens=1000, wait=True)
        queued = await house.ref.ask(request, within=60)
        assert isinstance(queued, m.Queued)
        assert queued.reasons[0].retry_after_seconds == pytest.approx(10)
        clock.now += 9.9
        assert len(await queue(house)) == 1
        clock.now += 0.2
        assert await queue(house) == []
        assert request.turn is not None
        assert isinstance(request.turn.value, m.Grant)


async def test_keys_of_slots_are_never_used_twice_at_once(tmp_path: Path) -> None:
    limits = ProviderLimits(max_concurrent=1000)
    keys: set[str] = set()
    for session in ("one", "two", "three"):
        async with open_house(tmp_path, session=session, limits=limits, clock=Clock()) as house:
            for _ in range(2):
                keys |= {(await ask(house.ref, slot(0))).lease.key for _ in range(20)}
                await house.crash()
    assert len(keys) == 120
