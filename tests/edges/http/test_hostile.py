"""Seeded hostile requests over real sockets: whatever comes, no answer is a 5xx, and nothing grows.

AURA_HOSTILE_REQUESTS sets how many are sent; AURA_HOSTILE_SEED which.
"""

import gc
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from aura_actors.domain.reasons import Judgement, Outcome
from aura_actors.messages import admission as m
from aura_actors.testing import open_test_runtime
from tests.effort import effort

REQUESTS = effort("AURA_HOSTILE_REQUESTS", desk=300, ci=2000)
SEED = int(os.environ.get("AURA_HOSTILE_SEED", "1"))
PATHS = [
    ("POST", "/api/admission/jobs"), ("GET", "/api/admission/jobs"), ("GET", "/api/admission/jobs/{}"),
    ("POST", "/api/admission/jobs/{}/renew"), ("POST", "/api/admission/jobs/{}/ready"),
    ("POST", "/api/admission/jobs/{}/revoke"), ("DELETE", "/api/admission/jobs/{}"),
    ("POST", "/api/admission/preflight"), ("POST", "/api/admission/batch"), ("POST", "/api/admission/drain"),
    ("POST", "/api/providers/{}/slots"), ("POST", "/api/providers/x/slots/{}/renew"),
    ("DELETE", "/api/providers/{}/slots/1"), ("GET", "/api/providers"),
]  # fmt: skip
FIELDS = [
    "jobId", "owner", "memoryBytes", "estimatedMemoryBytes", "cpuCores", "requiresGpu", "gpu", "scratchBytes",
    "units", "providers", "priority", "kind", "maxRuntimeSeconds", "pid", "holdPaths", "ttlSeconds", "tokens",
    "on", "outcome", "operations", "op", "leaseId", "required", "preferred", "count", "name", "__proto__",
    "a/b~c", "\x00", "é",
]  # fmt: skip
TEXTS = [
    "a",
    "",
    "x" * 200,
    "a b",
    "a\n",
    "\x00",
    "é",
    "../..",
    "%00",
    "low",
    "/x",
    "acquire",
    "💥",
    "\u202e",
    "{}",
]
NUMBERS = [0, 1, -1, 0.1, 2**31 - 1, 2**53, 2**53 + 1, 2**64, -(2**63), 10**400, 1e308, -0.0]
ODD = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'"\\ud800"',
    b'{"a":NaN}',
    b"[" * 5000,
    b'{"jobId":"a"}' * 2,
    b"1e9999",
]
HEADERS = [
    "Aura-Lease: {}", "Aura-Ticket: {}", "Accept: {}", "If-None-Match: {}", "X-Forwarded-For: {}", "Cookie: {}",
    "Content-Encoding: {}", "Authorization: {}", "Accept-Encoding: {}", "Aura-Lease: {}\r\nAura-Lease: {}",
    "Expect: 100-continue", "TE: {}", "Range: bytes=0-{}", "Content-Type: {}",
]  # fmt: skip


def value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return chance.choice(TEXTS)
    if kind < 4:
        return chance.choice(NUMBERS)
    if kind == 4:
        return chance.choice([None, True, False])
    size = chance.choice([0, 1, 2, 3, 40])
    if kind == 5:
        return [value(chance, depth + 1) for _ in range(size)]
    return {chance.choice(FIELDS): value(chance, depth + 1) for _ in range(size)}


def body(chance: random.Random) -> bytes:
    if chance.random() < 0.15:
        return chance.choice(ODD)
    found = {chance.choice(FIELDS): value(chance) for _ in range(chance.choice([0, 1, 2, 4]))}
    if chance.random() < 0.7:
        found["jobId"] = "a"
    if chance.random() < 0.2:
        found = {"operations": [found | {"op": "acquire"}, found]}
    raw = json.dumps(found).encode()
    if chance.random() < 0.2:
        at = chance.randrange(len(raw))
        raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
    return raw


