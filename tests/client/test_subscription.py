"""Subscriptions outlive the connection and the daemon, and hand nothing out twice."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import aura_actors
from aura_actors.client import Frames, absence
from aura_actors.errors import InvalidValue
from tests.client.conftest import Daemon, until

Run = Callable[..., Any]


def test_frames_come_in_order_and_none_twice_over_a_lost_connection(run: Run, url: str) -> None:
    async def program() -> None:
        seen: list[int] = []
        async with aura_actors.connect(url) as aura, aura.subscribe("system") as frames:
            with anyio.fail_after(20):
                async for frame in frames:
                    seen.append(frame.seq)
                    if len(seen) in (1, 3):
                        assert frames._socket is not None
                        await frames._socket.aclose()
                    if len(seen) == 4:
                        break
        assert seen == sorted(set(seen))

    run(program)


class Stuck:
    """A connection on which nothing can be sent."""

    def __init__(self) -> None:
        self.is_open = True

    async def send(self, *_: str) -> None:
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.is_open = False


def test_who_is_cancelled_before_it_subscribed_subscribes_the_next_time(run: Run) -> None:
    """A connection that was kept without a subscription would be listened to for ever."""
    made: list[Stuck] = []

    async def connect() -> Any:
        made.append(Stuck())
        return made[-1]

    async def program() -> None:
        frames = Frames(connect, ("system",), None, set())
        for _ in range(2):
            with anyio.move_on_after(0.01):
                await anext(frames)
        assert [each.is_open for each in made] == [False, False]

    run(program)


def test_a_subscription_that_is_closed_is_forgotten(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.subscribe("system") as frames:
                await anext(frames)
            assert aura._frames == set()

    run(program)


def test_a_subscription_goes_on_with_the_next_daemon(run: Run, open_daemon: Callable[..., Daemon]) -> None:
    daemon = open_daemon()

    async def program() -> None:
        epochs: list[str] = []
        async with aura_actors.connect(daemon.url) as aura:
            with anyio.fail_after(30):
                async for frame in aura.subscribe("system", "admission", interval="1s"):
                    if frame.epoch not in epochs:
                        epochs.append(frame.epoch)
                        if len(epochs) == 2:
                            break
                        await anyio.to_thread.run_sync(daemon.kill)
                        await anyio.to_thread.run_sync(daemon.start)

    run(program)


def test_a_subscription_says_why_there_is_no_connection(
    open_daemon: Callable[..., Daemon], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = open_daemon()
    monkeypatch.setattr(absence, "SAY_AFTER_SECONDS", 0.05)

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, anyio.create_task_group() as group:
            frames = aura.subscribe("system")
            assert frames.trouble is None
            await anext(frames)
            assert frames.trouble is None
            await anyio.to_thread.run_sync(daemon.kill)
            group.start_soon(anext, frames)

            async def troubled() -> bool:
                return "no daemon answers" in (frames.trouble or "")

            async def told() -> bool:
                return bool(caplog.records)

            await until(troubled)
            await until(told)
            await anyio.to_thread.run_sync(daemon.start)

            async def at_ease() -> bool:
                return frames.trouble is None

            await until(at_ease)
            (said,) = caplog.records
            assert "asking again" in said.getMessage()

    anyio.run(program, backend="trio")


def test_an_iteration_ends_when_its_subscription_is_closed(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, anyio.create_task_group() as group:
            frames = aura.subscribe("alerts")

            async def read() -> None:
                async for _ in frames:
                    pass

            group.start_soon(read)
            await anyio.sleep(0.3)
            with anyio.fail_after(5):
                await frames.aclose()

    run(program)


def test_a_topic_that_is_none_is_named(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            with pytest.raises(InvalidValue, match="weather"):
                await anext(aura.subscribe("weather"))  # type: ignore[arg-type]

    run(program)
