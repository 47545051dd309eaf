"""Operations that wait together are one step: written at once, told each on its own, undone as a whole."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.errors import Gone, Refused, StoreUnavailable
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.request import Request
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, House, acquire, ask, jobs, open_house
from tests.actors.waiters import queue

FULL = StoreUnavailable("no space left on device")


class Gate:
    """Holds the next write back until it is let go."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._open = threading.Event()
        self.closed = False
        """A write waits here."""
        self._write = house.journal.write
        house.journal.write = self._held  # type: ignore[method-assign]

    def _held(self, leases: Sequence[Lease], erased: Sequence[int]) -> None:
        self.closed = True
        self._open.wait()
        self._write(leases, erased)

    def open(self) -> None:
        self._open.set()

    def fail_from_now_on(self) -> None:
        """The write that is held back is not concerned."""

        def fail(leases: Sequence[Lease], erased: Sequence[int]) -> None:
            raise FULL

        self._house.journal.write = fail  # type: ignore[method-assign]

    def write_again(self) -> None:
        self._house.journal.write = self._write  # type: ignore[method-assign]


class Asking:
    """Questions, and what each was answered, in the order in which they were asked."""

    def __init__(self, house: House, nursery: trio.Nursery) -> None:
        self._house = house
        self._nursery = nursery
        self.told: dict[int, object] = {}
        self._asked = 0

    async def ask(self, *messages: Request[object]) -> None:
        """Until they wait in the mailbox."""
        for message in messages:
            self._nursery.start_soon(self._ask, self._asked, message)
            self._asked += 1
            await wait_all_tasks_blocked()

    async def _ask(self, number: int, message: Request[object]) -> None:
        try:
            self.told[number] = await self._house.ref.ask(message, within=60)
        except Exception as error:  # noqa: BLE001  (what it is told is what the test looks at)
            self.told[number] = error

    @property
    def kinds(self) -> list[type]:
        """Of the answers."""
        return [type(self.told[number]) for number in range(self._asked)]


def place(job: str) -> m.Acquire:
    """Asks for a place, where there is no room."""
    turn: m.Turn = Latest(None)
    return m.Acquire(job_id=job, owner="me", spec=JobSpec(memory_bytes=GIB), wait=True, turn=turn)


def told(request: m.Acquire) -> object:
    """What its turn was told so far."""
    assert request.turn is not None
    return request.turn.value


@asynccontextmanager
async def while_one_is_written(house: House) -> AsyncIterator[tuple[Asking, Gate]]:
    """Whatever is asked in this block waits behind a write that ends with the block."""
    async with trio.open_nursery() as nursery:
        asking, gate = Asking(house, nursery), Gate(house)
        nursery.start_soon(partial(house.ref.ask, acquire("first"), within=60))
        while not gate.closed:  # noqa: ASYNC110 - by a thread
            await trio.sleep(0.001)
        try:
            yield asking, gate
        finally:
            gate.open()


async def test_whatever_waits_behind_a_write_is_written_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = (await ask(house.ref, acquire("held"))).lease
        writes = house.journal.writes
        async with while_one_is_written(house) as (asking, _):
            await asking.ask(*(acquire(f"j{number}", memory=1) for number in range(20)))
            await asking.ask(m.Release(key="held", secret=held.secret), m.Renew(key="held", secret=held.secret))
        assert house.journal.writes == writes + 2
        assert asking.kinds == [m.Grant] * 20 + [type(None), Gone]
        assert set(await jobs(house)) == {"first", *(f"j{number}" for number in range(20))}


async def test_batches_join_and_no_step_is_larger_than_the_largest_of_them(tmp_path: Path) -> None:
    """However many wait together."""
    sizes = (4, 1, 5, 256, 64, 64, 64, 64, 64)
    async with open_house(tmp_path) as house:
        steps: list[int] = []
        together = house.actor.handle_together

        async def handle_together(messages: Sequence[m.AdmissionMessage]) -> Sequence[object]:
            if operations := [len(each.operations) for each in messages if isinstance(each, m.Batch)]:
                steps.append(sum(operations))  # a tick may come in between
            return await together(messages)

        async with while_one_is_written(house) as (asking, _):
            house.actor.handle_together = handle_together  # type: ignore[method-assign]
            for number, size in enumerate(sizes):
                jobs_of_it = [acquire(f"b{number}-{each}", memory=1) for each in range(size)]
                await asking.ask(m.Batch(operations=tuple(jobs_of_it)))
        assert steps == [10, 256, 256, 64]
        assert len(await jobs(house)) == 1 + sum(sizes)


async def test_those_that_wait_together_get_what_they_would_get_one_after_another(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=3) as house:
        held = (await ask(house.ref, acquire("held"))).lease
        async with while_one_is_written(house) as (asking, _):
            await asking.ask(acquire("a"), acquire("b"), m.Release(key="held", secret=held.secret), acquire("c"))
        assert asking.kinds == [m.Grant, Refused, type(None), m.Grant]


async def test_nobody_is_told_anything_of_a_step_that_cannot_be_written(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=2) as house:
        held = (await ask(house.ref, acquire("held"))).lease
        waiting = place("b")
        async with while_one_is_written(house) as (asking, gate):
            await asking.ask(waiting, m.Release(key="held", secret=held.secret), acquire("a"))
            gate.fail_from_now_on()
        assert asking.kinds == [StoreUnavailable] * 3
        assert len({id(error) for error in asking.told.values()}) == 3
        gate.write_again()
        assert (set(await jobs(house)), await queue(house)) == ({"held", "first"}, [])
        assert told(waiting) is None


async def test_whoever_gives_a_place_up_is_not_drawn_into_a_step(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=2) as house:
        await ask(house.ref, acquire("held"))
        async with while_one_is_written(house) as (asking, _):
            first, again = place("w"), place("w")
            await asking.ask(first, m.Revoke(job_id="w", by="me"), again)
        assert asking.kinds == [m.Queued, type(None), m.Queued]
        assert isinstance(told(first), Gone)
        assert (told(again), await queue(house)) == (None, ["w"])


async def test_whoever_comes_back_after_its_ticket_has_a_place_again(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=300))
        first, again = place("w"), place("w")
        await house.ref.ask(first, within=60)
        assert first.turn is not None
        await house.ref.ask(m.Abandon(turn=first.turn), within=60)
        clock.now += 61
        assert isinstance(await house.ref.ask(again, within=60), m.Queued)
        assert (told(again), await queue(house)) == (None, ["w"])
