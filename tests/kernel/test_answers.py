"""What becomes of messages and questions at the edges: refusals, dead letters, timers, news that is followed."""

import gc
from contextlib import suppress

import msgspec
import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from aura_actors.errors import InvalidValue, Lost, MailboxFull, NotStarted, Unavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.mailbox import Overflow, Verdict
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.testing import run_actor
from tests.kernel.workers import running


class Ask(Request[int], frozen=True, tag=True):
    """A question."""


class Note(msgspec.Struct, frozen=True, tag=True):
    """What needs no answer."""

    text: str = ""


Message = Ask | Note


class Listener(Actor[Message]):
    """Writes down what it is told, takes `seconds` for it, and answers 1."""

    def __init__(self, heard: list[str] | None = None, *, seconds: float = 0) -> None:
        self.heard = [] if heard is None else heard
        self.seconds = seconds

    async def handle(self, message: Message) -> int:
        if isinstance(message, Note):
            self.heard.append(message.text)
            await trio.sleep(self.seconds)
        return 1


def messages(letters: list[DeadLetter]) -> list[Message]:
    return [letter.message for letter in letters]


# --- answers ---


async def test_a_not_started_from_somebody_else_is_plain_unavailable_for_the_asker(
    autojump_clock: MockClock,
) -> None:
    """It would promise that nobody began the question, and asking again would do the work twice."""
    other = Cell("other", Listener)

    class Relay(Actor[Ask]):
        async def handle(self, message: Ask) -> int:
            return await other.ref.ask(message, within=1)

    async with run_actor(Relay) as relay:
        with pytest.raises(Unavailable, match="cannot answer now: other is not running") as caught:
            await relay.ref.ask(Ask(), within=1)
        assert type(caught.value) is Unavailable
        assert relay.crashes == []


async def test_refused_questions_leave_no_reference_cycles(autojump_clock: MockClock) -> None:
    class Refusing(Actor[Ask]):
        async def handle(self, message: Ask) -> int:
            raise InvalidValue("no")

    async def ask_all(ref: Ref[Ask]) -> None:
        for _ in range(200):
            with suppress(InvalidValue):
                await ref.ask(Ask(), within=1)

    async with run_actor(Refusing) as actor:
        await ask_all(actor.ref)
        gc.collect()
        gc.disable()
        try:
            await ask_all(actor.ref)
            found = gc.collect()
        finally:
            gc.enable()
    assert found < 200


async def test_a_fast_tick_does_not_starve_questions(autojump_clock: MockClock) -> None:
    class Ticking(Listener):
        async def open(self, context: Context[Message]) -> None:
            context.every(1, Note())

    async with run_actor(lambda: Ticking(seconds=1.5)) as actor:
        await trio.sleep(5)
        assert await actor.ref.ask(Ask(), within=20) == 1


@pytest.mark.parametrize("overflow", Overflow)
async def test_a_send_is_a_checkpoint(overflow: Overflow) -> None:
    cell = Cell("never run", Listener, capacity=2, overflow=overflow)
    for _ in range(1 if overflow is Overflow.BLOCK else 3):
        with assert_checkpoints():
            await cell.ref.send(Note())


@pytest.mark.parametrize("overflow", Overflow)
async def test_a_send_to_a_stopped_actor_is_a_checkpoint(overflow: Overflow) -> None:
    cell = Cell("stopped", Listener, overflow=overflow)
    cell.ended(None, again=False)
    with assert_checkpoints():
        assert await cell.ref.send(Note()) is Verdict.STOPPED


async def test_tells_during_the_delay_of_a_group_are_kept_for_the_next_incarnations(
    autojump_clock: MockClock,
) -> None:
    heard: list[str] = []
    cells = [Cell(name, lambda: Listener(heard)) for name in "ab"]
    supervisor = Supervisor(
        "s",
        [ChildSpec(name=cell.ref.name, service=cell) for cell in cells],
        strategy=Strategy.ONE_FOR_ALL,
        backoff=Backoff(first_seconds=5),
        chance=lambda: 0.99,
    )
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(1)
        assert [node.state for node in supervisor.nodes()] == ["backoff", "backoff"]
        for cell in cells:
            assert cell.ref.tell(Note(f"to {cell.ref.name}")) is Verdict.DELIVERED
        await trio.sleep(10)
    assert sorted(heard) == ["to a", "to b"]


# --- dead letters ---


async def test_a_tell_to_a_stopped_actor_is_a_dead_letter_and_a_question_is_not(autojump_clock: MockClock) -> None:
    async with run_actor(Listener, restart=Restart.TEMPORARY) as actor:
        actor.crash()
        await trio.sleep(1)
        assert actor.ref.tell(Note("told")) is Verdict.STOPPED
        with pytest.raises(NotStarted):
            await actor.ref.ask(Ask(), within=1)
        assert messages(actor.dead_letters) == [Note("told")]


