"""What one session holds, without sockets and in virtual time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from aura_actors.edges.feed import Desk, Limits
from aura_actors.edges.feed.leasing import Leasing
from aura_actors.edges.peer import Caller
from aura_actors.errors import StoreUnavailable
from aura_actors.kernel.actor import Context
from aura_actors.messages import admission as m
from aura_actors.testing import Probe, run_actor
from aura_actors.wire import session as wire
from aura_actors.wire.scopes import SCOPES
from tests.edges.feed.toy import Books, Toy


class Session:
    def __init__(self, admission: Any, **limits: int) -> None:
        self.told: list[Any] = []
        desk = Desk(admission=admission, bytes_per_job=1)
        self.leasing = Leasing(desk, Caller(scopes=SCOPES), Limits(**limits), self.tell)

    async def tell(self, frames: Sequence[Any]) -> None:
        self.told += frames

    async def acquire(self, *numbers: int) -> None:
        await self.leasing.carry_out([wire.Acquire(id=number, job_id=f"j{number}") for number in numbers])


@asynccontextmanager
async def with_toy(toy: type[Toy] = Toy, **limits: int) -> AsyncIterator[tuple[Session, Books, Any]]:
    books = Books()
    async with run_actor(lambda: toy(books), name="admission") as actor:
        yield Session(actor.ref, **limits), books, actor


async def test_those_of_one_group_count_against_the_limit(autojump_clock: MockClock) -> None:
    async with with_toy(max_leases=3) as (session, books, _), session.leasing.open():
        await session.acquire(*range(10))
        assert [type(each) for each in session.told].count(wire.Granted) == 3
        assert len(books.live) == 3


class SlowToStart(Toy):
    """The second incarnation takes longer than anybody asks for."""

    async def open(self, context: Context[m.AdmissionMessage]) -> None:
        if self._books.fence:
            await trio.sleep(8)
        await super().open(context)


async def test_the_end_is_told_however_long_admission_takes_to_come_back(autojump_clock: MockClock) -> None:
    async with with_toy(SlowToStart) as (session, books, actor):
        async with session.leasing.open():
            await session.acquire(1)
            actor.crash()
            await trio.sleep(0.1)
        assert books.live == {}
        assert trio.current_time() > 8


async def test_the_end_is_told_though_the_session_is_cancelled(autojump_clock: MockClock) -> None:
    async with with_toy() as (session, books, _):
        with trio.CancelScope() as scope:
            async with session.leasing.open():
                await session.acquire(1)
                scope.cancel()
                await trio.sleep_forever()
        assert books.live == {}


async def test_a_place_is_given_up_though_the_end_of_its_session_cannot_be_written(
    autojump_clock: MockClock,
) -> None:
    async def unwritable(message: m.AdmissionMessage) -> None:
        if isinstance(message, m.Disconnected):
            raise StoreUnavailable("no space left on device")

    async with with_toy() as (session, books, _):
        books.before = unwritable
        async with session.leasing.open():
            await session.leasing.carry_out([
                wire.Acquire(id=1, job_id="a", memory_bytes=100),
                wire.Acquire(id=2, job_id="b", memory_bytes=100, wait_seconds=3600),
            ])  # fmt: skip
            await trio.sleep(1)
        await trio.sleep(1)
        assert len(books.of(m.Forsake)) == 1
        assert books.queue == []


async def test_nobody_waits_for_an_admission_that_has_stopped(autojump_clock: MockClock) -> None:
    probe = Probe[m.AdmissionMessage]()
    session = Session(probe.ref)
    began = trio.current_time()
    async with session.leasing.open(), trio.open_nursery() as nursery:
        nursery.start_soon(session.acquire, 1)
        await probe.question(m.Batch)
        probe.stop()
    assert trio.current_time() - began < 1


@pytest.mark.parametrize("hurried", [False, True])
async def test_an_admission_that_never_answers_is_not_waited_for_for_ever(
    autojump_clock: MockClock, hurried: bool
) -> None:
    probe = Probe[m.AdmissionMessage]()
    session = Session(probe.ref)
    async with session.leasing.open():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.acquire, 1)
            await probe.question(m.Batch)
            probe.crash()
        if hurried:
            session.leasing.hurry(1)
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(1 if hurried else 30)
