"""Admission over HTTP against a whole runtime: queue, tickets, batch, slots, draining, processes that end."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from aura_actors.config.sections import Admission
from aura_actors.testing import ServedRuntime, open_test_runtime
from tests.plain import async_client

GIB = 2**30
JOBS = "/api/admission/jobs"


@asynccontextmanager
async def served(folder: Path, **admission: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, ServedRuntime]]:
    rules = Admission(
        cpu_threshold_percent=100, memory_threshold_percent=100, reserved_for_ui=0, job_slots=1000,
        memory_limit=2 * GIB, **admission,
    )  # fmt: skip
    async with (
        open_test_runtime(folder / "data", admission=rules) as house,
        async_client(house.http, timeout=30) as client,
    ):
        yield client, house


async def take(client: httpx2.AsyncClient, job: str, memory: int = 2 * GIB, **more: Any) -> httpx2.Response:
    return await client.post(JOBS, json={"jobId": job, "memoryBytes": memory, **more})


def mine(answer: httpx2.Response) -> dict[str, str]:
    return {"Aura-Lease": answer.json()["leaseId"]}


async def until(condition: Callable[[], Any]) -> None:
    with trio.fail_after(10):
        while not await condition():  # noqa: ASYNC110 - the other side of a socket
            await trio.sleep(0.01)


async def test_a_waiter_is_granted_what_is_given_back(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _), trio.open_nursery() as nursery:
        holder = await take(client, "holder")
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await take(client, "waiter", waitSeconds=60))

        async def queued() -> bool:
            return bool((await client.get(JOBS)).json()["queue"])

        nursery.start_soon(wait)
        await until(queued)
        (place,) = (await client.get(JOBS)).json()["queue"]
        assert (place["jobId"], place["position"], place["attended"]) == ("waiter", 1, True)
        assert place["reasons"][0]["dimension"] == "memory_limit"
        assert (await client.get(f"{JOBS}/waiter")).json()["position"] == 1
        assert (await client.delete(f"{JOBS}/holder", headers=mine(holder))).status_code == 204
        with trio.fail_after(10):
            while not answers:  # noqa: ASYNC110 - the other side of a socket
                await trio.sleep(0.01)
        assert answers[0].status_code == 201
        assert (await client.delete(f"{JOBS}/waiter", headers=mine(answers[0]))).status_code == 204
        assert (await client.get(JOBS)).json() == {"active": [], "queue": []}


async def test_a_ticket_keeps_its_place_and_posting_again_waits_on(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        holder = await take(client, "holder")
        first = await take(client, "waiter", waitSeconds=0.05)
        assert (first.status_code, first.json()["position"]) == (202, 1)
        assert int(first.headers["retry-after"]) >= 1
        again = await take(client, "waiter", waitSeconds=0.05)
        assert (again.status_code, again.json()["position"]) == (202, 1)
        assert len((await client.get(JOBS)).json()["queue"]) == 1
        await client.delete(f"{JOBS}/holder", headers=mine(holder))
        assert (await take(client, "waiter", waitSeconds=5)).status_code == 201


async def test_a_place_is_given_up_with_its_ticket_and_with_no_other(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        await take(client, "holder")
        ticket = (await take(client, "waiter", waitSeconds=0.05)).json()["ticket"]
        wrong = await client.delete(f"{JOBS}/waiter", headers={"Aura-Ticket": "x"})
        right = await client.delete(f"{JOBS}/waiter", headers={"Aura-Ticket": ticket})
        again = await client.delete(f"{JOBS}/waiter", headers={"Aura-Ticket": ticket})
        assert (wrong.status_code, right.status_code, again.status_code) == (403, 204, 410)
        assert (await client.get(JOBS)).json()["queue"] == []


async def test_a_client_that_goes_away_leaves_the_queue(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, house):
        await take(client, "holder")
        body = b'{"jobId": "waiter", "memoryBytes": 1, "waitSeconds": 3600}'
        stream = await trio.open_tcp_stream("127.0.0.1", int(house.http.rpartition(":")[2]))
        await stream.send_all(
            b"POST /api/admission/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

        async def queued() -> bool:
            return bool((await client.get(JOBS)).json()["queue"])

        async def left() -> bool:
            return not await queued()

        await until(queued)
        await stream.aclose()
        await until(left)


async def test_draining_refuses_new_jobs_and_sends_waiters_away(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _), trio.open_nursery() as nursery:
        holder = await take(client, "holder")
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await take(client, "waiter", waitSeconds=60))

        async def queued() -> bool:
            return bool((await client.get(JOBS)).json()["queue"])

        nursery.start_soon(wait)
        await until(queued)
        assert (await client.post("/api/admission/drain", json={"on": True})).json() == {"on": True}
        with trio.fail_after(10):
            while not answers:  # noqa: ASYNC110 - the other side of a socket
                await trio.sleep(0.01)
        refused = await take(client, "other", 1)
        for answer in (answers[0], refused):
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/draining")
        renewed = await client.post(f"{JOBS}/holder/renew", headers=mine(holder))
        assert renewed.status_code == 200
        await client.post("/api/admission/drain", json={"on": False})
        await client.delete(f"{JOBS}/holder", headers=mine(holder))
        assert (await take(client, "other", 1)).status_code == 201


async def test_a_revoked_job_is_told_when_it_renews(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        holder = await take(client, "holder")
        assert (await client.post(f"{JOBS}/holder/revoke")).status_code == 204
        assert (await client.post(f"{JOBS}/holder/revoke")).status_code == 410
        assert (await client.post(f"{JOBS}/holder/renew", headers=mine(holder))).status_code == 410


async def test_a_lease_shrinks_at_once_and_grows_only_where_there_is_room(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        holder = await take(client, "holder")
        assert (await take(client, "b", GIB)).status_code == 429
        renew = f"{JOBS}/holder/renew"
        smaller = await client.post(renew, json={"memoryBytes": GIB}, headers=mine(holder))
        assert (smaller.status_code, smaller.json()["memoryBytes"]) == (200, GIB)
        assert (await take(client, "b", GIB)).status_code == 201
        larger = await client.post(renew, json={"memoryBytes": 2 * GIB}, headers=mine(holder))
        assert (larger.status_code, larger.json()["reasons"][0]["dimension"]) == (429, "memory_limit")
        never = await client.post(renew, json={"memoryBytes": 3 * GIB}, headers=mine(holder))
        assert (never.status_code, never.json()["type"]) == (422, "/problems/never-fits")
        assert (await client.get(f"{JOBS}/holder")).json()["memoryBytes"] == GIB


async def test_a_batch_is_carried_out_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        lease = (await take(client, "a")).json()["leaseId"]
        operations = [
            {"op": "preflight", "jobId": "b", "memoryBytes": GIB},
            {"op": "acquire", "jobId": "b", "memoryBytes": GIB},
            {"op": "release", "jobId": "a", "leaseId": "wrong"},
            {"op": "release", "jobId": "a", "leaseId": lease},
            {"op": "acquire", "jobId": "b", "memoryBytes": GIB},
            {"op": "acquire", "jobId": "b", "memoryBytes": GIB},
            {"op": "renew", "jobId": "a", "leaseId": lease},
            {"op": "acquire", "jobId": "c", "memoryBytes": 3 * GIB},
        ]
        answer = await client.post("/api/admission/batch", json={"operations": operations})
        results = answer.json()["results"]
        assert [each["status"] for each in results] == [200, 429, 403, 204, 201, 200, 410, 422]
        assert results[0]["preflight"]["decision"] == "wait"
        assert [job["jobId"] for job in (await client.get(JOBS)).json()["active"]] == ["b"]


async def test_a_lease_ends_with_its_process(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        child = subprocess.Popen(["/bin/sleep", "60"])  # noqa: ASYNC220 - it is killed at once
        try:
            answer = await take(client, "child", pid=child.pid)
            assert answer.status_code == 201
            assert (await client.get(f"{JOBS}/child")).json()["pid"] == child.pid
        finally:
            child.kill()
            child.wait()

        async def ended() -> bool:
            return (await client.get(f"{JOBS}/child")).status_code == 404

        await until(ended)


async def test_a_process_of_our_own_is_measured(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        assert (await take(client, "me", pid=os.getpid())).status_code == 201

        async def measured() -> bool:
            job = (await client.get(f"{JOBS}/me")).json()
            return bool(job["attribution"] == "tree" and job["measuredBytes"] > 1_000_000)

        await until(measured)


async def test_slots_are_waited_for_and_no_place_is_kept(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        path = "/api/providers/OpenAI/slots"
        held = [await client.post(path, json={"tokens": 5}) for _ in range(5)]
        assert {answer.status_code for answer in held} == {201}
        late = await client.post(path, json={"waitSeconds": 0.05})
        assert (late.status_code, late.json()["reasons"][0]["dimension"]) == (429, "provider:OpenAI")
        (provider,) = (await client.get("/api/providers")).json()["providers"]
        assert (provider["active"], provider["queued"]) == (5, 0)
        first = held[0].json()
        released = await client.request(
            "DELETE",
            f"{path}/{first['slotId']}",
            json={"outcome": "ok", "tokens": 3},
            headers={"Aura-Lease": first["leaseId"]},
        )
        assert released.status_code == 204
        assert (await client.post(path.replace("OpenAI", "openai"), json={})).status_code == 201
        assert (await client.get(JOBS)).json() == {"active": [], "queue": []}


async def test_preflight_says_the_place_that_an_acquire_would_get(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        await take(client, "holder")
        await take(client, "first", waitSeconds=0.05)
        answer = (await client.post("/api/admission/preflight", json={"jobId": "next", "memoryBytes": GIB})).json()
        assert (answer["decision"], answer["position"]) == ("wait", 2)
        assert answer["reasons"]


async def test_a_full_queue_is_429(tmp_path: Path) -> None:
    async with served(tmp_path, queue_limit=1) as (client, _):
        await take(client, "holder")
        assert (await take(client, "a", waitSeconds=0.05)).status_code == 202
        full = await take(client, "b", waitSeconds=0.05)
        assert (full.status_code, full.headers["retry-after"].isdigit()) == (429, True)


@pytest.mark.parametrize("waiting", [1, 30])
async def test_the_end_of_the_runtime_answers_whoever_waits(tmp_path: Path, waiting: int) -> None:
    answers: list[httpx2.Response] = []
    async with trio.open_nursery() as nursery:
        async with served(tmp_path) as (client, house):
            await take(client, "holder")
            patient = async_client(house.http, timeout=30)

            async def wait(number: int) -> None:
                answers.append(await take(patient, f"waiter-{number}", waitSeconds=3600))

            async def queued() -> bool:
                return len((await client.get(JOBS)).json()["queue"]) == waiting

            for number in range(waiting):
                nursery.start_soon(wait, number)
            await until(queued)
            started = trio.current_time()
        assert trio.current_time() - started < 3
    await patient.aclose()
    assert [answer.status_code for answer in answers] == [503] * waiting