def request(chance: random.Random) -> bytes:
    method, path = chance.choice(PATHS)
    if chance.random() < 0.05:
        method = chance.choice(["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"])
    part = chance.choice(["a", "a%20b", "%00", "..", "%2e%2e", "%ff", "x" * 300, "é".encode().hex(), "a%2fb", "%"])
    content = body(chance)
    lines = [f"{method} {path.format(part)} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
    if chance.random() < 0.9:
        lines.append("Content-Type: application/json")
    for header in chance.sample(HEADERS, chance.randrange(3)):
        text = chance.choice(
            ["", "x", "é", "x" * 500, "\x80\xff", "*/*", "bytes", '"', "application/json; charset=x"]
        )
        lines.append(header.format(text, text))
    lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def status_of(answer: bytes) -> int:
    if answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    return int(answer.split(b" ", 2)[1])


async def exchange(house: Any, data: bytes) -> bytes:
    async with await house.raw() as stream:
        await stream.send_all(data)
        return b"".join([piece async for piece in stream])


def script(house: Any, data: Any) -> None:
    house.admission.answers |= {
        m.Acquire: m.Grant(lease=data.lease(), again=False),
        m.AcquireSlot: m.Grant(lease=data.slot(), again=False),
        m.Preflight: m.Forecast(judgement=Judgement(outcome=Outcome.GRANT), position=None, bound_seconds=None),
        m.Batch: lambda asked: (None,) * len(asked.operations),
        m.Renew: lambda asked: data.slot() if "/" in asked.key else data.lease(),
        m.Ready: data.lease(),
    } | dict.fromkeys((m.Release, m.Leave, m.Revoke, m.Drain))


def living() -> Counter[str]:
    """Objects of whatever takes part in a request. Not Trio's: its timers keep what is over for a while."""
    gc.collect()
    packages = {"aura_actors", "h11", "hypercorn", "quart", "quart_trio", "werkzeug"}
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter(name for name in names if name.partition(".")[0] in packages)


@pytest.mark.timeout(600)
async def test_hostile_requests_get_an_answer_of_theirs_and_leave_nothing(open_house: Any, data: Any) -> None:
    statuses: dict[int, int] = {}
    async with open_house() as house:
        script(house, data)

        async def play() -> None:
            chance = random.Random(SEED)
            for _ in range(REQUESTS // 2):
                sent = request(chance)
                with trio.fail_after(10):
                    answer = await exchange(house, sent)
                status = status_of(answer)
                statuses[status] = statuses.get(status, 0) + 1
                assert status < 500, (sent[:2000], answer)
                assert b"Traceback" not in answer, sent[:2000]
                house.admission.forget()
            await all_closed()

        async def all_closed() -> None:
            with trio.fail_after(30):
                while house.listener.statistics().connections:  # noqa: ASYNC110 - the other side of a socket
                    await trio.sleep(0.002)

        await play()
        before = living()
        await play()  # the same again, so that no cache has anything new to keep
        grown = {name: count - before[name] for name, count in living().items() if count > before[name]}
        print(f"seed {SEED}: {statuses}, grown by {grown}")
        assert sum(grown.values()) < 20, "objects that outlive their request"
        assert {200, 201, 204, 400, 404, 405, 415, 422} <= statuses.keys()
        assert house.listener.statistics().failures_total == 0
        assert (await house.client.get("/health/live")).status_code == 200


async def test_a_whole_runtime_survives_them(tmp_path: Path) -> None:
    chance = random.Random(SEED + 1)
    async with open_test_runtime(tmp_path) as house:
        port = int(house.http.rpartition(":")[2])
        for _ in range(REQUESTS // 2):
            sent = request(chance)
            with trio.fail_after(10):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(sent)
                    answer = b"".join([piece async for piece in stream])
            assert status_of(answer) < 500 or b"/problems/draining" in answer, (sent[:2000], answer)
        assert not [node for node in house.runtime.parts.supervisor.nodes() if node.restarts]
