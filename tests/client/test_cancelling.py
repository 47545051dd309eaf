"""Whoever is cancelled leaves nothing behind, at whatever point it happens."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import aura_actors
from aura_actors.client import Aura
from tests.client.conftest import Daemon, idle, queued, slots_free, until

MIB = 2**20
GIB = 2**30
Run = Callable[..., Any]

DELAYS = [0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.013, 0.02, 0.05]


async def nothing_is_left(aura: Aura) -> None:
    """At once: whoever is cancelled comes out when it is cleaned up. A slot that waited may take a moment."""
    jobs = await aura.jobs()
    assert (jobs.active, jobs.queue) == ([], [])
    await until(lambda: slots_free(aura))


@pytest.mark.parametrize("wait", [None, "1m"], ids=["at-once", "waiting"])
def test_a_reservation_that_is_cancelled_holds_nothing(run: Run, url: str, wait: str | None) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            for delay in DELAYS:
                for holder in (aura.reserve("a", memory=MIB, wait=wait), aura.provider("OpenAI", wait=wait)):
                    with anyio.move_on_after(delay):
                        async with holder:
                            await anyio.sleep_forever()
                    await nothing_is_left(aura)

    run(program)


def test_a_reservation_that_is_cancelled_in_the_queue_leaves_it(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.reserve("first", memory=GIB):
                for delay in (*DELAYS, 0.2):
                    with anyio.move_on_after(delay):
                        async with aura.reserve("a", memory=MIB, wait="1m"):
                            pytest.fail("it was granted")
                    assert (await aura.jobs()).queue == []
            await nothing_is_left(aura)

    run(program)


def test_a_session_that_stops_waiting_leaves_the_queue(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session:
            async with aura.reserve("first", memory=GIB):
                for delay in (*DELAYS, 0.2):
                    with anyio.move_on_after(delay):
                        async with session.reserve("a", memory=MIB, wait="1m"):
                            pytest.fail("it was granted")
                    assert (await aura.jobs()).queue == []

    run(program)


def test_a_reservation_that_is_cancelled_as_it_is_granted_holds_nothing(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            for delay in DELAYS:
                async with anyio.create_task_group() as group:

                    async def wait(scope: anyio.CancelScope) -> None:
                        with scope:
                            async with aura.reserve("a", memory=MIB, wait="1m"):
                                await anyio.sleep_forever()

                    scope = anyio.CancelScope()
                    async with aura.reserve("first", memory=GIB):
                        group.start_soon(wait, scope)
                        await until(lambda: queued(aura))
                    await anyio.sleep(delay)
                    scope.cancel()
                await nothing_is_left(aura)

    run(program)


def test_a_session_that_is_cancelled_holds_nothing(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session:
            for delay in DELAYS:
                for wait in (None, "1m"):
                    for holder in (
                        session.reserve("a", memory=MIB, wait=wait),
                        session.provider("OpenAI", wait=wait),
                    ):
                        with anyio.move_on_after(delay):
                            async with holder:
                                await anyio.sleep_forever()
                        await nothing_is_left(aura)

    run(program)


def test_an_asyncio_task_that_is_cancelled_twice_holds_nothing(daemon: Daemon) -> None:
    """Native cancellation hits clean-up as well: the second one ends the waiting for it, and not the clean-up."""

    async def hold(aura: Aura) -> None:
        async with aura.reserve("a", memory=MIB, wait="1m"):
            await asyncio.sleep(60)

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura:
            for delay in DELAYS:
                task = asyncio.create_task(hold(aura))
                await asyncio.sleep(delay)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await until(lambda: idle(aura))

    asyncio.run(program())


def test_asyncios_own_timeouts_work(daemon: Daemon) -> None:
    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, aura.reserve("first", memory=GIB):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), aura.reserve("a", memory=MIB, wait="1m"):
                    pytest.fail("it was granted")
            assert (await aura.jobs()).queue == []

    asyncio.run(program())


def test_cancelling_the_whole_connection_leaves_no_lease_and_no_thread(run: Run, url: str) -> None:
    async def program() -> None:
        with anyio.move_on_after(0.3):
            async with aura_actors.connect(url) as aura, aura.reserve("a", memory=MIB), aura.session() as session:
                async with session.reserve("b", memory=MIB):
                    await anyio.sleep_forever()
        async with aura_actors.connect(url) as aura:
            await until(lambda: idle(aura))

    run(program)
    assert [each.name for each in threading.enumerate() if each.name == "aura-renewal"] == []
