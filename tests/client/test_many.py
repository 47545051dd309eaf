"""A thousand reservations at once, over HTTP and in a session."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

import aura_actors
from aura_actors.client import Aura, Session
from tests.client.conftest import Daemon, idle, until

JOBS = int(os.environ.get("AURA_RESERVATIONS", "300"))
"""At once; AURA_RESERVATIONS=1000 for the whole of it."""
Run = Callable[..., Any]


async def hold(
    holder: Aura | Session, number: int, wait: str | None, held: list[int], all_held: anyio.Event, go: anyio.Event
) -> None:
    async with holder.reserve(f"job-{number}", memory=1024, wait=wait) as lease:
        held.append(lease.fence)
        if len(held) == JOBS:
            all_held.set()
        await go.wait()
        assert lease.lost is None


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["http", "waiting", "session"])
def test_hundreds_of_reservations_are_held_at_once(run: Run, daemon: Daemon, how: str) -> None:
    async def program() -> None:
        held: list[int] = []
        all_held, go = anyio.Event(), anyio.Event()
        async with aura_actors.connect(daemon.unix) as aura, AsyncExitStack() as stack:
            holder = await stack.enter_async_context(aura.session()) if how == "session" else aura
            async with anyio.create_task_group() as group:
                for number in range(JOBS):
                    group.start_soon(hold, holder, number, "2m" if how == "waiting" else None, held, all_held, go)
                await all_held.wait()
                assert len((await aura.jobs()).active) == JOBS == len(set(held))
                go.set()
            await until(lambda: idle(aura))

    run(program)
