"""One actor, run as it will be run: in a real cell, under a real supervisor, for the time of a block.

Owns the way from a factory to a running actor, and what a test sees of it over all incarnations. Restarts come
without delay unless the test brings chance; what the actor does is its own business.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar, cast

import trio

from aura_actors.errors import AuraError
from aura_actors.kernel.actor import Actor
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.crash import cause
from aura_actors.kernel.envelope import ReplySlot
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.mailbox import MailboxStatistics, Overflow
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.reports import CrashReport
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.testing.faults import crash

M = TypeVar("M")
R = TypeVar("R")


class Reply(Generic[R]):
    """The answer to a question that was asked in the background."""

    def __init__(self, slot: ReplySlot) -> None:
        self._slot = slot

    async def get(self) -> R:
        """Wait for it; raises what `ask` would have raised."""
        return cast("R", await self._slot.wait())


class RunningActor(Generic[M]):
    """An actor under test. Lists grow while it runs and stay after its end."""

    def __init__(self, cell: Cell[M], crashes: list[CrashReport], dead_letters: list[DeadLetter]) -> None:
        self.ref: Ref[M] = cell.ref
        self.crashes = crashes
        """One report for each incarnation that ended with an error, injected ones included."""
        self.dead_letters = dead_letters
        """Every message that nobody handled to its end, and why."""
        self._cell = cell
        self._ready = Latest(0)
        self._supervisor: Supervisor
        self._nursery: trio.Nursery

    @property
    def generation(self) -> int:
        """The number of the incarnation that got ready last: 1, and one more with each restart."""
        return self._ready.value

    @property
    def handled(self) -> int:
        """Messages handled, over all incarnations."""
        return self._cell.statistics().handled

    @property
    def mailbox(self) -> MailboxStatistics:
        """What waits for the actor now."""
        return self._cell.statistics().mailbox

    def crash(self, error: Exception | None = None) -> None:
        """End the incarnation as if `error` had escaped from it. Raises `Gone` where none runs."""
        crash(self._supervisor, self.ref.name, error)

    async def wait_generation(self, number: int, *, within: float = 10.0) -> None:
        """Wait until incarnation `number`, or a later one, is ready; `AssertionError` where that takes too long."""
        with trio.move_on_after(within):
            while self.generation < number:
                await self._ready.wait_newer(self._ready.version)
        if self.generation < number:
            crashed = "; ".join(report.error for report in self.crashes) or "nothing"
            raise AssertionError(
                f"{self.ref.name} is at generation {self.generation}, not {number}, after {within:g} s; "
                f"crashed so far: {crashed}"
            )

    def ask_soon(self, request: Request[R], *, within: float = 10.0) -> Reply[R]:
        """Ask in the background, so that the test can play the others meanwhile."""
        slot = ReplySlot()
        self._nursery.start_soon(self._ask, request, within, slot)
        return Reply(slot)

    async def _ask(self, request: Request[R], within: float, slot: ReplySlot) -> None:
        try:
            slot.reply(await self.ref.ask(request, within=within))
        except AuraError as error:
            slot.refuse(error)

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """The service that is supervised: the cell, with a word when it is ready."""
        await self._cell.run(stopping=stopping, task_status=_Ready(task_status, self._say_ready))

    def ended(self, reason: str | None, *, again: bool) -> None:
        """Tell the cell how an incarnation ended."""
        self._cell.ended(reason, again=again)

    def _say_ready(self) -> None:
        self._ready.set(self._cell.statistics().generation)

    async def _supervise(self, stopping: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
        await self._supervisor.run(stopping=stopping, task_status=task_status)


class _Ready:
    """Trio's `task_status`, overheard."""

    def __init__(self, status: trio.TaskStatus[None], say: Callable[[], None]) -> None:
        self._status = status
        self._say = say

    def started(self, value: None = None) -> None:
        self._status.started()
        self._say()


@asynccontextmanager
async def run_actor(
    factory: Callable[[], Actor[M]],
    *,
    name: str = "subject",
    capacity: int = 256,
    overflow: Overflow = Overflow.BLOCK,
    restart: Restart = Restart.PERMANENT,
    start_seconds: float = 10.0,
    grace_seconds: float = 2.0,
    close_seconds: float = 2.0,
    intensity: RestartIntensity | None = None,
    backoff: Backoff | None = None,
    chance: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[RunningActor[M]]:
    """Run an actor until the block ends; it is ready when the block begins, and stopped in order at the end.

    The options are those of `Cell`, `ChildSpec` and `Supervisor`. Raises `StartFailed` where it does not get ready,
    `GaveUp` once it has used up the restart budget, and what escapes from the block, each bare.
    """
    crashes: list[CrashReport] = []
    dead_letters: list[DeadLetter] = []
    cell = Cell(
        name,
        factory,
        capacity=capacity,
        overflow=overflow,
        close_seconds=close_seconds,
        dead_letter=dead_letters.append,
    )
    actor = RunningActor(cell, crashes, dead_letters)
    spec = ChildSpec(
        name=name, service=actor, restart=restart, start_seconds=start_seconds, grace_seconds=grace_seconds
    )
    actor._supervisor = Supervisor(
        "test", [spec], intensity=intensity, backoff=backoff, chance=chance, report=crashes.append
    )
    stopping = trio.Event()
    try:
        async with trio.open_nursery() as actor._nursery:
            await actor._nursery.start(actor._supervise, stopping)
            try:
                yield actor
            finally:
                stopping.set()
    except BaseExceptionGroup as group:  # raised again, bare where it is a group of one
        inner = cause(group)
        if inner is group:
            raise
        raise inner from inner.__cause__
