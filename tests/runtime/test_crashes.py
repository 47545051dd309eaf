"""Every part of the tree is crashed on purpose while HTTP and feed clients are at work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from aura_actors.errors import Gone
from aura_actors.testing import ServedRuntime, crash, open_test_runtime
from tests.plain import async_client

PARTS = ["gpu", "sampler", "admission", "cleanup", "publisher", "tuner", "listener", "watchdog"]


class Watcher:
    """A feed client as a page is one: subscribes, remembers what it sees, reconnects."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections = 0
        self.sequences: list[tuple[str, int]] = []
        self.news = trio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._watch()
            except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError):
                pass
            await trio.sleep(0.05)

    async def _watch(self) -> None:
        # Our own stream: the library leaves its socket open when a handshake fails.
        stream = await trio.open_tcp_stream("127.0.0.1", int(self.url.split(":")[2].partition("/")[0]))
        async with stream, trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, "127.0.0.1", "/feed")
            self.connections += 1
            await socket.get_message()
            await socket.send_message('{"type":"subscribe","topics":["system"]}')
            while True:
                frame = msgspec.json.decode(await socket.get_message())
                if frame["type"] == "snapshot":
                    self.sequences.append((frame["epoch"], frame["seq"]))
                    news, self.news = self.news, trio.Event()
                    news.set()

    async def wait_past(self, seq: int) -> None:
        while not self.sequences or self.sequences[-1][1] <= seq:
            await self.news.wait()


@asynccontextmanager
async def busy_house(folder: Path) -> AsyncIterator[tuple[ServedRuntime, httpx2.AsyncClient, Watcher]]:
    async with (
        open_test_runtime(folder / "data") as house,
        async_client(house.http) as client,
        trio.open_nursery() as nursery,
    ):
        watcher = Watcher(house.feed)
        nursery.start_soon(watcher.run)
        await watcher.wait_past(0)
        yield house, client, watcher
        nursery.cancel_scope.cancel()


async def patient_get(client: httpx2.AsyncClient, path: str) -> httpx2.Response:
    """As a client does: what fails to connect or is answered 503 is tried again."""
    for _ in range(200):
        with suppress(httpx2.TransportError):
            answer = await client.get(path)
            if answer.status_code != 503:
                return answer
        await trio.sleep(0.02)
    raise TimeoutError(path)


async def restarted(client: httpx2.AsyncClient, part: str) -> dict[str, object]:
    for _ in range(200):
        tree = (await patient_get(client, "/api/actors")).json()
        (node,) = [child for child in tree["root"]["children"] if child["name"] == part]
        if node["state"] == "running" and node["restarts"] == 1:
            assert isinstance(node, dict)
            return node
        await trio.sleep(0.02)
    raise TimeoutError(part)


@pytest.mark.parametrize("part", PARTS)
async def test_a_crashed_part_comes_back_and_no_lease_is_lost(tmp_path: Path, part: str) -> None:
    async with busy_house(tmp_path) as (house, client, watcher):
        leases = {}
        for n in range(5):
            body = {"jobId": f"job-{n}", "memoryBytes": 1000}
            leases[f"job-{n}"] = (await client.post("/api/admission/jobs", json=body)).json()
        epoch, seq = watcher.sequences[-1]
        crash(house.runtime, part)
        with trio.fail_after(20):
            node = await restarted(client, part)
            await watcher.wait_past(seq + 2)
        assert node["generation"] == 2
        crashed = node["lastCrash"]
        assert isinstance(crashed, dict)
        assert crashed["error"] == "RuntimeError: crashed on purpose"
        active = (await patient_get(client, "/api/admission/jobs")).json()["active"]
        assert {job["jobId"]: job["fence"] for job in active} == {k: v["fence"] for k, v in leases.items()}
        release = await client.delete(
            "/api/admission/jobs/job-3", headers={"Aura-Lease": leases["job-3"]["leaseId"]}
        )
        assert release.status_code == 204
        assert watcher.sequences[-1][0] == epoch
        numbers = [number for _, number in watcher.sequences]
        assert numbers == sorted(numbers)
        assert watcher.connections == (2 if part == "listener" else 1)


async def test_requests_that_meet_a_restarting_actor_are_answered_and_not_failed(tmp_path: Path) -> None:
    async with busy_house(tmp_path) as (house, client, _):
        statuses: list[int] = []

        async def one(n: int) -> None:
            body = {"jobId": f"job-{n}", "memoryBytes": 1}
            statuses.append((await client.post("/api/admission/jobs", json=body)).status_code)

        crash(house.runtime, "admission")
        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(one, n)
        assert statuses == [201] * 20


async def test_a_part_that_keeps_crashing_ends_the_runtime_with_its_name(tmp_path: Path) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(Exception, match="runtime gave up on sampler"), flatten_subgroups=True
    ):
        async with open_test_runtime(tmp_path / "data") as house:
            for _ in range(1000):
                with suppress(Gone):
                    crash(house.runtime, "sampler")
                await trio.sleep(0.01)