async def test_a_tell_to_a_full_actor_is_a_dead_letter_and_a_question_is_not(autojump_clock: MockClock) -> None:
    async with run_actor(lambda: Listener(seconds=1), overflow=Overflow.REJECT, capacity=1) as actor:
        actor.ref.tell(Note("at work"))
        await wait_all_tasks_blocked()
        actor.ref.tell(Note("waits"))
        assert actor.ref.tell(Note("too much")) is Verdict.FULL
        with pytest.raises(MailboxFull):
            await actor.ref.ask(Ask(), within=1)
        assert messages(actor.dead_letters) == [Note("too much")]


async def test_a_listener_that_raises_is_logged_and_ends_neither_supervisor_nor_teller(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def full_disk(_: DeadLetter) -> None:
        raise OSError("disk full")

    cell: Cell[Message] = Cell("a", lambda: Listener(seconds=60), dead_letter=full_disk)
    spec = ChildSpec(name="a", service=cell, restart=Restart.TEMPORARY)
    supervisor = Supervisor("s", [spec])
    async with running(supervisor):
        for _ in range(3):
            cell.ref.tell(Note())
        await wait_all_tasks_blocked()
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(1)
        assert cell.ref.tell(Note()) is Verdict.STOPPED
    assert caplog.text.count("the listener for dead letters of a failed") == 4


async def test_a_listener_that_raises_does_not_change_what_the_asker_is_told(autojump_clock: MockClock) -> None:
    """The handler had begun: that must not become a `NotStarted`, after which asking again is safe."""

    def disk_full(letter: DeadLetter) -> None:
        raise OSError("disk full")

    class Failing(Actor[Ask]):
        async def handle(self, message: Ask) -> int:
            raise ValueError("on purpose")

    cell = Cell("failing", Failing, dead_letter=disk_full)
    async with running(Supervisor("s", [ChildSpec(name="failing", service=cell)], chance=lambda: 0.0)):
        with pytest.raises(Lost):
            await cell.ref.ask(Ask(), within=1)


async def test_a_listener_may_tell_the_mailbox_that_dropped_the_message() -> None:
    """As an actor that logs dead letters does, its own among them."""
    heard: list[DeadLetter] = []

    def tell_on(letter: DeadLetter) -> None:
        heard.append(letter)
        log.ref.tell(Note(f"lost: {letter.message.text}"))

    log: Cell[Message] = Cell("log", Listener, capacity=1, overflow=Overflow.DROP_OLDEST, dead_letter=tell_on)
    assert log.ref.tell(Note("first")) is Verdict.DELIVERED
    assert log.ref.tell(Note("second")) is Verdict.REPLACED
    assert messages(heard) == [Note("first")]
    assert log.ref.statistics().depth == 1


# --- watching and following ---


async def test_a_watcher_whose_message_cannot_be_made_crashes_itself_and_not_the_watched(
    autojump_clock: MockClock,
) -> None:
    faults = [ZeroDivisionError("in the factory")]

    def message(down: Down) -> Message:
        if faults:
            raise faults.pop()
        return Note()

    async with run_actor(Listener, name="watched") as watched:

        class Watching(Listener):
            async def open(self, context: Context[Message]) -> None:
                context.monitor(watched.ref, message)

        async with run_actor(Watching, name="watcher") as watcher:
            watched.crash()
            await watched.wait_generation(2)
            await watcher.wait_generation(2)
    assert [report.error for report in watched.crashes] == ["RuntimeError: crashed on purpose"]
    assert [report.error for report in watcher.crashes] == ["ZeroDivisionError: in the factory"]


class Following(Listener):
    """Its first incarnation follows `cell`."""

    def __init__(self, cell: Latest[int], heard: list[str], *, seconds: float) -> None:
        super().__init__(heard, seconds=seconds)
        self.cell = cell

    async def open(self, context: Context[Message]) -> None:
        if not self.heard:
            context.follow(self.cell, Note("news"))


async def test_what_is_followed_conflates_while_the_actor_is_busy(autojump_clock: MockClock) -> None:
    cell, heard = Latest(0), list[str]()
    async with run_actor(lambda: Following(cell, heard, seconds=10)) as actor:
        actor.ref.tell(Note("at work"))
        for value in range(50):
            await trio.sleep(0.1)
            cell.set(value)
        await wait_all_tasks_blocked()
        assert actor.mailbox.depth == 1
        await trio.sleep(100)
    assert heard == ["at work", "news"]


async def test_what_is_followed_overtakes_data(autojump_clock: MockClock) -> None:
    cell, heard = Latest(0), list[str]()
    async with run_actor(lambda: Following(cell, heard, seconds=1), overflow=Overflow.REJECT, capacity=1) as actor:
        actor.ref.tell(Note("at work"))
        await wait_all_tasks_blocked()
        actor.ref.tell(Note("data"))
        cell.set(1)
        await trio.sleep(10)
    assert heard == ["at work", "news", "data"]


async def test_what_is_followed_is_void_once_the_incarnation_is_over(autojump_clock: MockClock) -> None:
    cell, heard = Latest(0), list[str]()
    async with run_actor(lambda: Following(cell, heard, seconds=1)) as actor:
        actor.ref.tell(Note("at work"))
        await wait_all_tasks_blocked()
        cell.set(1)
        await wait_all_tasks_blocked()
        assert actor.mailbox.depth == 1
        actor.crash()
        await trio.sleep(10)
        assert actor.generation == 2
    assert heard == ["at work"]
