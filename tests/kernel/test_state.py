"""Latest values, the bus and permits."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.kernel.bus import Bus, Overflowed
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.permits import Permits


async def test_a_reader_of_the_latest_value_may_miss_some_but_not_the_last(nursery: trio.Nursery) -> None:
    cell = Latest(0)
    seen: list[int] = []

    async def read() -> None:
        version = 0
        while True:
            seen.append(await cell.wait_newer(version))
            version = cell.version

    nursery.start_soon(read)
    await wait_all_tasks_blocked()
    for n in (1, 2, 3):
        cell.set(n)
    await wait_all_tasks_blocked()
    assert seen == [3]


async def test_every_subscriber_gets_every_event() -> None:
    bus: Bus[int] = Bus()
    with bus.subscribe(4) as a, bus.subscribe(4) as b:
        for n in (1, 2):
            bus.publish(n)
        assert [await a.receive(), await a.receive()] == [1, 2]
        assert [await b.receive(), await b.receive()] == [1, 2]


async def test_a_subscriber_that_falls_behind_is_told_after_what_it_had_room_for() -> None:
    bus: Bus[int] = Bus()
    with bus.subscribe(2) as slow, bus.subscribe(8) as quick:
        for n in range(4):
            bus.publish(n)
        assert [await quick.receive() for _ in range(4)] == [0, 1, 2, 3]
        assert [await slow.receive() for _ in range(2)] == [0, 1]
        with pytest.raises(Overflowed):
            await slow.receive()


async def test_lowering_permits_takes_nothing_away() -> None:
    permits = Permits(3)
    for holder in (1, 2, 3):
        permits.take(holder)
    permits.resize(1)
    assert (permits.used, permits.size) == (3, 1)
    permits.give_back(1)
    permits.give_back(2)
    assert (permits.used, permits.size) == (1, 1)


async def test_a_known_holder_gets_a_permit_even_when_none_is_free() -> None:
    permits = Permits(1)
    permits.take("a")
    permits.take("b")
    assert (permits.used, permits.size) == (2, 1)


async def test_a_subscriber_that_fell_behind_is_forgotten() -> None:
    bus: Bus[int] = Bus()
    with bus.subscribe(1), bus.subscribe(8):
        for n in range(3):
            bus.publish(n)
        assert len(bus._subscriptions) == 1
