"""What an actor's askers and tellers can rely on, crashes included."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.errors import AskTimeout, InvalidValue, Lost, MailboxFull, NotStarted
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.mailbox import Overflow, Verdict
from aura_actors.kernel.request import Request
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import running as supervised


class Double(Request[int], frozen=True, tag=True):
    """Ask for twice the number."""

    number: int


class Fail(Request[None], frozen=True, tag=True):
    """Crash."""


class Refuse(Request[None], frozen=True, tag=True):
    """Refuse, on purpose."""


class Hold(Request[None], frozen=True, tag=True):
    """Work until the gate opens; then explode, or not."""


class Note(msgspec.Struct, frozen=True, tag=True):
    """Remember."""

    text: str


Message = Double | Fail | Refuse | Hold | Note


class Bench:
    """What the tests see of the actor, over all incarnations."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.opened = 0
        self.closed = 0
        self.gate = trio.Event()
        self.explode = False
        self.dead: list[DeadLetter] = []


class Subject(Actor[Message]):
    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def open(self, context: Context[Message]) -> None:
        self.bench.opened += 1

    async def handle(self, message: Message) -> object:
        match message:
            case Double(number=number):
                return 2 * number
            case Fail():
                raise ZeroDivisionError("on purpose")
            case Refuse():
                raise InvalidValue("not like this")
            case Hold():
                await self.bench.gate.wait()
                if self.bench.explode:
                    raise ZeroDivisionError("behind the gate")
                return None
            case Note(text=text):
                self.bench.notes.append(text)
                return None

    async def close(self) -> None:
        self.bench.closed += 1


@asynccontextmanager
async def running(
    bench: Bench, *, capacity: int = 8, overflow: Overflow = Overflow.BLOCK
) -> AsyncIterator[Cell[Message]]:
    cell = Cell(
        "subject", lambda: Subject(bench), capacity=capacity, overflow=overflow, dead_letter=bench.dead.append
    )
    async with supervised(Supervisor("test", [ChildSpec(name="subject", service=cell)], chance=lambda: 0.5)):
        yield cell


async def test_an_ask_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with running(Bench()) as cell:
        assert await cell.ref.ask(Double(21), within=1) == 42


async def test_a_declared_refusal_answers_the_asker_and_the_actor_lives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        with pytest.raises(InvalidValue, match="not like this"):
            await cell.ref.ask(Refuse(), within=1)
        assert await cell.ref.ask(Double(1), within=1) == 2
    assert bench.opened == 1


async def test_a_crash_tells_the_asker_in_flight_that_the_outcome_is_unknown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        with pytest.raises(Lost) as caught:
            await cell.ref.ask(Fail(), within=1)
        assert caught.value.generation == 1
    assert [letter.message for letter in bench.dead] == [Fail()]


async def test_questions_behind_a_crash_fail_at_once_as_never_started(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    failures: list[tuple[type[Exception], float]] = []

    async def ask(cell: Cell[Message], message: Request[object]) -> None:
        try:
            await cell.ref.ask(message, within=60)
        except (Lost, NotStarted) as error:
            failures.append((type(error), trio.current_time()))

    async with running(bench) as cell, trio.open_nursery() as nursery:
        bench.explode = True
        began = trio.current_time()
        nursery.start_soon(ask, cell, Hold())
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, cell, Double(1))
        await wait_all_tasks_blocked()
        bench.gate.set()
    assert failures == [(Lost, began), (NotStarted, began)]


async def test_tells_behind_a_crash_survive_it_in_order(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench) as cell:
        cell.ref.tell(Fail())
        for text in "abc":
            cell.ref.tell(Note(text))
        await trio.sleep(1)
    assert bench.notes == ["a", "b", "c"]
    assert (bench.opened, bench.closed) == (2, 2)


async def test_a_reference_stays_valid_across_restarts(autojump_clock: trio.testing.MockClock) -> None:
    async with running(Bench()) as cell:
        ref = cell.ref
        for _ in range(3):
            ref.tell(Fail())
            await trio.sleep(15)
            assert await ref.ask(Double(2), within=1) == 4
        assert cell.statistics().generation == 4


