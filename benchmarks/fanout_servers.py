"""Those who send one frame to everybody: `python -m benchmarks.fanout_servers ours|websockets [SEND_BUFFER_BYTES]`.

Ours is the feed itself behind the listener of the daemon: the send path of every page. Prints its port; then, for
each line on standard input, answers with one: `wait N` when N clients are there, `cost ROUNDS PAUSE_MS` with the
microseconds of processor time for each message, `publish ROUNDS PAUSE_MS` with the microseconds from a
publication until all clients have been served, `fill ROUNDS` after large publications, `state` with counters.
"""

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import psutil
import trio
import trio.testing
from websockets.asyncio.server import ServerConnection, broadcast, serve

from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Desk, Feed, Limits
from aura_actors.edges.listener import Listener
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.topics import Publication
from aura_actors.testing import Probe
from benchmarks.fanout_limits import most_clients, raise_descriptor_limit

PAYLOAD_BYTES = 560
FILL_BYTES = 30_000
"""More than the sockets of a stalled client hold."""


def text(seq: int, size: int = PAYLOAD_BYTES) -> bytes:
    """A snapshot of the size that the design measured with, stamped."""
    head = f'{{"type":"snapshot","topic":"system","seq":{seq},"data":{{"sent":{time.monotonic_ns():019},"pad":"'
    return (head + "x" * (size - len(head) - 3) + '"}}').encode()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Nobody asks it anything."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


class Ours:
    """The feed, with a backlog to publish into."""

    def __init__(self, port_of: Callable[[int], None], send_buffer_bytes: int) -> None:
        self._port_of = port_of
        self._backlog = Backlog(["system"])
        self._seq = 0
        limits = Limits(max_clients=10**6, max_clients_per_address=10**6, send_buffer_bytes=send_buffer_bytes)
        self._feed = Feed(
            epoch="benchmark",
            backlog=self._backlog,
            access=Access(),
            desk=Desk(admission=Probe[AdmissionMessage]().ref, bytes_per_job=1),
            sampler_interval_seconds=1.0,
            limits=limits,
        )

    async def run(self) -> None:
        sockets = bind("127.0.0.1", 0)
        self._port_of(sockets[0].getsockname()[1])
        listener = Listener(sockets, application, self._feed)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(listener.run, stopping=trio.Event()))
            while line := await trio.to_thread.run_sync(sys.stdin.readline):
                print(await self._answer(*line.split()), flush=True)
            nursery.cancel_scope.cancel()
        release(sockets)

    async def _answer(self, verb: str, first: str = "0", pause_ms: str = "0") -> object:
        match verb:
            case "wait":
                while self._feed.statistics().frames_sent_total < 2 * int(first):  # noqa: ASYNC110 - hello, subscribed
                    await trio.sleep(0.01)
                return first
            case "cost":
                return await self._cost(int(first), int(pause_ms) / 1000)
            case "fill":
                for _ in range(int(first)):
                    await self._publish(FILL_BYTES)
                return first
            case "publish":
                return await self._publish_seconds(int(first), int(pause_ms) / 1000) * 1e6
            case _:
                counted = msgspec.structs.asdict(self._feed.statistics())
                return json.dumps(
                    {**counted, "rss": psutil.Process().memory_info().rss, "spent": time.process_time()}
                )

    async def _cost(self, rounds: int, pause_seconds: float) -> float:
        """Of publishing alone; what pings cost between is in `spent`."""
        before, spent = self._feed.statistics().frames_sent_total, 0.0
        for _ in range(rounds):
            began = time.process_time()
            await self._publish()
            spent += time.process_time() - began
            await trio.sleep(pause_seconds)
        return spent * 1e6 / (self._feed.statistics().frames_sent_total - before)

    async def _publish_seconds(self, rounds: int, pause_seconds: float) -> float:
        taken = []
        for _ in range(rounds):
            taken.append(await self._publish())
            await trio.sleep(pause_seconds)
        return statistics.median(taken)

    async def _publish(self, size: int = PAYLOAD_BYTES) -> float:
        """Publish, and wait until the feed has been through all clients; the seconds of that."""
        self._seq += 1
        began = trio.current_time()
        self._backlog.add(Publication(topic="system", seq=self._seq, data=b"", payload=text(self._seq, size)))
        await trio.testing.wait_all_tasks_blocked()
        return trio.current_time() - began


class Theirs:
    """`websockets.broadcast`."""

    def __init__(self, port_of: Callable[[int], None]) -> None:
        self._port_of = port_of
        self._seq = 0

    async def run(self) -> None:
        async with serve(self._idle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            self._server = server
            self._port_of(next(iter(server.sockets)).getsockname()[1])
            while line := await asyncio.to_thread(sys.stdin.readline):
                print(await self._answer(*line.split()), flush=True)

    async def _idle(self, connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def _answer(self, verb: str, first: str, pause_ms: str = "0") -> object:
        if verb == "wait":
            while len(self._server.connections) < int(first):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            return first
        spent = 0.0
        for _ in range(int(first)):
            self._seq += 1
            began = time.process_time()
            broadcast(self._server.connections, text(self._seq).decode())
            spent += time.process_time() - began
            await asyncio.sleep(int(pause_ms) / 1000)
        return spent * 1e6 / int(first) / len(self._server.connections)


def main() -> None:
    """Serve until the standard input ends."""
    raise_descriptor_limit(min(10_000, most_clients()))

    def port_of(port: int) -> None:
        gc.freeze()
        print(port, flush=True)

    if sys.argv[1] == "ours":
        trio.run(Ours(port_of, int(sys.argv[2])).run)
    else:
        asyncio.run(Theirs(port_of).run())


if __name__ == "__main__":
    main()
