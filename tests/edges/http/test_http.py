"""HTTP over a real socket against a whole runtime: shapes, refusals, and who is let in."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
import trio

from aura_actors.config.secret import Secret
from aura_actors.config.sections import Admission, Http
from aura_actors.testing import ServedRuntime, open_test_runtime
from tests.plain import async_client

GIB = 2**30
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def served(
    folder: Path, *, admission: Admission | None = None, http: Http | None = None
) -> AsyncIterator[tuple[httpx2.AsyncClient, ServedRuntime]]:
    async with (
        open_test_runtime(folder / "data", admission=admission, http=http) as house,
        async_client(house.http) as client,
    ):
        yield client, house


def limited(memory: int) -> Admission:
    return Admission(
        cpu_threshold_percent=100,
        memory_threshold_percent=100,
        reserved_for_ui=0,
        job_slots=1000,
        memory_limit=memory,
    )


def shape(value: Any) -> Any:
    """Names and types, all the way down."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def contains(whole: Any, part: Any, path: str = "") -> list[str]:
    """What `part` has and `whole` has not, or has otherwise."""
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return [path]
        return [m for key in part for m in contains(whole.get(key, "absent"), part[key], f"{path}.{key}")]
    if isinstance(part, list):
        return contains(whole[0], part[0], f"{path}[]") if part and whole else []
    return [] if whole == part else [f"{path}: {whole} is not {part}"]


GUIDE = {
    "/api/metrics/system": {
        "timestamp": "2025-11-07T22:00:00Z",
        "cpu": {
            "overallUsagePercent": 45.2,
            "perCoreUsagePercent": [42.1],
            "logicalCores": 8,
            "physicalCores": 4,
            "processUsagePercent": 12.5,
        },
        "memory": {
            "totalBytes": 17179869184,
            "availableBytes": 8589934592,
            "usedBytes": 8589934592,
            "usagePercent": 50.0,
            "processUsageBytes": 536870912,
        },
    },
    "/api/metrics/process": {
        "timestamp": "2025-11-07T22:00:00Z",
        "threadPool": {"availableWorkerThreads": 28, "maxWorkerThreads": 32, "busyWorkerThreads": 4},
        "cacheMemoryBytes": 104857600,
    },
    "/api/metrics/utilization": {
        "maxConcurrentJobs": 4,
        "activeJobs": 2,
        "availableJobSlots": 2,
        "totalReservedMemoryBytes": 4294967296,
        "activeProviders": ["OpenAI"],
        "cpuUsagePercent": 45.2,
        "memoryUsagePercent": 50.0,
    },
}


