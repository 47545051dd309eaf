"""Services that write down when they come and go, and a supervisor run for the time of a block."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.supervisor import Supervisor


class Worker:
    """Runs until it is told to end; writes down when it comes and goes."""

    def __init__(
        self, name: str, log: list[str], body: Callable[[trio.Event], Awaitable[None]] | None = None
    ) -> None:
        self.name, self.log, self.body = name, log, body
        self.bad_starts = 0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        if self.bad_starts:
            self.bad_starts -= 1
            raise OSError("bad start")
        self.log.append(f"+{self.name}")
        task_status.started()
        try:
            await (stopping.wait() if self.body is None else self.body(stopping))
        finally:
            self.log.append(f"-{self.name}")


def spec(worker: Worker, restart: Restart = Restart.PERMANENT) -> ChildSpec:
    return ChildSpec(name=worker.name, service=worker, restart=restart, grace_seconds=1)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(supervisor.run, stopping=stopping))
        yield
        stopping.set()


def states(supervisor: Supervisor) -> dict[str, str]:
    return {node.name: node.state for node in supervisor.nodes()}
