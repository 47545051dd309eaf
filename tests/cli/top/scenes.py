"""A daemon's frames and what is folded from them, for tests of the picture."""

import datetime as dt
from typing import Any

import msgspec

from aura_actors.cli.top.screen import Connection
from aura_actors.cli.top.sight import Sight
from aura_actors.cli.top.state import State, take
from aura_actors.wire.feed import Snapshot

BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
GIB = 1024**3
CONNECTION = Connection(url="http://127.0.0.1:8080")


def stamp(seconds: float) -> str:
    return (BEGAN + dt.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


GPU: dict[str, Any] = {
    "uuid": "GPU-1", "index": 0, "status": "ok", "detail": None, "name": "NVIDIA A100", "vendor": "NVIDIA",
    "usagePercent": 73.0, "totalMemoryBytes": 40 * GIB, "usedMemoryBytes": 10 * GIB,
    "availableMemoryBytes": 30 * GIB,
    "memoryUsagePercent": 25.0, "temperatureCelsius": 88.0, "reservedMemoryBytes": None, "powerWatts": 251.0,
    "powerLimitWatts": None, "graphicsClockHertz": None, "memoryClockHertz": None, "driverVersion": None,
    "pciAddress": None, "processes": [], "unsupported": [],
}  # fmt: skip
STALL = {"avg10Percent": 12.5, "avg60Percent": 3.0, "avg300Percent": 0.0, "totalSeconds": 1.0}


def system(seconds: float = 0.0, **changes: Any) -> dict[str, Any]:
    """One sample; `cpu=40.0` is its busy share, everything else by its name."""
    busy = changes.pop("cpu", 40.0)
    cores = changes.pop("cores", [10.0, 20.0, 95.0, 35.0])
    return {
        "timestamp": stamp(seconds),
        "cpu": {
            "overallUsagePercent": busy, "perCoreUsagePercent": cores, "logicalCores": len(cores),
            "physicalCores": 2, "processUsagePercent": 0.5,
        },
        "memory": {
            "totalBytes": 16 * GIB, "availableBytes": 12 * GIB, "usedBytes": 4 * GIB, "usagePercent": 25.0,
            "processUsageBytes": 2**26, "processPrivateBytes": None, "processWorkingSetBytes": 1,
        },
        "gpu": None,
        "gpus": [GPU],
        "disks": [
            {
                "driveName": "/", "driveLabel": "/dev/sda1", "totalBytes": 100 * GIB, "availableBytes": 50 * GIB,
                "usedBytes": 50 * GIB, "usagePercent": 50.0, "readBytesPerSecond": 3 * 2**20,
                "writeBytesPerSecond": None,
            }
        ],
        "network": {
            "bytesSentPerSecond": 2048.0, "bytesReceivedPerSecond": 5 * 2**20, "totalBytesSent": 1,
            "totalBytesReceived": 1,
        },
        "stale": {},
        "epoch": "e",
        "seq": 1,
        "pressure": {"cpu": {"some": STALL, "full": None}, "memory": None, "io": {"some": STALL, "full": STALL}},
        **changes,
    }  # fmt: skip


def job(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "jobId": name, "fence": 1, "owner": "alice", "memoryBytes": 4 * GIB, "measuredBytes": 3 * GIB,
        "attribution": "tree", "cpuCores": 1.5, "gpus": [{"index": 0, "uuid": "GPU-1"}], "scratchBytes": 0,
        "units": {}, "providers": [], "priority": "high", "kind": "render", "pid": 7, "maxRuntimeSeconds": None,
        "grantedAt": stamp(0), "expiresAt": stamp(25), "ttlSeconds": 30, **changes,
    }  # fmt: skip


WAITER = {
    "jobId": "train-7", "owner": "bob", "priority": "normal", "kind": None, "memoryBytes": 9 * GIB, "position": 1,
    "waitedSeconds": 64.0, "attended": True, "protected": True,
    "reasons": [
        {
            "dimension": "memory", "needed": 9 * GIB, "available": 2.0 * GIB, "shortfall": 7 * GIB,
            "holders": ["video-1"], "external": False, "text": "the memory is reserved by running jobs",
        }
    ],
}  # fmt: skip
ADMISSION: dict[str, Any] = {
    "maxConcurrentJobs": 10, "activeJobs": 1, "queuedJobs": 1, "draining": False, "brake": None,
    "memory": {
        "capacityBytes": 16 * GIB, "allowedBytes": 12 * GIB, "externalBytes": 2 * GIB, "ghostBytes": 0,
        "reservedBytes": 4 * GIB, "headroomBytes": 6 * GIB, "limitBytes": None,
    },
    "dimensions": [
        {
            "name": "memory", "unit": "bytes", "capacity": 16 * GIB, "allowed": 12 * GIB, "external": 2 * GIB,
            "ghosts": 0, "promised": 4 * GIB, "headroom": 6 * GIB,
        },
        {
            "name": "cores", "unit": "millicores", "capacity": 4000, "allowed": 3400, "external": 0, "ghosts": 0,
            "promised": 1500, "headroom": 1900,
        },
    ],
    "active": [job("video-1")], "queue": [WAITER], "grantedTotal": 12, "deniedTotal": 3, "expiredTotal": 1,
}  # fmt: skip
PROVIDERS: dict[str, Any] = {
    "providers": [
        {
            "name": "OpenAI", "maxConcurrent": 5, "active": 2, "available": 3, "queued": 4, "grantedTotal": 9,
            "deniedTotal": 0, "requestsPerMinute": None, "requestsAvailable": None, "tokensPerMinute": 9e4,
            "tokensAvailable": 1234, "adaptive": False,
        }
    ]
}  # fmt: skip
REPORT: dict[str, Any] = {
    "runId": "r", "task": "temp-files", "dryRun": False, "startedAt": stamp(-70), "finishedAt": stamp(-60),
    "outcome": "done", "detail": None, "removed": 17, "kept": {}, "failures": {}, "freedBytes": 3 * GIB,
    "freedAllocatedBytes": 3 * GIB,
}  # fmt: skip
TASK: dict[str, Any] = {
    "task": "temp-files", "enabled": True, "everySeconds": [3600.0], "nextRunAt": stamp(1800), "running": False,
    "lastReport": REPORT,
}  # fmt: skip
PROGRESS: dict[str, Any] = {
    "runId": "r", "dryRun": False, "phase": "removing", "scanned": 1200, "removed": 40,
    "freedBytes": GIB, "total": 80, "totalBytes": 2 * GIB, "filesPerSecond": 900.0,
}  # fmt: skip
ALERTS: dict[str, Any] = {
    "thresholds": [
        {"name": name, "threshold": threshold, "clearedBelow": threshold - 5, "unit": unit}
        for name, threshold, unit in (("cpu", 35.0, "%"), ("memory", 85.0, "%"), ("gpu", 85.0, "°C"))
    ],
    "active": [
        {
            "name": "gpu", "value": 88.0, "threshold": 85.0, "unit": "°C", "raisedAt": stamp(-30),
            "clearedAt": None, "text": "gpu is at 88 °C (threshold 85 °C)",
        }
    ]
}  # fmt: skip
NODE: dict[str, Any] = {
    "state": "running", "generation": 1, "restarts": 0, "lastCrash": None, "mailbox": None, "children": [],
}  # fmt: skip
ACTORS: dict[str, Any] = {
    "deadLetters": 2,
    "root": {
        **NODE,
        "name": "runtime",
        "children": [
            {
                **NODE, "name": "sampler", "state": "backoff", "restarts": 3,
                "lastCrash": {"at": stamp(-5), "error": "ValueError: no such counter"},
                "mailbox": {
                    "depth": 3, "highWater": 4, "capacity": 64, "handled": 99, "refused": 0, "dropped": 0,
                    "handlerSeconds": 0.1,
                },
            }
        ],
    },
}  # fmt: skip
PROCESS: dict[str, Any] = {
    "timestamp": stamp(0),
    "threadPool": {"availableWorkerThreads": 9, "maxWorkerThreads": 10, "busyWorkerThreads": 1, "limiters": []},
    "gc": {"collections": [1, 1, 1], "collected": 0, "uncollectable": 0, "pauseMsTotal": 9.0,
           "longestPauseMs": 3.0},
    "componentMemory": [], "providerConnections": [], "cacheMemoryBytes": 2**20, "openFileDescriptors": 40,
    "uptimeSeconds": 7200.0,
}  # fmt: skip
EVERYTHING = {
    "process": PROCESS, "admission": ADMISSION, "providers": PROVIDERS,
    "cleanup": {"tasks": [TASK]}, "alerts": ALERTS, "actors": ACTORS, "system": system(),
}  # fmt: skip


def frame(topic: str, data: Any, *, seconds: float = 0.0, epoch: str = "e", seq: int = 1) -> Snapshot:
    raw = msgspec.Raw(msgspec.json.encode(data))
    return Snapshot(topic=topic, epoch=epoch, seq=seq, ts=BEGAN + dt.timedelta(seconds=seconds), data=raw)


def state(**topics: Any) -> State:
    """Everything as above, but for these; heard at 0 by our clock, which is when it was sent."""
    known = State()
    for topic, data in {**EVERYTHING, **topics}.items():
        if data is not None:
            known = take(known, frame(topic, data), 0.0)
    return known


def sight(now: float = 0.0, **topics: Any) -> Sight:
    return Sight(state=state(**topics), now=now)
