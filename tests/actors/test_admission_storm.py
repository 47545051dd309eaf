"""Everything at once, at random from a seed: afterwards the books balance to the byte."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec, Resize
from aura_actors.domain.providers import ProviderNeed
from aura_actors.edges.services import ask as ask_again
from aura_actors.edges.waiting import acquire as wait_for
from aura_actors.errors import AuraError, StoreUnavailable
from aura_actors.kernel.request import Request
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, House, open_house
from tests.actors.waiters import until
from tests.effort import variants

ASKERS = 1000
MIB = 2**20


class Storm:
    """Askers that wait, hold, resize, renew, release as themselves or as others, or are cancelled anywhere."""

    def __init__(self, house: House, clock: Clock, seed: int) -> None:
        self._house = house
        self._clock = clock
        self._chance = random.Random(seed)
        self.left = ASKERS
        self.held: dict[int, str] = {}
        """Fences that were told, and by whom."""

    async def asker(self, number: int) -> None:
        chance = random.Random(self._chance.random())
        try:
            with trio.move_on_after(chance.choice([0, 0.001, 0.01, 0.05, 1000, 1000])):
                await self._ask(number, chance)
        except AuraError:
            pass
        finally:
            self.left -= 1

    async def _ask(self, number: int, chance: random.Random) -> None:
        request = self._request(number, chance)
        wait_seconds = chance.choice([0, 0.01, 0.1, 1000])
        answer = await wait_for(self._house.ref, request, wait_seconds=wait_seconds)
        if isinstance(answer, m.Queued):
            if chance.random() < 0.5:
                await self._say(m.Leave(key=answer.key, ticket=answer.ticket))
            return
        lease = answer.lease
        assert self.held.setdefault(lease.fence, lease.key) == lease.key, "no fence is handed out twice"
        for _ in range(chance.randrange(3)):
            await trio.sleep(chance.random() * 0.005)
            await self._touch(lease.key, lease.secret, chance)
        if chance.random() < 0.9:
            await self._say(m.Release(key=lease.key, secret=lease.secret, tokens=chance.randrange(100)))

    def _request(self, number: int, chance: random.Random) -> m.Acquire | m.AcquireSlot:
        if chance.random() < 0.2:
            return m.AcquireSlot(provider=chance.choice(["OpenAI", "Other"]), owner="me", tokens=10)
        key = chance.randrange(ASKERS // 2)
        like = random.Random(key)
        spec = JobSpec(
            memory_bytes=like.choice([1, MIB, 100 * MIB, GIB, 3 * GIB]),
            cpu_millicores=like.choice([0, 500, 2000]),
            providers=(ProviderNeed(name="OpenAI", tokens=5),) if like.random() < 0.1 else (),
            priority=like.choice(["low", "normal", "high"]),
            max_runtime_seconds=like.choice([None, 50.0]),
        )
        connection = f"c{key % 7}" if like.random() < 0.3 else None
        return m.Acquire(
            job_id=f"j{key}", owner="me", spec=spec, ttl_seconds=chance.choice([5, 30]), connection=connection
        )

    async def _touch(self, key: str, secret: str, chance: random.Random) -> None:
        resize = Resize(memory_bytes=chance.choice([1, MIB, GIB]), cpu_millicores=chance.choice([0, 1000]))
        await self._say(
            chance.choice(
                [
                    m.Renew(key=key, secret=secret),
                    m.Renew(key=key, secret=secret, resize=resize),
                    m.Renew(key=key, secret="another", resize=resize),
                    m.Release(key=key, secret=None),
                    m.Ready(key=key, secret=secret),
                    m.Disconnected(connection=f"c{chance.randrange(7)}"),
                ]
            )
        )

    async def _say(self, message: Request[Lease] | Request[None] | Request[Lease | None]) -> None:
        try:
            await ask_again(self._house.ref, message)
        except AuraError:
            return

    async def weather(self) -> None:
        """Time passes, the journal fails for a while, and the actor crashes now and then."""
        journal = self._house.journal
        for count in range(1_000_000):
            if not self.left:
                break
            await trio.sleep(0.005)
            self._clock.now += self._chance.random()
            journal.before = StoreUnavailable("no space") if count % 11 == 5 else None
            if count in (20, 40, 60):
                setattr(journal, self._chance.choice(["before_once", "after"]), ZeroDivisionError("on purpose"))
        journal.before = journal.before_once = journal.after = None


@pytest.mark.parametrize("seed", variants(0, 1))
async def test_after_a_storm_the_books_balance_to_the_byte(tmp_path: Path, seed: int) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=20, clock=clock) as house:
        storm = Storm(house, clock, seed)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storm.weather)
            for number in range(ASKERS):
                nursery.start_soon(storm.asker, number)
                if number % 50 == 0:
                    await trio.sleep(0.002)

        async def all_over() -> bool:
            clock.now += 30
            try:
                await house.ref.ask(m.Describe(), within=60)
            except AuraError:
                return False
            return not house.totals.value.active_jobs and not house.totals.value.active_providers

        await until(all_over)
        for _ in range(3):
            clock.now += 100
            view = await house.ref.ask(m.Describe(), within=60)
        assert storm.held, "some were granted, however slow the machine is"
        assert (view.jobs, view.queue) == ((), ())
        assert {account.name: account.promised for account in view.dimensions} == dict.fromkeys(
            (account.name for account in view.dimensions), 0
        )
        assert [provider.used for provider in view.providers] == [0] * len(view.providers)
        assert (view.totals.active_jobs, view.totals.reserved_bytes, view.totals.queued_jobs) == (0, 0, 0)
        assert (len(house.seen.turns), house.seen.asked) == (0, {})
        assert house.roots.value == ()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        assert db.execute("SELECT count(*) FROM lease").fetchall() == [(0,)]
