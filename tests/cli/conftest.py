"""A daemon made of canned answers, for the commands that ask one."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

SYSTEM: dict[str, Any] = {
    "timestamp": "2026-01-01T00:00:00Z",
    "cpu": {
        "overallUsagePercent": 12.34,
        "perCoreUsagePercent": [12.34],
        "logicalCores": 8,
        "physicalCores": 4,
        "processUsagePercent": 0.1,
    },
    "memory": {
        "totalBytes": 16 * 1024**3,
        "availableBytes": 12 * 1024**3,
        "usedBytes": 4 * 1024**3,
        "usagePercent": 25.0,
        "processUsageBytes": 1,
        "processPrivateBytes": None,
        "processWorkingSetBytes": 1,
    },
    "gpu": None,
    "gpus": [],
    "disks": [],
    "network": {
        "bytesSentPerSecond": None,
        "bytesReceivedPerSecond": None,
        "totalBytesSent": 1,
        "totalBytesReceived": 1,
    },
    "stale": {},
    "epoch": "e",
    "seq": 1,
}
UTILIZATION = {
    "maxConcurrentJobs": 4,
    "activeJobs": 1,
    "availableJobSlots": 3,
    "totalReservedMemoryBytes": 2 * 1024**3,
    "activeProviders": ["OpenAI"],
    "cpuUsagePercent": 12.34,
    "memoryUsagePercent": 25.0,
    "gpuUsagePercent": None,
}
PROVIDERS = {
    "providers": [
        {
            "name": "OpenAI", "maxConcurrent": 5, "active": 2, "available": 3, "queued": 0, "grantedTotal": 9,
            "deniedTotal": 0, "requestsPerMinute": None, "requestsAvailable": None, "tokensPerMinute": None,
            "tokensAvailable": None, "adaptive": False,
        }
    ]
}  # fmt: skip
KINDS = {
    "kinds": [
        {
            "kind": "render", "runs": 12, "kills": 1, "peakP50Bytes": 3 * 1024**3, "peakP95Bytes": 4 * 1024**3,
            "runtimeP50Seconds": 61.04, "runtimeP95Seconds": None, "reserveBytes": 6 * 1024**3,
        }
    ]
}  # fmt: skip
ALERTS = {
    "active": [
        {
            "name": "cpu", "value": 99.0, "threshold": 90.0, "unit": "%", "raisedAt": "2026-01-01T00:00:00Z",
            "clearedAt": None, "text": "cpu is at 99 %",
        }
    ]
}  # fmt: skip
JOBS: dict[str, Any] = {
    "active": [],
    "queue": [
        {
            "jobId": f"train-{place}", "owner": "me", "priority": "normal", "kind": None, "memoryBytes": 1,
            "position": place, "waitedSeconds": 12.3, "attended": True, "protected": False, "reasons": [],
        }
        for place in range(1, 6)
    ],
}  # fmt: skip
MAILBOX = {
    "depth": 3, "highWater": 4, "capacity": 64, "handled": 9, "refused": 0, "dropped": 0, "handlerSeconds": 0.1,
}  # fmt: skip
CRASH = {"at": "2026-01-01T00:00:00Z", "error": "ValueError: [red]bad\u001b[31m"}
NODE = {"state": "running", "generation": 1, "restarts": 0, "lastCrash": None, "mailbox": None, "children": []}
ACTORS = {
    "deadLetters": 0,
    "root": {
        **NODE,
        "name": "runtime",
        "children": [{**NODE, "name": "sampler", "restarts": 2, "mailbox": MAILBOX, "lastCrash": CRASH}],
    },
}


class FakeDaemon(http.server.ThreadingHTTPServer):
    """Answers by method and path; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {
            "GET /api/metrics/system": (200, SYSTEM),
            "GET /api/metrics/utilization": (200, UTILIZATION),
            "GET /api/actors": (200, ACTORS),
            "GET /api/alerts": (200, ALERTS),
            "GET /api/admission/jobs": (200, JOBS),
            "GET /api/providers": (200, PROVIDERS),
            "GET /api/admission/kinds": (200, KINDS),
        }
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeDaemon

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((f"{self.command} {self.path}", dict(self.headers), body))
        status, answer = self.server.answers.get(f"{self.command} {self.path}", (404, {"detail": "no such path"}))
        content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Nothing is printed."""


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon on loopback, at AURA_URL."""
    with FakeDaemon() as server:
        monkeypatch.setenv("AURA_URL", server.url)
        monkeypatch.delenv("AURA_TOKEN", raising=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
