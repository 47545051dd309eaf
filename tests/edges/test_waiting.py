"""Waiting on somebody's behalf: what is left behind on every way out, which is nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.edges.waiting import acquire
from aura_actors.errors import AskTimeout, Draining, Gone, NotStarted, Refused, Unavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell
from aura_actors.messages import admission as m
from aura_actors.testing import run_actor

REQUEST = m.Acquire(job_id="a", owner="me", spec=JobSpec(memory_bytes=1))
LEASE = Lease(
    key="a",
    owner="me",
    secret="s",
    fence=1,
    spec=REQUEST.spec,
    ttl_seconds=30,
    granted_at=0,
    expires_at=30,
    granted_timestamp=0,
)
GRANT = m.Grant(lease=LEASE, again=False)
QUEUED = m.Queued(
    key="a",
    ticket="t",
    position=1,
    reasons=(),
    retry_after_seconds=1,
    bound_seconds=None,
    expires_at=60,
)
Answer = m.Grant | m.Queued | Exception


class Scripted(Actor[m.AdmissionMessage]):
    """An admission that answers as it is told, at once or when it is let; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[m.AdmissionMessage] = []
        self.turns: list[m.Turn] = []
        self.answers: list[Answer] = []
        self.hold: trio.Event | None = None
        self.then: Callable[[], None] = lambda: None
        self.opening_seconds = 0.0

    async def open(self, context: Context[m.AdmissionMessage]) -> None:
        await trio.sleep(self.opening_seconds)

    async def handle(self, message: m.AdmissionMessage) -> object:
        self.asked.append(message)
        if isinstance(message, m.Acquire):
            assert message.turn is not None
            self.turns.append(message.turn)
            if self.hold is not None:
                await self.hold.wait()
            answer = self.answers.pop(0)
        elif isinstance(message, m.Abandon):
            answer = self.answers.pop(0)
        else:
            return None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, m.Grant) and isinstance(message, m.Acquire):
            self.turns[-1].set(answer)
        self.then()
        return answer

    @property
    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.asked]


