"""One task that waits for everybody."""

import gc
import math
import weakref

import trio
from trio.testing import MockClock

from aura_actors.edges.feed.agenda import Agenda


async def test_everybody_is_found_when_the_moment_has_come(autojump_clock: MockClock) -> None:
    """Those of one moment together, the earliest first."""
    agenda, began = Agenda[str](), trio.current_time()
    for who, after in (("c", 3), ("a", 1), ("b", 3)):
        agenda.at(who, began + after)
    assert (await agenda.due(), trio.current_time() - began) == (["a"], 1)
    assert (await agenda.due(), trio.current_time() - began) == (["c", "b"], 3)


async def test_the_earliest_moment_counts_and_one_look_is_enough(autojump_clock: MockClock) -> None:
    agenda, began = Agenda[str](), trio.current_time()
    for after in (5, 2, 9):
        agenda.at("a", began + after)
    assert (await agenda.due(), trio.current_time() - began) == (["a"], 2)
    with trio.move_on_after(100) as patience:
        await agenda.due()
    assert patience.cancelled_caught


async def test_who_is_forgotten_is_not_found(autojump_clock: MockClock) -> None:
    """Infinity is never."""
    agenda, began = Agenda[str](), trio.current_time()
    agenda.at("a", began + 1)
    agenda.at("b", began + 2)
    agenda.at("c", math.inf)
    agenda.forget("a")
    agenda.forget("nobody")
    assert (await agenda.due(), trio.current_time() - began) == (["b"], 2)


async def test_a_sooner_moment_wakes_who_waits(autojump_clock: MockClock) -> None:
    agenda, began = Agenda[str](), trio.current_time()
    agenda.at("late", began + 100)

    async def add() -> None:
        await trio.sleep(1)
        agenda.at("soon", began + 2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(add)
        assert (await agenda.due(), trio.current_time() - began) == (["soon"], 2)


class _Someone:
    """Can be looked for after it is gone."""


async def test_who_is_forgotten_is_not_kept_until_its_moment(autojump_clock: MockClock) -> None:
    """A feed may have thousands of short connections in the time of one ping."""
    agenda, someone = Agenda[_Someone](), _Someone()
    agenda.at(someone, trio.current_time() + 20)
    agenda.at(someone, trio.current_time() + 10)
    gone = weakref.ref(someone)
    agenda.forget(someone)
    del someone
    gc.collect()
    assert gone() is None
