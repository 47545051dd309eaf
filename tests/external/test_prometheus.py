"""A real Prometheus scrapes the daemon, in both formats, sees our numbers, and answers what the dashboard asks."""

import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from aura_actors.testing import open_test_runtime
from tests.docs.scripts import script

CONFIG = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
- job_name: openmetrics
  static_configs: [{{targets: ["{openmetrics}"]}}]
- job_name: text
  metrics_path: /api/metrics/prometheus
  static_configs: [{{targets: ["{text}"]}}]
"""


async def only_text(upstream: int, client: trio.SocketStream) -> None:
    """Ask for the text format whatever the scraper would rather have: its version here has no option for that."""
    async with client, await trio.open_tcp_stream("127.0.0.1", upstream) as server, trio.open_nursery() as nursery:

        async def forward() -> None:
            async for data in client:
                lines = data.split(b"\r\n")
                accept = b"Accept: text/plain;version=0.0.4"
                await server.send_all(
                    b"\r\n".join(accept if x.lower().startswith(b"accept:") else x for x in lines)
                )
            nursery.cancel_scope.cancel()

        nursery.start_soon(forward)
        async for data in server:
            await client.send_all(data)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def prometheus(command: str, folder: Path, target: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A Prometheus of its own on a free port, for as long as the block."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(
                trio.serve_tcp,
                partial(only_text, int(target.rpartition(":")[2])),
                0,
                host="127.0.0.1",
            )
        )
        text = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(openmetrics=target, text=text))
        with trio.socket.socket() as probe:
            await probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = [
            f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]  # fmt: skip
        with (folder / "prometheus.log").open("wb") as log:
            process = await nursery.start(
                partial(trio.run_process, [command, *options], stdout=log, stderr=subprocess.STDOUT, check=False)
            )
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                yield client
            process.terminate()
            await process.wait()
        nursery.cancel_scope.cancel()


async def query(client: httpx2.AsyncClient, expression: str) -> dict[str, float]:
    """The value by job; nothing while it is starting."""
    try:
        answer: dict[str, Any] = (await client.get("/api/v1/query", params={"query": expression})).json()
    except (httpx2.TransportError, ValueError):
        return {}
    results = answer.get("data", {}).get("result", [])
    return {result["metric"]["job"]: float(result["value"][1]) for result in results}


async def becomes(client: httpx2.AsyncClient, expression: str, value: float) -> None:
    """Wait for both jobs to say so: another process, so there is nothing to wait on but its answers."""
    while await query(client, expression) != {"openmetrics": value, "text": value}:  # noqa: ASYNC110
        await trio.sleep(0.1)


@pytest.mark.external
async def test_a_real_prometheus_scrapes_both_formats_and_sees_our_values(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    command = program("prometheus", "prometheus")
    async with (
        open_test_runtime(tmp_path / "data") as house,
        httpx2.AsyncClient(base_url=house.http, trust_env=False) as ours,
    ):
        await ours.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 123_456_789})
        async with prometheus(command, tmp_path, house.http.removeprefix("http://")) as client:
            with trio.fail_after(30):
                await becomes(client, "up", 1)
                await becomes(client, 'aura_admission_memory_bytes{account="reserved"}', 123_456_789)
            total = (await ours.get("/api/metrics/system")).json()["memory"]["totalBytes"]
            slots = (await ours.get("/api/metrics/utilization")).json()["maxConcurrentJobs"]
            for expression, value in (
                ('aura_memory_bytes{type="total"}', total),
                ("aura_admission_slots", slots),
                ('aura_admission_memory_bytes{account="reserved"}', 123_456_789),
                ('aura_admission_decisions_total{outcome="granted"}', 1),
                ("aura_up", 1),
            ):
                assert await query(client, expression) == {"openmetrics": value, "text": value}, expression
            ages = await query(client, "time() - aura_snapshot_timestamp_seconds")
            assert all(-1 < age < 5 for age in ages.values()), ages
            assert len(ages) == 2


MAY_BE_EMPTY = re.compile(r"aura_(gpu|provider|pressure|cgroup|worker_threads)_|last_success|ended_total")
"""What needs a device, a limit, a kernel that tells, or something that has happened."""


def filled_in(query: str) -> str:
    """As Grafana would ask it of the one that was scraped."""
    for name, value in (("job", "openmetrics"), ("__rate_interval", "5s"), ("__range", "5s")):
        query = query.replace(f"${name}", value)
    return query.replace('instance="$instance"', 'instance=~".+"')


@pytest.mark.external
async def test_a_real_prometheus_answers_every_query_of_the_dashboard(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    command = program("prometheus", "prometheus")
    waiting = [filled_in(query) for query in script("dashboard").queries()]
    async with (
        open_test_runtime(tmp_path / "data") as house,
        prometheus(command, tmp_path, house.http.removeprefix("http://")) as client,
    ):
        with trio.fail_after(30):
            await becomes(client, "up", 1)
            while waiting:
                for query in list(waiting):
                    answer = (await client.get("/api/v1/query", params={"query": query})).json()
                    assert answer["status"] == "success", (query, answer)
                    if answer["data"]["result"] or MAY_BE_EMPTY.search(query):
                        waiting.remove(query)
                await trio.sleep(0.1)