@asynccontextmanager
async def scripted(*answers: Answer) -> AsyncIterator[tuple[Scripted, Cell[m.AdmissionMessage]]]:
    actor = Scripted()
    actor.answers = list(answers)
    cell: Cell[m.AdmissionMessage] = Cell("admission", lambda: actor)
    stopping = trio.Event()

    async def run(task_status: trio.TaskStatus[None]) -> None:
        await cell.run(stopping=stopping, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield actor, cell
        stopping.set()


async def test_a_grant_is_told_as_it_is() -> None:
    async with scripted(GRANT) as (actor, cell):
        assert await acquire(cell.ref, REQUEST) is GRANT
        assert actor.kinds == ["Acquire"]


async def test_who_waits_says_so_and_who_does_not_does_not() -> None:
    async with scripted(GRANT, Refused("full")) as (actor, cell):
        await acquire(cell.ref, REQUEST, wait_seconds=1)
        with pytest.raises(Refused):
            await acquire(cell.ref, REQUEST)
        assert [isinstance(each, m.Acquire) and each.wait for each in actor.asked] == [True, False]


async def test_when_its_time_is_up_the_place_is_left_alone(autojump_clock: MockClock) -> None:
    async with scripted(QUEUED, QUEUED) as (actor, cell):
        began = trio.current_time()
        assert await acquire(cell.ref, REQUEST, wait_seconds=600) is QUEUED
        assert trio.current_time() - began == pytest.approx(600)
        assert actor.kinds == ["Acquire", "Abandon"]


async def test_what_is_granted_as_the_time_is_up_is_the_answer(autojump_clock: MockClock) -> None:
    async with scripted(QUEUED, GRANT) as (_, cell):
        assert await acquire(cell.ref, REQUEST, wait_seconds=600) is GRANT


@pytest.mark.parametrize("outcome", [Gone("revoked"), Draining("no more")])
async def test_what_became_of_the_place_is_raised(outcome: Gone | Draining) -> None:
    async with scripted(QUEUED) as (actor, cell), trio.open_nursery() as nursery:
        errors: list[BaseException] = []

        async def wait() -> None:
            try:
                await acquire(cell.ref, REQUEST, wait_seconds=600)
            except (Gone, Draining) as error:
                errors.append(error)

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        actor.turns[0].set(outcome)
        await wait_all_tasks_blocked()
        assert errors == [outcome]
        assert actor.kinds == ["Acquire"], "there is no place to give up"


@pytest.mark.parametrize("held", [True, False])
async def test_whoever_is_cancelled_while_it_asks_or_waits_says_that_it_is_gone(held: bool) -> None:
    async with scripted(QUEUED) as (actor, cell), trio.open_nursery() as nursery:
        actor.hold = trio.Event() if held else None
        scope = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await acquire(cell.ref, REQUEST, wait_seconds=600)

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        scope.cancel()
        await wait_all_tasks_blocked()
        if actor.hold is not None:
            actor.hold.set()
        await wait_all_tasks_blocked()
        assert actor.kinds == ["Acquire", "Forsake"]
        last = actor.asked[-1]
        assert isinstance(last, m.Forsake)
        assert last.turn is actor.turns[0]


async def test_a_grant_in_the_step_of_the_cancellation_is_either_told_or_forsaken() -> None:
    told = forsaken = 0
    for steps in range(30):
        async with scripted(QUEUED, GRANT) as (actor, cell), trio.open_nursery() as nursery:
            scope, answers = trio.CancelScope(), list[m.Grant | m.Queued]()

            async def wait(
                cell: Cell[m.AdmissionMessage] = cell,
                scope: trio.CancelScope = scope,
                answers: list[m.Grant | m.Queued] = answers,
            ) -> None:
                with scope:
                    answers.append(await acquire(cell.ref, REQUEST, wait_seconds=600))

            nursery.start_soon(wait)
            if steps % 2:
                await wait_all_tasks_blocked()
                actor.turns[0].set(GRANT)
            for _ in range(steps // 2):
                await trio.lowlevel.checkpoint()
            scope.cancel()
            await wait_all_tasks_blocked()
            if actor.turns and actor.turns[0].value is GRANT:
                assert bool(answers) != ("Forsake" in actor.kinds)
            told, forsaken = told + bool(answers), forsaken + ("Forsake" in actor.kinds)
    assert told, "in some order it is told"
    assert forsaken, "in some order it is forsaken"


async def test_whoever_is_not_answered_in_time_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    async with scripted(GRANT) as (actor, cell):
        actor.hold = trio.Event()
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(AskTimeout):
                    await acquire(cell.ref, REQUEST)

            nursery.start_soon(wait)
            await trio.sleep(6)
            actor.hold.set()
        assert actor.kinds == ["Acquire", "Forsake"]


async def test_who_must_ask_again_does_so_even_when_its_time_is_up(autojump_clock: MockClock) -> None:
    async with scripted(QUEUED, QUEUED, QUEUED) as (actor, cell), trio.open_nursery() as nursery:
        answers: list[m.Grant | m.Queued] = []

        async def wait() -> None:
            answers.append(await acquire(cell.ref, REQUEST, wait_seconds=10))

        nursery.start_soon(wait)
        await trio.sleep(9.99)
        actor.turns[0].set(NotStarted("another one now"))
        await trio.sleep(1)
        assert actor.kinds == ["Acquire", "Acquire", "Abandon"]
        assert answers == [QUEUED]


async def test_whoever_cannot_leave_its_place_alone_gives_it_up() -> None:
    async with scripted(QUEUED, Unavailable("not now")) as (actor, cell):
        with pytest.raises(Unavailable, match="not now"):
            await acquire(cell.ref, REQUEST, wait_seconds=0.001)
        assert actor.kinds == ["Acquire", "Abandon", "Forsake"]


@pytest.mark.parametrize("down_seconds", [8, 30])
async def test_whose_time_is_up_while_admission_is_away_has_no_place_when_it_is_back(
    autojump_clock: MockClock, down_seconds: float
) -> None:
    actor = Scripted()
    actor.answers = [QUEUED]
    async with run_actor(lambda: actor, start_seconds=60) as running, trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(NotStarted):
                await acquire(running.ref, REQUEST, wait_seconds=10)

        nursery.start_soon(wait)
        await trio.sleep(9.9)
        actor.opening_seconds = down_seconds
        running.crash()
        await trio.sleep(down_seconds + 1)
        assert actor.kinds == ["Acquire", "Forsake"]


async def test_an_admission_that_is_gone_for_good_is_waited_for_no_longer_than_asked(
    autojump_clock: MockClock,
) -> None:
    async with scripted() as (_, cell):
        pass
    began = trio.current_time()
    with pytest.raises(NotStarted):
        await acquire(cell.ref, REQUEST, wait_seconds=30)
    assert 25 <= trio.current_time() - began <= 36
