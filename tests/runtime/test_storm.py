"""Hundreds of clients (a thousand in CI) at once over real HTTP: afterwards the books balance to the byte."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import trio

from tests.effort import effort
from tests.plain import async_client
from tests.runtime.test_serve import daemon

MIB = 2**20
CLIENTS = effort("AURA_STORM_CLIENTS", desk=300, ci=1_000)
ENDED = {403, 410}
"""It ended meanwhile, and somebody else may have the id."""


class Storm:
    """What was answered, and what is still held by whom."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.statuses: dict[int, int] = {}
        self.fences: dict[int, str] = {}

    async def say(self, method: str, path: str, **options: Any) -> httpx2.Response:
        answer = await self.client.request(method, path, **options)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        return answer

    async def one(self, number: int) -> None:
        chance = random.Random(number)
        job = f"j{number % 700}"  # three in ten share an id
        body: dict[str, Any] = {
            "jobId": job,
            "memoryBytes": chance.randrange(1, 64) * MIB,
            "cpuCores": chance.choice([0, 0.25]),
            "units": {"licence": chance.randrange(3)},
            "providers": [{"name": "x", "tokens": 10}] if chance.random() < 0.2 else [],
            "priority": chance.choice(["low", "normal", "high"]),
            "waitSeconds": chance.choice([0, 0.2, 2]),
            "ttlSeconds": chance.choice([0.3, 30]),
        }
        try:
            with trio.move_on_after(chance.choice([0.05, 0.5, 30])):
                answer = await self.say("POST", "/api/admission/jobs", json=body)
                if answer.status_code in (200, 201):
                    await self.hold(chance, answer.json())
                elif answer.status_code == 202 and chance.random() < 0.5:
                    ticket = {"Aura-Ticket": answer.json()["ticket"]}
                    await self.say("DELETE", f"/api/admission/jobs/{job}", headers=ticket)
        except httpx2.TransportError:
            pass  # cut off, as a client that went away is

    async def hold(self, chance: random.Random, lease: dict[str, Any]) -> None:
        job, mine = lease["jobId"], {"Aura-Lease": lease["leaseId"]}
        assert self.fences.setdefault(lease["fence"], job) == job, "a fence belongs to one job"
        path = f"/api/admission/jobs/{job}"
        foreign = await self.say("DELETE", path, headers={"Aura-Lease": "not mine"})
        assert foreign.status_code in ENDED
        if chance.random() < 0.5:
            more = {"memoryBytes": chance.randrange(1, 128) * MIB, "units": {}}
            assert (await self.say("POST", f"{path}/renew", headers=mine, json=more)).status_code in ENDED | {
                200,
                429,
            }
        if chance.random() < 0.3:
            assert (await self.say("POST", f"{path}/ready", headers=mine)).status_code in ENDED | {200}
        if chance.random() < 0.8:
            assert (await self.say("DELETE", path, headers=mine)).status_code in ENDED | {204}


async def test_after_a_storm_of_clients_the_books_balance_to_the_byte(tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text(
        "[admission]\nlease_ttl = '1s'\nmax_lease_ttl = '3s'\n[admission.units.licence]\ncount = 40\n"
    )
    with daemon(tmp_path, "--config", str(config), AURA_ADMISSION__JOB_SLOTS="60") as served:
        limits = httpx2.Limits(max_connections=CLIENTS)
        async with async_client(served.http, limits=limits, timeout=30) as client:
            storm = Storm(client)
            async with trio.open_nursery() as nursery:
                for number in range(CLIENTS):
                    nursery.start_soon(partial(storm.one, number))
            assert not [status for status in storm.statuses if status >= 500], storm.statuses
            assert storm.statuses[201] > 50
            for place in (await client.get("/api/admission/jobs")).json()["queue"]:  # kept for their tickets
                await client.post(f"/api/admission/jobs/{place['jobId']}/revoke")
            for _ in range(200):  # the leases of those who went away end by their time to live
                books = (await client.get("/api/admission/jobs")).json()
                if not any(books.values()):
                    break
                await trio.sleep(0.1)
            assert books == {"active": [], "queue": []}
            families = (await client.get("/metrics")).text
            providers = (await client.get("/api/providers")).json()["providers"]
        promised = [line for line in families.splitlines() if 'account="promised"' in line]
        assert len(promised) >= 3
        assert all(line.endswith(" 0.0") for line in promised), promised
        assert all(provider["active"] == 0 for provider in providers)
