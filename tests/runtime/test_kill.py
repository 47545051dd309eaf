"""kill -9, of clients, of processes that leases are bound to, and of the daemon: nothing leaks, nothing is lost."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.test_serve import Daemon, daemon

SECONDS = 5.0
SESSION = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as feed:
    feed.recv()
    for number in range(3):
        feed.send(json.dumps({"type": "acquire", "id": number, "jobId": f"s{number}", "memoryBytes": 1000}))
        print(json.loads(feed.recv())["type"], flush=True)
    feed.recv(timeout=60)
"""


@contextlib.contextmanager
def sleeper() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(["sleep", "120"]) as process:
        try:
            yield process
        finally:
            process.kill()


def active(served: Daemon) -> dict[str, dict[str, Any]]:
    return {job["jobId"]: job for job in served.client.get("/api/admission/jobs").json()["active"]}


def acquire(served: Daemon, job: str, **body: Any) -> dict[str, Any]:
    answer = served.client.post("/api/admission/jobs", json={"jobId": job, "memoryBytes": 1000, **body})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.01)  # other processes: there is nothing to wait on


def test_the_leases_of_a_session_end_when_its_client_is_killed(tmp_path: Path) -> None:
    with daemon(tmp_path) as served:
        client = subprocess.Popen([sys.executable, "-c", SESSION, served.feed], stdout=subprocess.PIPE, text=True)
        with client:
            assert client.stdout is not None
            assert [client.stdout.readline().strip() for _ in range(3)] == ["granted"] * 3
            acquire(served, "other")
            assert set(active(served)) == {"s0", "s1", "s2", "other"}
            client.kill()
            until(lambda: set(active(served)) == {"other"})


def test_a_lease_ends_when_its_process_is_killed_and_not_before(tmp_path: Path) -> None:
    with daemon(tmp_path) as served, sleeper() as bound, sleeper() as other:
        acquire(served, "bound", pid=bound.pid)
        acquire(served, "again", pid=bound.pid)
        acquire(served, "other", pid=other.pid)
        acquire(served, "free")
        bound.kill()
        until(lambda: set(active(served)) == {"other", "free"})


def test_somebody_who_waits_gets_the_room_of_a_killed_process_at_once(tmp_path: Path) -> None:
    with daemon(tmp_path, AURA_ADMISSION__JOB_SLOTS="1") as served, sleeper() as bound:
        acquire(served, "bound", pid=bound.pid)
        waiting = subprocess.Popen([sys.executable, "-c", WAIT, served.http], stdout=subprocess.PIPE, text=True)
        with waiting:
            until(lambda: len(served.client.get("/api/admission/jobs").json()["queue"]) == 1)
            bound.kill()
            assert waiting.communicate(timeout=SECONDS)[0].strip() == "201"


WAIT = """
import sys, httpx2
body = {"jobId": "next", "memoryBytes": 1000, "waitSeconds": 30}
print(httpx2.post(sys.argv[1] + "/api/admission/jobs", json=body, timeout=40).status_code)
"""


@pytest.mark.parametrize("dies", [False, True])
def test_after_kill_of_the_daemon_leases_are_as_they_were_but_those_of_dead_processes(
    tmp_path: Path, dies: bool
) -> None:
    with sleeper() as living, sleeper() as dying:
        with daemon(tmp_path) as served:
            before = {f"j{n}": acquire(served, f"j{n}") for n in range(48)}
            before["living"] = acquire(served, "living", pid=living.pid)
            acquire(served, "dying", pid=dying.pid)
            served.process.kill()
            served.process.wait()
        if dies:
            dying.kill()
            dying.wait()
        with daemon(tmp_path) as served:
            expected = set(before) | (set() if dies else {"dying"})
            until(lambda: set(active(served)) == expected)
            assert {job: lease["fence"] for job, lease in active(served).items() if job in before} == {
                job: lease["fence"] for job, lease in before.items()
            }
            assert acquire(served, "new")["fence"] > 50, "no fence is handed out twice"
            mine = {"Aura-Lease": before["j0"]["leaseId"]}
            assert served.client.delete("/api/admission/jobs/j0", headers=mine).status_code == 204
            living.kill()
            until(lambda: "living" not in active(served))
