"""Asking patiently: what nobody began is asked again, what has stopped is not."""

import pytest
import trio
from trio.testing import MockClock

from aura_actors.edges.services import ask
from aura_actors.errors import AskTimeout, NotStarted
from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.request import Request


class Double(Request[int], frozen=True, tag=True):
    """Ask for twice the number."""

    number: int


class Doubler(Actor[Double]):
    async def handle(self, message: Double) -> int:
        return 2 * message.number


async def test_an_actor_that_is_back_in_time_answers_the_question_it_never_saw(autojump_clock: MockClock) -> None:
    cell: Cell[Double] = Cell("doubler", Doubler)

    async def come_back_later() -> None:
        await trio.sleep(2)
        await cell.run(stopping=trio.Event(), task_status=trio.TASK_STATUS_IGNORED)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_back_later)
        assert await ask(cell.ref, Double(21), within=5) == 42
        nursery.cancel_scope.cancel()


async def test_one_that_does_not_come_back_is_given_up_at_the_deadline(autojump_clock: MockClock) -> None:
    cell: Cell[Double] = Cell("doubler", Doubler)
    with pytest.raises((NotStarted, AskTimeout)):
        await ask(cell.ref, Double(1), within=5)
    assert 4 < trio.current_time() < 6


async def test_one_that_has_stopped_is_not_asked_again(autojump_clock: MockClock) -> None:
    cell: Cell[Double] = Cell("doubler", Doubler)
    cell.ended(None, again=False)
    with pytest.raises(NotStarted):
        await ask(cell.ref, Double(1), within=5)
    assert trio.current_time() < 1