async def test_an_ask_while_the_actor_is_down_fails_at_once_and_says_when_to_retry(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cell = Cell("subject", lambda: Subject(Bench()))
    with pytest.raises(NotStarted) as caught:
        await cell.ref.ask(Double(1), within=60)
    assert caught.value.retry_after_seconds is not None
    assert trio.current_time() < 1


async def test_an_abandoned_question_is_skipped(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench) as cell, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: cell.ref.ask(Hold(), within=600))
        await wait_all_tasks_blocked()
        with pytest.raises(AskTimeout):
            await cell.ref.ask(Double(1), within=1)
        bench.gate.set()
        await wait_all_tasks_blocked()
        assert cell.statistics().handled == 1


async def test_a_full_rejecting_mailbox_tells_the_asker(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench, capacity=1, overflow=Overflow.REJECT) as cell, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: cell.ref.ask(Hold(), within=600))
        await wait_all_tasks_blocked()
        assert cell.ref.tell(Note("fills it")) is Verdict.DELIVERED
        with pytest.raises(MailboxFull):
            await cell.ref.ask(Double(1), within=1)
        bench.gate.set()


async def test_stopping_handles_what_waits_and_refuses_what_comes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with running(bench) as cell:
        for text in "ab":
            cell.ref.tell(Note(text))
    assert bench.notes == ["a", "b"]
    assert cell.ref.tell(Note("late")) is Verdict.STOPPED
    with pytest.raises(NotStarted):
        await cell.ref.ask(Double(1), within=1)


async def test_a_timer_ticks_on_time_and_never_doubles_a_tick_that_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Slow(Actor[Note]):
        async def open(self, context: Context[Note]) -> None:
            context.every(1, Note("tick"))

        async def handle(self, message: Note) -> None:
            times.append(trio.current_time() - began)
            await trio.sleep(2.5 if len(times) == 1 else 0)

    times: list[float] = []
    began = trio.current_time()
    cell = Cell("slow", Slow)
    supervisor = Supervisor("test", [ChildSpec(name="slow", service=cell)])
    async with supervised(supervisor):
        await trio.sleep(6.5)
    assert times == [pytest.approx(t) for t in (1, 3.5, 4, 5, 6)]


async def test_forgotten_questions_leave_no_trace(autojump_clock: trio.testing.MockClock) -> None:
    async with running(Bench()) as cell:
        for _ in range(50):
            await cell.ref.ask(Double(1), within=1)
            with pytest.raises(InvalidValue):
                await cell.ref.ask(Refuse(), within=1)
        assert len(cell._questions) == 0


async def test_an_ask_to_a_stopped_actor_fails_at_once_and_promises_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(Bench()) as cell:
        pass
    with pytest.raises(NotStarted) as caught:
        await cell.ref.ask(Double(1), within=60)
    assert caught.value.retry_after_seconds is None


async def test_a_question_dropped_for_a_newer_one_is_told_so(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    async with running(bench, overflow=Overflow.LATEST) as cell, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: cell.ref.ask(Hold(), within=600))
        await wait_all_tasks_blocked()
        began = trio.current_time()

        async def dropped() -> None:
            with pytest.raises(MailboxFull):
                await cell.ref.ask(Double(1), within=60)
            assert trio.current_time() - began < 1

        nursery.start_soon(dropped)
        await wait_all_tasks_blocked()
        cell.ref.tell(Note("newer"))
        await wait_all_tasks_blocked()
        bench.gate.set()


async def test_a_failed_close_does_not_hide_the_crash(autojump_clock: trio.testing.MockClock) -> None:
    class Sore(Subject):
        async def close(self) -> None:
            raise OSError("close failed")

    reports: list[str] = []
    cell: Cell[Message] = Cell("sore", lambda: Sore(Bench()))
    supervisor = Supervisor(
        "test", [ChildSpec(name="sore", service=cell)], report=lambda report: reports.append(report.error)
    )
    async with supervised(supervisor):
        cell.ref.tell(Fail())
        await trio.sleep(0.01)
    assert reports[0] == "ZeroDivisionError: on purpose; OSError: close failed"


async def test_an_actor_that_is_never_run_again_accepts_nothing(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench()
    cell: Cell[Message] = Cell("once", lambda: Subject(bench), dead_letter=bench.dead.append)
    spec = ChildSpec(name="once", service=cell, restart=Restart.TEMPORARY)
    supervisor = Supervisor("test", [spec])
    async with supervised(supervisor):
        cell.ref.tell(Fail())
        cell.ref.tell(Note("behind"))
        await trio.sleep(1)
        assert cell.ref.tell(Note("late")) is Verdict.STOPPED
        assert [letter.message for letter in bench.dead] == [Fail(), Note("behind"), Note("late")]