@pytest.mark.parametrize("path", GUIDE)
async def test_the_guides_responses_keep_their_names_nesting_and_types(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert contains(shape(answer.json()), shape(GUIDE[path])) == []


async def test_a_machine_without_a_gpu_has_null_and_not_zeros(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        assert (await client.get("/api/metrics/system")).json()["gpu"] is None
        assert (await client.get("/api/metrics/utilization")).json()["gpuUsagePercent"] is None


async def test_the_guides_prometheus_families_are_there(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        for path in ("/metrics", "/api/metrics/prometheus"):
            text = (await client.get(path)).text
            for sample in (
                'aura_cpu_usage_percent{type="overall"}',
                'aura_cpu_usage_percent{type="process"}',
                *(f'aura_memory_bytes{{type="{t}"}}' for t in ("total", "available", "used", "process")),
            ):
                assert f"\n{sample} " in text
            assert "# HELP aura_memory_bytes Memory usage in bytes\n# TYPE aura_memory_bytes gauge\n" in text


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=x", "text/plain;version=\xff", "", "*/*"])
async def test_an_odd_accept_header_still_gets_the_metrics(tmp_path: Path, accept: str) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.get("/metrics", headers={b"Accept": accept.encode("latin-1")})
        assert answer.status_code == 200
        assert "aura_up 1.0" in answer.text


@pytest.mark.parametrize("target", ["?", "http://[", "*", "api/actors"])
async def test_a_target_that_is_no_path_is_refused(tmp_path: Path, target: str) -> None:
    async with served(tmp_path) as (_, house):
        stream = await trio.open_tcp_stream("127.0.0.1", int(house.http.rpartition(":")[2]))
        async with stream:
            await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join([part async for part in stream])
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Traceback" not in answer


async def test_http_2_without_tls_is_refused_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, house):
        stream = await trio.open_tcp_stream("127.0.0.1", int(house.http.rpartition(":")[2]))
        async with stream:
            await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            with trio.fail_after(5):
                answer = b"".join([part async for part in stream])
        assert answer.startswith(b"HTTP/1.1 505 ")


async def test_openmetrics_is_sent_to_those_who_ask_for_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


# --- admission ---------------------------------------------------------------------------------------------------


async def test_the_life_of_a_lease_over_http(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        first = await client.post("/api/admission/jobs", json={"jobId": "video-1", "memoryBytes": GIB})
        lease = first.json()
        assert (first.status_code, lease["memoryBytes"], lease["ttlSeconds"]) == (201, GIB, 30)
        again = await client.post("/api/admission/jobs", json={"jobId": "video-1", "memoryBytes": GIB})
        assert (again.status_code, again.json()["leaseId"]) == (200, lease["leaseId"])
        assert (await client.get("/api/metrics/utilization")).json()["totalReservedMemoryBytes"] == GIB
        mine = {"Aura-Lease": lease["leaseId"]}
        renewed = await client.post("/api/admission/jobs/video-1/renew", headers=mine)
        assert renewed.status_code == 200
        assert renewed.json()["expiresAt"] >= lease["expiresAt"]
        assert (await client.delete("/api/admission/jobs/video-1")).status_code == 403
        assert (await client.delete("/api/admission/jobs/video-1", headers={"Aura-Lease": "x"})).status_code == 403
        released = await client.delete("/api/admission/jobs/video-1", headers=mine)
        assert (released.status_code, released.content) == (204, b"")
        assert not {"content-type", "content-length"} & set(released.headers)
        assert (await client.delete("/api/admission/jobs/video-1", headers=mine)).status_code == 410
        assert (await client.post("/api/admission/jobs/video-1/renew", headers=mine)).status_code == 410
        assert (await client.get("/api/metrics/utilization")).json()["totalReservedMemoryBytes"] == 0


async def test_the_guides_name_for_memory_is_understood(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.post("/api/admission/jobs", json={"jobId": "a", "estimatedMemoryBytes": 5})
        assert answer.json()["memoryBytes"] == 5
        both = {"jobId": "b", "memoryBytes": 5, "estimatedMemoryBytes": 5}
        answer = await client.post("/api/admission/jobs", json=both)
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/estimatedMemoryBytes")


async def test_a_job_that_names_no_size_gets_the_default(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.post("/api/admission/jobs", json={"jobId": "a"})
        assert answer.json()["memoryBytes"] == 2 * GIB


async def test_secrets_are_in_no_list(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, house):
        secret = (await client.post("/api/admission/jobs", json={"jobId": "a"})).json()["leaseId"]
        slot = (await client.post("/api/providers/OpenAI/slots", json={})).json()["leaseId"]
        await house.runtime.parts.view.wait_newer(house.runtime.parts.view.version)
        for path in (
            "/api/admission/jobs",
            "/api/admission/jobs/a",
            "/api/providers",
            "/api/actors",
            "/metrics",
            "/api/metrics/process",
        ):
            text = (await client.get(path)).text
            assert secret not in text
            assert slot not in text
        for topic in house.runtime.parts.topics.values():
            assert topic.value is None or secret.encode() not in topic.value.payload


async def test_no_room_now_is_429_with_reasons_and_a_hint_when_to_retry(tmp_path: Path) -> None:
    async with served(tmp_path, admission=limited(2 * GIB)) as (client, _):
        await client.post("/api/admission/jobs", json={"jobId": "holder", "memoryBytes": 2 * GIB})
        answer = await client.post("/api/admission/jobs", json={"jobId": "b", "memoryBytes": GIB})
        (reason,) = answer.json()["reasons"]
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert reason["dimension"] == "memory_limit"
        assert (reason["needed"], reason["available"], reason["shortfall"]) == (GIB, 0, GIB)
        assert (reason["holders"], reason["external"]) == (["holder"], False)


async def test_what_never_fits_says_so_at_once(tmp_path: Path) -> None:
    async with served(tmp_path, admission=limited(2 * GIB)) as (client, _):
        for body in ({"jobId": "a", "memoryBytes": 3 * GIB}, {"jobId": "a", "requiresGpu": True}):
            answer = await client.post("/api/admission/jobs", json=body)
            assert answer.status_code == 422
            assert answer.json()["type"].endswith("/never-fits")
            assert (await client.post("/api/admission/preflight", json=body)).json()["decision"] == "never"


async def test_preflight_takes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, admission=limited(2 * GIB)) as (client, _):
        for _ in range(3):
            answer = await client.post("/api/admission/preflight", json={"jobId": "a", "memoryBytes": 2 * GIB})
            assert answer.json() == {"decision": "grant", "reasons": [], "position": None, "boundSeconds": None}
        assert (await client.get("/api/admission/jobs")).json() == {"active": [], "queue": []}


async def test_conflicts_tell_other_owner_from_other_specification(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        await client.post("/api/admission/jobs", json={"jobId": "a", "owner": "x", "memoryBytes": 5})
        other = await client.post("/api/admission/jobs", json={"jobId": "a", "owner": "y", "memoryBytes": 5})
        larger = await client.post("/api/admission/jobs", json={"jobId": "a", "owner": "x", "memoryBytes": 6})
        assert (other.status_code, larger.status_code) == (409, 422)


async def test_the_pattern_of_ids_means_the_same_in_a_browser(tmp_path: Path) -> None:
    """JSON Schema's regular expressions are JavaScript's: they know no \\Z."""
    async with served(tmp_path) as (client, _):
        text = (await client.get("/openapi.json")).text
        assert "\\\\Z" not in text
        assert (
            await client.post("/api/admission/jobs", content=b'{"jobId": "a\\n"}', headers=JSON)
        ).status_code == 422


async def test_provider_slots_over_http(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        slots = [await client.post("/api/providers/OpenAI/slots", json={}) for _ in range(6)]
        assert [answer.status_code for answer in slots] == [201] * 5 + [429]
        (reason,) = slots[-1].json()["reasons"]
        assert (reason["dimension"], len(reason["holders"])) == ("provider:OpenAI", 5)
        assert (await client.get("/api/providers")).json()["providers"][0]["available"] == 0
        assert (await client.get("/api/metrics/utilization")).json()["activeProviders"] == ["OpenAI"]
        slot = slots[0].json()
        path = f"/api/providers/OpenAI/slots/{slot['slotId']}"
        assert (await client.delete(path)).status_code == 403
        assert (await client.delete(path, headers={"Aura-Lease": slot["leaseId"]})).status_code == 204
        assert (await client.delete(path, headers={"Aura-Lease": slot["leaseId"]})).status_code == 410


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{not json", 400, None),
        (b"", 400, None),
        (b"\xff\xfe", 400, None),
        (b'{"jobId": "a", "owner": "\xed\xa0\x80"}', 400, None),
        (b'{"jobId": "a", "memoryBytes": NaN}', 422, "/memoryBytes"),
        (b'{"jobId": "a", "ttlSeconds": -Infinity}', 422, "/ttlSeconds"),
        (b'{"jobId": "a", "cpuCores": -1}', 422, "/cpuCores"),
        (b'{"surprise": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 422, "/surprise"),
        (b"[]", 422, ""),
        (b"{}", 422, ""),
        (b'{"jobId": "a", "memoryBytes": "5"}', 422, "/memoryBytes"),
        (b'{"jobId": "a", "memoryBytes": -1}', 422, "/memoryBytes"),
        (b'{"jobId": "a", "memoryBytes": 1.5}', 422, "/memoryBytes"),
        (b'{"jobId": "a b"}', 422, "/jobId"),
        (b'{"jobId": "a\\n"}', 422, "/jobId"),
        (b'{"jobId": ""}', 422, "/jobId"),
        (b'{"jobId": "a", "surprise": 1}', 422, "/surprise"),
        (b'{"jobId": "a", "a/b~c": 1}', 422, "/a~1b~0c"),
        (b'{"jobId": "a", "ttlSeconds": 0}', 422, "/ttlSeconds"),
        (b'{"jobId": "a", "priority": "urgent"}', 422, "/priority"),
    ],
)
async def test_bad_bodies_are_refused_with_the_place(
    tmp_path: Path, body: bytes, status: int, pointer: str | None
) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.post("/api/admission/jobs", content=body, headers=JSON)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"]) == (status, status)
        assert problem.get("pointer") == pointer
        assert "Traceback" not in answer.text


async def test_wrong_type_size_method_and_path_have_their_statuses(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        path = "/api/admission/jobs"
        for answer, status in (
            (await client.post(path, content=b"{}", headers={"Content-Type": "text/plain"}), 415),
            (await client.post(path, content=b" " * 70_000, headers=JSON), 413),
            (await client.put(path), 405),
            (await client.get("/nowhere"), 404),
            (await client.get("/api/admission/jobs/nobody"), 404),
            (await client.get("/api/admission/jobs/a%20b"), 422),
            (await client.get("/feed"), 426),
            (await client.post("/api/cleanup/unknown/run"), 404),
            (await client.get("/static/../../secret"), 404),
        ):
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
            # 413 is said before the body has ended: no request can follow it. 426 asks for a new connection.
            assert answer.headers.get("connection") == ("close" if status in (413, 426) else None)


# --- access ------------------------------------------------------------------------------------------------------


async def every_operation(client: httpx2.AsyncClient) -> list[tuple[str, str]]:
    document = (await client.get("/openapi.json")).json()
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, operations in document["paths"].items()
        for method in operations
    ]


async def test_a_foreign_host_or_origin_is_refused_on_every_path(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        for method, path in [*await every_operation(client), ("GET", "/"), ("GET", "/nowhere"), ("GET", "/feed")]:
            foreign_host = await client.request(method, path, headers={"Host": "evil.example"})
            foreign_page = await client.request(method, path, headers={"Origin": "https://evil.example"})
            assert (foreign_host.status_code, foreign_page.status_code) == (421, 403)


async def test_our_own_page_is_no_foreign_origin(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, house):
        assert (await client.get("/api/actors", headers={"Origin": house.http})).status_code == 200


async def test_without_the_token_only_the_page_and_health_answer(tmp_path: Path) -> None:
    http = Http(token=Secret("s3cret"))
    async with served(tmp_path, http=http) as (client, _):
        mine = {"Authorization": "Bearer s3cret"}
        client.headers.update(mine)
        operations = await every_operation(client)
        del client.headers["Authorization"]
        for method, path in operations:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
                answer = await client.request(method, path, headers=headers)
                expected = 200 if path.startswith("/health/") else 401
                assert (path, answer.status_code) == (path, expected)
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/api/actors", headers=mine)).status_code == 200


# --- document and page -------------------------------------------------------------------------------------------


async def test_the_manual_names_every_operation_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        page = await client.get("/docs")
        document = (await client.get("/openapi.json")).json()
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for path, operations in document["paths"].items():
            assert all(f"{method.upper()} {path}" in page.text for method in operations)
        assert "://" not in page.text
        assert "style-src 'self'" in page.headers["content-security-policy"]


async def test_every_reference_in_the_document_leads_somewhere(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        document = (await client.get("/openapi.json")).json()
        text = json.dumps(document)
        refs = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
        assert refs
        assert refs <= set(document["components"]["schemas"])
        for operations in document["paths"].values():
            for operation in operations.values():
                assert operation["responses"]


async def test_the_page_is_served_with_a_strict_policy_and_revalidates(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        page = await client.get("/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert ":" not in policy, "no scheme: nothing but ourselves"
        again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for name, kind in (
            ("app.js", "text/javascript"),
            ("views/queue.js", "text/javascript"),
            ("app.css", "text/css"),
            ("favicon.svg", "image/svg+xml"),
            ("vendor/uPlot-LICENSE.txt", "text/plain"),
        ):
            file = await client.get(f"/static/{name}")
            assert (file.status_code, file.headers["content-type"].partition(";")[0]) == (200, kind)


async def test_the_page_names_only_files_that_are_served(tmp_path: Path) -> None:
    """Follows every relative reference of the page, its styles and its modules, as a browser would."""
    async with served(tmp_path) as (client, _):
        seen, waiting = set[str](), ["/"]
        while waiting:
            path = waiting.pop()
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", answer.text), (
                path
            )
            for quoted in re.findall(r'''(?:(?:src|href)=|from )"(\.[^"]+)"''', answer.text):
                found = urljoin(path, quoted)
                if found.startswith("/static/") and found not in seen:
                    seen.add(found)
                    waiting.append(found)
        assert {"/static/aura-feed.js", "/static/views/queue.js", "/static/vendor/uPlot-1.6.32.js"} <= seen


async def test_a_cleanup_run_on_request_reports_what_it_did(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        tasks = (await client.get("/api/cleanup")).json()["tasks"]
        assert [task["task"] for task in tasks] == [
            "temp-files", "orphaned-uploads", "cache", "archive-projects", "failed-projects", "compress-logs",
            "export-history", "action-logs", "archived-projects", "vacuum",
        ]  # fmt: skip
        report = await client.post("/api/cleanup/temp-files/run?wait=1", json={"dryRun": True})
        assert (report.status_code, report.json()["dryRun"], report.json()["removed"]) == (200, True, 0)
        run_id = report.json()["runId"]
        assert (await client.get(f"/api/cleanup/runs/{run_id}")).json() == report.json()
        assert [run["runId"] for run in (await client.get("/api/cleanup/runs")).json()["runs"]] == [run_id]
        undo = await client.post(f"/api/cleanup/runs/{run_id}/undo")
        assert (undo.status_code, "dry run" in undo.json()["detail"]) == (409, True)
        for verb in ("undo", "stop"):
            assert (await client.post(f"/api/cleanup/runs/unknown/{verb}")).status_code == 404
        started = await client.post("/api/cleanup/temp-files/run")
        assert started.status_code == 202
        assert started.json()["joined"] is False
