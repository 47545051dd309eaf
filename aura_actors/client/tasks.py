"""Work that goes on when whoever wants it is cancelled, so that it can be ended in order instead of torn off.

Owns the difference between giving up on an answer and cutting the question off. A program on asyncio may be
cancelled twice, also in the midst of its clean-up: what was begun here is finished all the same, or ends with
`connect`'s block.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from aura_actors.errors import Unreachable

T = TypeVar("T")

LAST_SECONDS = 3.0
"""For what is still under way when `connect`'s block is over."""


class Work(Generic[T]):
    """One piece of work under way, and what came of it."""

    def __init__(self, do: Callable[[], Awaitable[T]]) -> None:
        self._do = do
        self._scope = anyio.CancelScope(shield=True)
        self._done = anyio.Event()
        self.begun_at = anyio.current_time()
        self._error: Exception | None = None
        self.outcomes: tuple[T, ...] = ()
        """One, once it is carried out; none where it failed or was cut off."""

    async def run(self) -> None:
        """Carry it out; its errors are for whoever waits, a defect too: raised here it would end all other work."""
        try:
            with self._scope:
                self.outcomes = (await self._do(),)
        except Exception as error:  # noqa: BLE001 - raised again where its outcome is waited for
            self._error = error
        finally:
            self._done.set()

    async def wait(self) -> T:
        """Wait for its outcome. Whoever is cancelled here has not cancelled the work."""
        await self._done.wait()
        return self.outcome()

    def outcome(self) -> T:
        """What came of it, once it has ended. Raises its error."""
        if self._error is not None:
            raise self._error
        if not self.outcomes:
            raise Unreachable("the connection to the daemon was closed before there was an answer", sent=True)
        return self.outcomes[0]

    async def ended(self) -> None:
        """Wait for its end, whatever it is."""
        await self._done.wait()

    @property
    def is_torn(self) -> bool:
        """It was cut off before its end: what came of it is unknown."""
        return self._scope.cancelled_caught

    def cut_off(self) -> None:
        """Cancel the work itself."""
        self._scope.cancel()


class Ends(Protocol):
    """Work of any outcome."""

    def cut_off(self) -> None:
        """Cancel it."""


class Tasks:
    """All work of one `connect`."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._under_way: set[Ends] = set()
        self._idle = anyio.Event()

    def begin(self, do: Callable[[], Awaitable[T]]) -> Work[T]:
        """Begin at once, and return."""
        work = Work(do)
        self._under_way.add(work)
        self._group.start_soon(self._carry_out, work)
        return work

    async def complete(self, do: Callable[[], Awaitable[T]]) -> T:
        """Carry it out to its end, though the caller is cancelled meanwhile."""
        work = self.begin(do)
        with anyio.CancelScope(shield=True):
            await work.ended()
        return work.outcome()

    async def settle(self) -> None:
        """Wait for what is under way, for a bounded time; then cut it off."""
        with anyio.move_on_after(LAST_SECONDS, shield=True):
            while self._under_way:
                self._idle = anyio.Event()
                await self._idle.wait()
        for work in tuple(self._under_way):
            work.cut_off()

    async def _carry_out(self, work: Work[T]) -> None:
        try:
            await work.run()
        finally:
            self._under_way.discard(work)
            self._idle.set()


@asynccontextmanager
async def open_tasks() -> AsyncIterator[Tasks]:
    """For the time of a block. What escapes from the block comes out bare, in no group."""
    escaped: BaseException | None = None
    async with anyio.create_task_group() as group:
        tasks = Tasks(group)
        try:
            yield tasks
        except BaseException as error:  # noqa: BLE001 - raised again below, outside of the group
            escaped = error
        await tasks.settle()
        group.cancel_scope.shield = True  # only to wait for the last of it to end
    if escaped is not None:
        raise escaped
