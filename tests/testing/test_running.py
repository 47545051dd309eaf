"""One actor under a real supervisor for the time of a test."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from aura_actors.errors import Gone, Lost, NotStarted
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.reports import GaveUp, StartFailed
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import RestartIntensity
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.testing import Probe, RunningActor, crash, failing, run_actor


class Add(Request[int], frozen=True, tag=True):
    """Add to the sum; the reply is the sum."""

    number: int


class Report(msgspec.Struct, frozen=True, tag=True):
    """Ask the judge about the sum, and hold what it says."""


class Judge(Request[bool], frozen=True, tag=True):
    """Is this much enough?"""

    total: int


Message = Add | Report


class Sum(Actor[Message]):
    """Adds up over all incarnations; `log` sees every step."""

    def __init__(self, judge: Probe[Judge] | None = None, log: list[str] | None = None) -> None:
        self.total = 0
        self.judge = judge
        self.log = [] if log is None else log

    async def open(self, context: Context[Message]) -> None:
        self.log.append("open")

    async def handle(self, message: Message) -> int | None:
        match message:
            case Add(number=number):
                self.total += number
                self.log.append(f"add {number}")
                if self.judge is not None and not await self.judge.ref.ask(Judge(self.total), within=5):
                    raise ArithmeticError("not enough")
                return self.total
            case Report():
                return None

    async def close(self) -> None:
        self.log.append("close")


async def test_an_actor_runs_for_the_block_and_is_closed_in_order(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with run_actor(lambda: Sum(log=log)) as actor:
        assert (actor.generation, log) == (1, ["open"])
        assert await actor.ref.ask(Add(2), within=1) == 2
        assert actor.handled == 1
    assert log == ["open", "add 2", "close"]
    assert (actor.crashes, actor.dead_letters) == ([], [])
    with pytest.raises(NotStarted):
        await actor.ref.ask(Add(1), within=1)


async def test_what_waits_at_the_end_of_the_block_is_still_handled(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with run_actor(lambda: Sum(log=log)) as actor:
        for number in (1, 2):
            actor.ref.tell(Add(number))
        assert actor.mailbox.depth == 2
    assert log == ["open", "add 1", "add 2", "close"]


async def test_a_monitor_hears_of_the_ends_of_an_actor_under_test(autojump_clock: MockClock) -> None:
    downs: list[Down] = []
    async with run_actor(Sum) as actor:
        actor.ref.monitor(downs.append)
        actor.crash(OSError("cable"))
        await actor.wait_generation(2)
    assert [(down.reason, down.again) for down in downs] == [("OSError: cable", True), (None, False)]


async def test_an_injected_crash_is_reported_and_the_next_incarnation_awaited(autojump_clock: MockClock) -> None:
    async with run_actor(Sum) as actor:
        await actor.ref.ask(Add(2), within=1)
        began = trio.current_time()
        actor.crash(OSError("cable"))
        await actor.wait_generation(2)
        assert trio.current_time() == began
        assert await actor.ref.ask(Add(1), within=1) == 1
    (report,) = actor.crashes
    assert (report.child, report.generation, report.error) == ("subject", 1, "OSError: cable")


async def test_waiting_for_a_generation_that_does_not_come_says_why(autojump_clock: MockClock) -> None:
    async with run_actor(Sum, restart=Restart.TEMPORARY, name="once") as actor:
        actor.crash()
        with pytest.raises(
            AssertionError,
            match=r"once is at generation 1, not 2, after 5 s; crashed so far: RuntimeError: crashed on purpose",
        ):
            await actor.wait_generation(2, within=5)
        with pytest.raises(Gone):
            actor.crash()


async def test_the_test_plays_the_collaborator_while_its_question_waits(autojump_clock: MockClock) -> None:
    judge = Probe[Judge]("judge")
    async with run_actor(lambda: Sum(judge)) as actor:
        reply = actor.ask_soon(Add(3))
        question = await judge.question(Judge)
        assert question.message == Judge(total=3)
        question.reply(True)
        assert await reply.get() == 3

        reply = actor.ask_soon(Add(4))
        (await judge.question(Judge)).reply(False)
        with pytest.raises(Lost):
            await reply.get()
        await actor.wait_generation(2)
    assert [letter.message for letter in actor.dead_letters] == [Add(4)]


async def test_an_actor_that_does_not_start_raises_that_and_no_group(autojump_clock: MockClock) -> None:
    with pytest.raises(StartFailed, match="subject did not start: RuntimeError: crashed on purpose"):
        async with run_actor(failing(Sum, opens={1})):
            pass


async def crash_and_wait(actor: RunningActor[Message]) -> None:
    actor.crash(OSError("cable"))
    await trio.sleep_forever()


async def test_an_actor_that_keeps_crashing_ends_the_block(autojump_clock: MockClock) -> None:
    intensity = RestartIntensity(intensity=1, period_seconds=30)
    with pytest.raises(GaveUp) as caught:
        async with run_actor(failing(Sum, opens={2, 3, 4}), intensity=intensity) as actor:
            await crash_and_wait(actor)
    assert caught.value.__cause__ is not None
    assert [report.error for report in actor.crashes] == ["OSError: cable", "RuntimeError: crashed on purpose"]


async def test_what_escapes_from_the_block_comes_out_bare(autojump_clock: MockClock) -> None:
    with pytest.raises(KeyError):
        async with run_actor(Sum):
            raise KeyError("mine")


async def test_the_third_message_fails_before_it_is_looked_at(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with run_actor(failing(lambda: Sum(log=log), before={3})) as actor:
        for number in (1, 2):
            await actor.ref.ask(Add(number), within=1)
        with pytest.raises(Lost):
            await actor.ref.ask(Add(3), within=1)
        await actor.wait_generation(2)
        assert await actor.ref.ask(Add(4), within=1) == 4
    assert log == ["open", "add 1", "add 2", "close", "open", "add 4", "close"]


async def test_a_message_that_was_dealt_with_can_lose_its_answer(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with run_actor(failing(lambda: Sum(log=log), after={1}, error=lambda: OSError("cable"))) as actor:
        with pytest.raises(Lost):
            await actor.ref.ask(Add(3), within=1)
    assert log[:2] == ["open", "add 3"]
    assert actor.crashes[0].error == "OSError: cable"


async def test_a_close_can_fail_on_top_of_a_real_one(autojump_clock: MockClock) -> None:
    log: list[str] = []
    async with run_actor(failing(lambda: Sum(log=log), before={1}, closes={1})) as actor:
        actor.ref.tell(Add(1))
        await actor.wait_generation(2)
    assert log == ["open", "close", "open", "close"]
    assert [report.error for report in actor.crashes] == ["; ".join(["RuntimeError: crashed on purpose"] * 2)]


async def test_a_part_of_a_tree_is_crashed_by_its_path(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    class Idle:
        async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await stopping.wait()

    crashes: list[tuple[str, str]] = []
    shop = Supervisor(
        "shop",
        [ChildSpec(name="till", service=Idle())],
        report=lambda report: crashes.append((report.child, report.error)),
    )
    tree = Supervisor("town", [ChildSpec(name="shop", service=shop)])
    stopping = trio.Event()

    async def run(task_status: trio.TaskStatus[None]) -> None:
        await tree.run(stopping=stopping, task_status=task_status)

    await nursery.start(run)
    crash(tree, "shop/till", OSError("drawer"))
    await trio.testing.wait_all_tasks_blocked()
    assert crashes == [("till", "OSError: drawer")]
    with pytest.raises(Gone, match="town has no supervisor 'mill'"):
        crash(tree, "mill/wheel")
    stopping.set()
