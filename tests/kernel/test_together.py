"""Messages that join are one step of their actor; all others are handled one at a time, as ever."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.errors import AuraError, InvalidValue, Lost
from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import TOGETHER, Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.envelope import Envelope, Lifetime
from aura_actors.kernel.mailbox import Mailbox, Overflow
from aura_actors.kernel.request import Request
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import running as supervised


class Add(Request[int], frozen=True, tag=True):
    """Joins. 0 is refused, a negative number is a crash."""

    number: int
    places: int = 1


class Alone(msgspec.Struct, frozen=True, tag=True):
    """Joins nobody."""


Message = Add | Alone


class Bench:
    """What the tests see of the actor, over all incarnations."""

    def __init__(self) -> None:
        self.steps: list[list[Message]] = []
        self.gate = trio.Event()
        self.dead: list[DeadLetter] = []


class Till(Actor[Message]):
    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def joins(self, message: Message) -> int:
        return message.places if isinstance(message, Add) else 0

    async def handle(self, message: Message) -> object:
        (answer,) = await self.handle_together([message])
        return answer

    async def handle_together(self, messages: Sequence[Message]) -> Sequence[object]:
        self._bench.steps.append(list(messages))
        await self._bench.gate.wait()
        return [self._answer(message) for message in messages]

    def _answer(self, message: Message) -> int | AuraError:
        number = message.number if isinstance(message, Add) else 0
        if number < 0:
            raise ZeroDivisionError("on purpose")
        return number + 1 if number else InvalidValue("nothing to add")


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Cell[Message]]:
    cell = Cell("till", lambda: Till(bench), dead_letter=bench.dead.append)
    async with supervised(Supervisor("test", [ChildSpec(name="till", service=cell)], chance=lambda: 0.5)):
        yield cell


async def answers(cell: Cell[Message], numbers: Sequence[int], bench: Bench) -> dict[int, object]:
    """Of questions that wait while the first of them is worked on."""
    found: dict[int, object] = {}

    async def ask(number: int) -> None:
        try:
            found[number] = await cell.ref.ask(Add(number), within=60)
        except AuraError as error:
            found[number] = type(error)

    async with trio.open_nursery() as nursery:
        for number in numbers:
            nursery.start_soon(ask, number)
            await wait_all_tasks_blocked()
        bench.gate.set()
    return found


async def test_what_waits_together_is_one_step_and_each_has_its_own_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        assert await answers(cell, [1, 2, 0, 3], bench) == {1: 2, 2: 3, 0: InvalidValue, 3: 4}
        assert cell.statistics().handled == 4
    assert bench.steps == [[Add(1)], [Add(2), Add(0), Add(3)]]


async def test_a_crash_ends_every_question_of_its_step_and_no_message_behind_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        cell.ref.tell(Add(1))
        await wait_all_tasks_blocked()
        cell.ref.tell(Add(2))
        cell.ref.tell(Add(-1))
        cell.ref.tell(Alone())
        cell.ref.tell(Add(5))
        bench.gate.set()
        await trio.sleep(1)
    assert bench.steps == [[Add(1)], [Add(2), Add(-1)], [Alone()], [Add(5)]]
    assert [letter.message for letter in bench.dead[:2]] == [Add(2), Add(-1)]


async def test_whoever_asked_in_a_step_that_crashed_hears_that_the_outcome_is_unknown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        assert await answers(cell, [1, 2, -1], bench) == {1: 2, 2: Lost, -1: Lost}


async def test_a_question_whose_asker_is_gone_is_no_part_of_a_step(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench) as cell:
        cell.ref.tell(Add(1))
        await wait_all_tasks_blocked()
        with pytest.raises(AuraError):
            await cell.ref.ask(Add(2), within=1)
        cell.ref.tell(Add(3))
        bench.gate.set()
        await wait_all_tasks_blocked()
    assert bench.steps == [[Add(1)], [Add(3)]]


async def test_a_step_is_bounded(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench) as cell:
        for _ in range(TOGETHER + 3):
            cell.ref.tell(Add(1))
        bench.gate.set()
        await wait_all_tasks_blocked()
    assert [len(step) for step in bench.steps] == [TOGETHER, 3]


async def test_a_message_that_finds_no_room_in_a_step_is_the_first_of_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    sizes = [TOGETHER // 2, TOGETHER // 2, 1, TOGETHER, 1, 2 * TOGETHER, 1]
    async with running(bench) as cell:
        for size in sizes:
            cell.ref.tell(Add(1, places=size))
        bench.gate.set()
        await wait_all_tasks_blocked()
    half = TOGETHER // 2
    told = [[message.places for message in step if isinstance(message, Add)] for step in bench.steps]
    assert told == [[half, half], [1], [TOGETHER], [1], [2 * TOGETHER], [1]]


# --- the mailbox ---------------------------------------------------------------------------------------------


def mailbox(*messages: object, capacity: int = 8) -> tuple[Mailbox, list[object]]:
    lost: list[object] = []
    made = Mailbox(
        capacity=capacity, overflow=Overflow.BLOCK, undeliverable=lambda message, _: lost.append(message)
    )
    for message in messages:
        made.put_nowait(Envelope(message))
    return made, lost


def more(box: Mailbox, most: int = 8) -> list[object]:
    """Numbers join, texts do not."""
    return [envelope.message for envelope in box.take_more(lambda message: isinstance(message, int), most)]


def rest(box: Mailbox) -> list[object]:
    found = []
    while (envelope := box.take_nowait()) is not None:
        found.append(envelope.message)
    return found


async def test_the_first_that_does_not_join_stays_the_next() -> None:
    box, _ = mailbox(1, 2, "alone", 3)
    assert more(box) == [1, 2]
    assert box.statistics().depth == 2
    assert more(box) == []
    assert rest(box) == ["alone", 3]
    assert box.statistics().depth == 0


async def test_no_more_are_taken_than_are_wanted() -> None:
    box, _ = mailbox(1, 2, 3)
    assert more(box, 2) == [1, 2]
    assert rest(box) == [3]


async def test_control_goes_before_what_was_left_and_is_never_joined() -> None:
    box, _ = mailbox("alone", 1)
    assert more(box) == []
    box.put_nowait(Envelope(7), control=True)
    assert more(box) == []
    assert rest(box) == [7, "alone", 1]


async def test_what_was_left_is_dropped_with_all_the_rest() -> None:
    box, lost = mailbox("alone", 1)
    more(box)
    box.discard("stopped")
    assert lost == ["alone", 1]


async def test_what_was_left_is_skipped_once_it_means_nothing() -> None:
    box, _ = mailbox()
    lifetime = Lifetime()
    tick = Envelope("tick", within=lifetime)
    box.put_nowait(tick)
    more(box)
    assert not tick.taken
    lifetime.over = True
    assert rest(box) == []
