"""The listener starts, stops and is run again over the same sockets."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypercorn.utils import LifespanFailureError
from quart_trio import QuartTrio

from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Desk, Feed
from aura_actors.edges.listener import Listener, Timing
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.backlog import Backlog
from aura_actors.testing import Probe

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET_ONCE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def desk() -> Desk:
    """Nobody asks it."""
    return Desk(admission=Probe[AdmissionMessage]().ref, bytes_per_job=1)


async def test_the_application_is_started_and_ended_once_per_run(open_listener: Any, tmp_path: Path) -> None:
    """And the sockets outlive the run: who connects between two runs is answered by the second."""
    sockets = bind("127.0.0.1", 0, tmp_path / "s")
    for index in (0, 1):
        async with open_listener(sockets) as served:
            await served.check_alive()
        assert served.log == ["startup", "shutdown"]
        waiting = await served.connect(index)
        await waiting.send_all(GET_ONCE)
        async with open_listener(sockets):
            with trio.fail_after(10):
                assert b"".join([piece async for piece in waiting]).endswith(b"ok")
        await waiting.aclose()
    release(sockets)


async def test_an_application_that_cannot_start_fails_the_start() -> None:
    """The supervisor must know."""
    app = QuartTrio("broken")

    @app.before_serving
    async def startup() -> None:
        raise RuntimeError("no")

    sockets = bind("127.0.0.1", 0)
    feed = Feed(epoch="e", backlog=Backlog(()), access=Access(), desk=desk(), sampler_interval_seconds=1)
    with pytest.RaisesGroup(LifespanFailureError, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(Listener(sockets, app, feed).run, stopping=trio.Event()))
    release(sockets)


async def test_the_stop_lets_a_request_finish(open_listener: Any) -> None:
    """New ones are not taken; idle connections and silent ones are closed at once."""
    async with open_listener() as served:
        idle, silent, half, busy = [await served.connect() for _ in range(4)]
        await idle.send_all(GET)
        received = b""
        while not received.endswith(b"ok"):
            received += await idle.receive_some()
        await half.send_all(UPGRADE[:40])
        await busy.send_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: "slow begins" in served.log)
        served.stopping.set()
        with trio.fail_after(2):
            for quiet in (idle, silent, half):
                assert await quiet.receive_some() == b""
            assert b"".join([piece async for piece in busy]).endswith(b"slow done")
        for stream in (idle, silent, half, busy):
            await stream.aclose()
    assert served.log[-1] == "shutdown"


async def test_the_stop_does_not_wait_for_the_stuck(open_listener: Any) -> None:
    """A handler that never ends and a client that reads nothing: all is over in two seconds."""
    async with open_listener(timing=Timing(graceful=0.2)) as served:
        handler, reader = await served.connect(), await served.connect()
        await handler.send_all(b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: {"stuck begins", "big begins"} <= set(served.log))
        await trio.sleep(0.05)
        began = trio.current_time()
        served.stopping.set()
        await served.until(lambda: "shutdown" in served.log)
        assert trio.current_time() - began < 2
        await handler.aclose()
        await reader.aclose()


async def test_a_cancelled_listener_ends_in_spite_of_stalled_clients(open_listener: Any) -> None:
    """A supervisor that gives up on it must not wait for a peer."""
    with trio.fail_after(5), trio.CancelScope() as scope:
        async with open_listener() as served:
            reader = await served.connect()
            await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
            await served.until(lambda: "big begins" in served.log)
            await trio.sleep(0.05)
            scope.cancel()
            await trio.sleep_forever()
    await reader.aclose()
    assert served.listener.statistics().connections == 0


async def test_a_client_that_does_not_take_its_answer_is_cut_off(open_listener: Any) -> None:
    """Its request must not hold memory for ever."""
    async with open_listener(timing=Timing(send=0.1)) as served:
        reader = await served.connect()
        await reader.send_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        await served.until(lambda: served.log[-1] == "big begins")
        await served.until(lambda: served.listener.statistics().connections == 0)
        await reader.aclose()


def test_an_unknown_hypercorn_option_is_a_mistake() -> None:
    """It would be ignored silently."""
    with pytest.raises(TypeError, match="keep_alive"):
        Listener(
            [],
            QuartTrio("test"),
            Feed(epoch="e", backlog=Backlog(()), access=Access(), desk=desk(), sampler_interval_seconds=1),
            keep_alive=1,
        )
