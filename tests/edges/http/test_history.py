"""`GET /api/metrics/history`: what was published before, whole or from where a client left off."""

from pathlib import Path

import httpx2
import pytest
import trio

from tests.edges.http.test_http import served


async def history(client: httpx2.AsyncClient, **query: str | int) -> list[dict[str, object]]:
    answer = await client.get("/api/metrics/history", params=query)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, object]] = answer.json()["entries"]
    return entries


async def test_the_history_is_every_publication_once_in_order_and_as_it_was(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, house):
        body = (await client.get("/api/metrics/system")).json()
        await house.runtime.parts.topics["system"].wait_newer(5)
        answer = (await client.get("/api/metrics/history")).json()
        assert (answer["topic"], answer["epoch"]) == ("system", body["epoch"])
        numbers = [entry["seq"] for entry in answer["entries"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 5
        assert body in [entry["data"] for entry in answer["entries"]]
        assert all(entry["seq"] == entry["data"]["seq"] for entry in answer["entries"])


async def test_a_client_asks_for_what_it_has_not_seen(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, house):
        await house.runtime.parts.topics["system"].wait_newer(4)
        whole = await history(client)
        assert [e["seq"] for e in await history(client, since=2)][:2] == [3, 4]
        third = str(whole[2]["ts"])
        assert next(e["seq"] for e in await history(client, since=third)) == 3
        newest = await history(client, limit=2)
        assert len(newest) == 2
        assert int(str(newest[-1]["seq"])) >= int(str(whole[-1]["seq"]))
        assert [e["seq"] for e in await history(client, since=1_000_000)] == []
        assert (await history(client, topic="utilization"))[0]["seq"] == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("topic=actors", "?topic"),
        ("since=yesterday", "?since"),
        ("since=2026-01-31T12:00:00", "?since"),
        ("since=-1", "?since"),
        ("limit=0", "?limit"),
        ("limit=x", "?limit"),
    ],
)
async def test_a_wrong_query_is_named(tmp_path: Path, query: str, pointer: str) -> None:
    async with served(tmp_path) as (client, _):
        with trio.fail_after(10):
            answer = await client.get(f"/api/metrics/history?{query}")
    assert answer.status_code == 422
    assert answer.json()["pointer"] == pointer
