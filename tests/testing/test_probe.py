"""A probe in the place of another actor: what it was told, what it was asked, and when."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from aura_actors.errors import AskTimeout, InvalidValue, Lost, NotStarted
from aura_actors.kernel.mailbox import Verdict
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.request import Request
from aura_actors.testing import Probe, Question, Unexpected


class Double(Request[int], frozen=True, tag=True):
    """Ask for twice the number."""

    number: int


class Note(msgspec.Struct, frozen=True, tag=True):
    """Remember."""

    text: str


Message = Double | Note


async def test_what_was_told_is_received_in_order(autojump_clock: MockClock) -> None:
    probe = Probe[Message]()
    assert probe.ref.tell(Note("a")) is Verdict.DELIVERED
    await probe.ref.send(Note("b"))
    assert [await probe.receive(), await probe.receive()] == [Note("a"), Note("b")]


async def test_a_question_is_answered_through_the_probe(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    probe = Probe[Message]()
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await probe.ref.ask(Double(21), within=1))

    nursery.start_soon(ask)
    question = await probe.question(Double)
    assert not question.settled()
    question.reply(question.message.number * 2)
    assert question.settled()
    await trio.testing.wait_all_tasks_blocked()
    assert answers == [42]


def check_types(probe: Probe[Message], question: Question[Double]) -> None:
    """Never run: mypy complains about an ignore that is not needed, so these are errors to it."""
    question.reply("forty-two")  # type: ignore[arg-type]
    probe.ref.tell("a")  # type: ignore[arg-type]


async def test_a_question_can_be_refused(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    probe = Probe[Message]()

    async def refuse() -> None:
        (await probe.question(Double)).refuse(InvalidValue("no"))

    nursery.start_soon(refuse)
    with pytest.raises(InvalidValue, match="no"):
        await probe.ref.ask(Double(1), within=1)


async def test_within_is_in_virtual_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    probe = Probe[Message]("ear")
    began = trio.current_time()
    with pytest.raises(Unexpected, match=r"ear expected a Note within 3600 s and got none"):
        await probe.receive(Note, within=3600)
    assert trio.current_time() - began == pytest.approx(3600)


async def test_a_message_of_another_kind_is_shown(autojump_clock: MockClock) -> None:
    probe = Probe[Message]("ear")
    probe.ref.tell(Note("x"))
    with pytest.raises(Unexpected, match=r"ear expected a Double and got Note\(text='x'\)"):
        await probe.receive(Double)


async def test_told_and_asked_are_told_apart(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    probe = Probe[Message]("ear")
    probe.ref.tell(Double(1))
    with pytest.raises(Unexpected, match=r"ear was told Double\(number=1\); nobody waits for an answer"):
        await probe.question(Double)

    async def ask() -> None:
        with pytest.raises(AskTimeout):
            await probe.ref.ask(Double(2), within=5)

    nursery.start_soon(ask)
    with pytest.raises(Unexpected, match=r"ear was asked Double\(number=2\)"):
        await probe.receive(Double)


async def test_nothing_expected_is_nothing_for_the_whole_time(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    probe = Probe[Message]("ear")
    began = trio.current_time()
    await probe.expect_nothing(for_seconds=5)
    assert trio.current_time() - began == pytest.approx(5)

    async def late() -> None:
        await trio.sleep(4)
        probe.ref.tell(Note("late"))

    nursery.start_soon(late)
    with pytest.raises(Unexpected, match=r"expected nothing for 5 s and was told Note\(text='late'\)"):
        await probe.expect_nothing(for_seconds=5)


async def test_what_comes_at_the_last_moment_is_within_and_was_not_there_before(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    probe = Probe[Message]()

    async def punctual() -> None:
        for _ in range(2):
            await trio.sleep(60)
            await trio.lowlevel.checkpoint()
            probe.ref.tell(Note("on time"))

    nursery.start_soon(punctual)
    await probe.expect_nothing(for_seconds=60)
    await probe.receive(Note, within=0)
    await probe.receive(Note, within=60)


async def test_what_waits_already_is_not_nothing(autojump_clock: MockClock) -> None:
    probe = Probe[Message]()
    probe.ref.tell(Note("x"))
    with pytest.raises(Unexpected):
        await probe.expect_nothing(for_seconds=0)


async def test_a_question_that_nobody_waits_for_is_passed_over(autojump_clock: MockClock) -> None:
    probe = Probe[Message]()
    with pytest.raises(AskTimeout):
        await probe.ref.ask(Double(1), within=1)
    await probe.expect_nothing(for_seconds=1)


async def test_a_probe_crashes_as_an_actor_does(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    probe = Probe[Message]("ear")
    downs: list[Down] = []
    failures: dict[int, type[Exception]] = {}
    probe.ref.monitor(downs.append)

    async def ask(number: int) -> None:
        try:
            await probe.ref.ask(Double(number), within=60)
        except (Lost, NotStarted) as error:
            failures[number] = type(error)

    probe.ref.tell(Note("kept"))
    nursery.start_soon(ask, 1)
    await probe.receive(Note)
    await probe.question(Double)
    probe.ref.tell(Note("kept too"))
    nursery.start_soon(ask, 2)
    await trio.testing.wait_all_tasks_blocked()
    probe.crash("OSError: cable")
    await trio.testing.wait_all_tasks_blocked()
    assert failures == {1: Lost, 2: NotStarted}
    assert await probe.receive() == Note("kept too")
    probe.crash("OSError: worse", again=False)
    assert [(down.generation, down.reason, down.again) for down in downs] == [
        (1, "OSError: cable", True),
        (2, "OSError: worse", False),
    ]
    assert probe.ref.tell(Note("late")) is Verdict.STOPPED


async def test_whoever_monitors_a_probe_late_hears_only_of_an_end_for_good(autojump_clock: MockClock) -> None:
    probe = Probe[Message]()
    downs: list[Down] = []
    probe.crash()
    probe.ref.monitor(downs.append)
    assert downs == []
    probe.stop()
    assert [(down.reason, down.again) for down in downs] == [(None, False)]
    probe.ref.monitor(downs.append)
    assert len(downs) == 2


async def test_a_stopped_probe_takes_nothing_and_answers_who_waits(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    probe = Probe[Message]()

    async def ask() -> None:
        began = trio.current_time()
        with pytest.raises(NotStarted):
            await probe.ref.ask(Double(1), within=60)
        assert trio.current_time() == began

    nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked()
    probe.stop()
    assert probe.ref.tell(Note("late")) is Verdict.STOPPED
    with pytest.raises(NotStarted):
        await probe.ref.ask(Double(1), within=1)
