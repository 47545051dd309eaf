"""Sessions over the feed of a whole runtime: real admission, real journal, real sockets."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

from aura_actors.config.sections import Admission
from aura_actors.messages import admission as m
from aura_actors.messages.admission_view import AdmissionView
from aura_actors.testing import ServedRuntime, crash, open_test_runtime
from tests.edges.feed.sessions import Client

GIB = 2**30


@asynccontextmanager
async def served(folder: Path, **options: Any) -> AsyncIterator[ServedRuntime]:
    quiet = Admission(
        cpu_threshold_percent=100, memory_threshold_percent=100, reserved_for_ui=0, job_slots=10, memory_limit=GIB
    )
    async with open_test_runtime(folder, admission=quiet, **options) as runtime:
        yield runtime


@asynccontextmanager
async def client(at: ServedRuntime) -> AsyncIterator[Client]:
    async with open_websocket_url(at.feed) as websocket:
        opened = Client(websocket)
        assert (await opened.hear())["type"] == "hello"
        yield opened


async def view(at: ServedRuntime) -> AdmissionView:
    return await at.runtime.parts.admission.ref.ask(m.Describe(), within=5)


async def until_idle(at: ServedRuntime) -> None:
    with trio.fail_after(10):
        while (now := await view(at)).jobs or now.queue:  # noqa: ASYNC110 - the books tell nobody
            await trio.sleep(0.01)


async def test_a_session_takes_waits_and_gives_back(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one, client(at) as two:
        lease = await one.take("a", GIB)
        place = await two.ask("acquire", 1, jobId="b", memoryBytes=GIB, waitSeconds=60)
        assert (place["type"], place["position"]) == ("queued", 1)
        assert place["reasons"][0]["holders"] == ["a"]
        again = await one.ask("renew", 2, jobId="a", leaseId=lease["leaseId"], memoryBytes=GIB // 2)
        assert (again["type"], again["lease"]["memoryBytes"]) == ("renewed", GIB // 2)
        assert (await one.ask("release", 3, jobId="a", leaseId=lease["leaseId"]))["type"] == "released"
        granted = await two.hear()
        assert (granted["type"], granted["id"], granted["lease"]["jobId"]) == ("granted", 1, "b")


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_what_ends_with_one_session_is_granted_to_another(tmp_path: Path, way: str) -> None:
    async with served(tmp_path) as at, client(at) as two:
        async with client(at) as one:
            await one.take("a", GIB)
            await one.ask("acquireSlot", 2, provider="OpenAI")
            await two.ask("acquire", 1, jobId="b", memoryBytes=GIB, waitSeconds=60)
            if way == "reset":
                stream: Any = one.websocket._stream
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await stream.aclose()
        assert (await two.hear())["type"] == "granted"
        now = await view(at)
        assert [job.lease.key for job in now.jobs] == ["b"]
        assert now.totals.active_providers == ()
        assert now.ended["disconnected"] == 2


async def test_a_place_whose_connection_ends_is_given_up(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one:
        lease = await one.take("a", GIB)
        async with client(at) as two:
            await two.ask("acquire", 1, jobId="b", memoryBytes=GIB, waitSeconds=60)
        await one.ask("release", 2, jobId="a", leaseId=lease["leaseId"])
        await until_idle(at)


async def test_leases_and_places_of_sessions_outlive_a_crash_of_admission(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one:
        lease = await one.take("a", GIB)
        await one.ask("acquire", 2, jobId="b", memoryBytes=GIB, waitSeconds=60)
        crash(at.runtime.parts.supervisor, "admission")
        await one.say("release", 3, jobId="a", leaseId=lease["leaseId"])
        answers = [await one.hear(), await one.hear()]
        assert {(each["type"], each["id"]) for each in answers} == {("released", 3), ("granted", 2)}
        (job,) = (await view(at)).jobs
        assert job.lease.key == "b"


async def test_a_thousand_pipelined_acquires_leave_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        async with client(at) as one, trio.open_nursery() as nursery:

            async def write() -> None:
                for number in range(1000):
                    await one.say("acquire", number, jobId=f"j{number}", memoryBytes=1, waitSeconds=number % 2)

            nursery.start_soon(write)
            seen: dict[str, int] = {}
            while seen.get("granted", 0) + seen.get("refused", 0) < 700:
                answer = await one.hear()
                seen[answer["type"]] = seen.get(answer["type"], 0) + 1
            assert seen["granted"] == 10
            nursery.cancel_scope.cancel()
        await until_idle(at)


async def test_the_end_of_the_runtime_ends_what_its_sessions_hold(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one:
        await one.take("a", GIB)
    async with served(tmp_path) as at:
        assert (await view(at)).jobs == ()


async def test_a_lease_that_an_operator_revoked_is_told_of(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one:
        await one.take("a", GIB, ttlSeconds=0.6)
        await at.runtime.parts.admission.ref.ask(m.Revoke(job_id="a", by="me"), within=5)
        ended = await one.hear()
        assert (ended["type"], ended["key"]) == ("ended", "a")


async def test_a_session_lease_is_renewed_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    async with served(tmp_path) as at, client(at) as one:
        lease = await one.take("a", GIB, ttlSeconds=0.5)
        await trio.sleep(1.5)  # real time: the lease's own clock is the machine's
        (job,) = (await view(at)).jobs
        assert job.lease.fence == lease["fence"]
