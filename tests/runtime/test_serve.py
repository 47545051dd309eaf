"""The daemon as a process: ready file, signals, exit statuses, and what survives kill -9."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.effort import variants
from tests.launcher import Piped, launch
from tests.plain import sync_client

COMMAND = [sys.executable, "-m", "aura_actors", "serve"]
QUIET = {
    "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__JOB_SLOTS": "1000",
}


class Daemon:
    """A running daemon."""

    def __init__(self, process: Piped, ready: dict[str, Any]) -> None:
        self.process = process
        self.http: str = ready["http"]
        self.feed: str = ready["feed"]
        self.ready = ready
        self.client = sync_client(self.http)


@contextmanager
def daemon(folder: Path, *options: str, **environ: str) -> Iterator[Daemon]:
    ready_file = folder / "ready.json"
    ready_file.unlink(missing_ok=True)
    places = ["--port", "0", "--data-dir", str(folder / "data"), "--ready-file", str(ready_file)]
    process = launch(["serve", *places, *options], {**os.environ, **QUIET, **environ})
    try:
        for _ in range(1500):
            if ready_file.exists() or process.poll() is not None:
                break
            time.sleep(0.01)  # another process: there is nothing to wait on but its file
        assert process.poll() is None, process.communicate()
        served = Daemon(process, json.loads(ready_file.read_text()))
        with served.client:
            yield served
    finally:
        process.kill()
        process.communicate()


def refused(*options: str, **environ: str) -> str:
    """Run a daemon that is expected to refuse to start; its one line."""
    done = launch(["serve", *options], {**os.environ, **environ})
    out, err = done.communicate(timeout=20)
    assert (done.returncode, out) == (2, "")
    assert err.count("\n") == 1, err
    return err


def test_the_ready_file_says_where_the_daemon_is(tmp_path: Path) -> None:
    with daemon(tmp_path) as served:
        assert set(served.ready) == {"http", "feed", "pid"}
        assert served.ready["pid"] == served.process.pid
        assert served.client.get("/health/ready").status_code == 200
        with connect(served.feed) as feed:
            assert json.loads(feed.recv())["type"] == "hello"


def test_garbage_is_looked_for_although_none_was_while_it_was_loaded(tmp_path: Path) -> None:
    def collections() -> str:
        (youngest,) = re.findall('gc_collections.*generation="0".*', served.client.get("/metrics").text)
        return str(youngest)

    with daemon(tmp_path) as served:
        before = collections()
        for number in range(60):
            served.client.post("/api/admission/jobs", json={"jobId": f"job-{number}", "memoryBytes": 1})
        assert collections() != before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_clients_connected(tmp_path: Path, number: signal.Signals) -> None:
    with daemon(tmp_path) as served, connect(served.feed) as feed, connect(served.feed) as deaf:
        feed.recv()
        feed.send('{"type":"subscribe","topics":["system"]}')
        deaf.recv()
        idle = socket.create_connection(("127.0.0.1", int(served.http.rpartition(":")[2])))
        served.client.get("/api/actors")
        began = time.monotonic()
        served.process.send_signal(number)
        assert served.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 3
        idle.close()
        assert not (tmp_path / "ready.json").exists()


def catches(pid: int) -> bool:
    """Whether the process has its own handler for SIGTERM: the one for SIGINT was set before it."""
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("SigCgt")]
    return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("milliseconds", variants(200, 0, 100, 400))
def test_a_signal_while_it_starts_ends_it_with_0_and_no_traceback(
    tmp_path: Path, number: signal.Signals, milliseconds: int
) -> None:
    command = [*COMMAND, "--port", "0", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not catches(process.pid):
        time.sleep(0.001)  # the interpreter's own start; it ends by the signal there, as any program does
    time.sleep(milliseconds / 1000)  # the moment is the point
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, "Traceback" in err) == (0, False)


DEAF = """
import os
import re
import sys
import trio
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.runtime import parts

class Deaf:
    async def run(self, *, stopping, task_status):
        task_status.started()
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

class WithDeaf(parts.Supervisor):
    def __init__(self, name, children, **options):
        deaf = ChildSpec(name="deaf", service=Deaf(), grace_seconds=float(os.environ["DEAF_SECONDS"]))
        super().__init__(name, [*children, deaf], **options)

parts.Supervisor = WithDeaf
from aura_actors.__main__ import main
sys.exit(main())
"""


@contextmanager
def deaf_daemon(folder: Path, grace_seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """A daemon with one part that ignores the order to stop, and even its cancellation."""
    ready = folder / "ready.json"
    options = ["serve", "--port", "0", "--data-dir", str(folder / "data"), "--ready-file", str(ready)]
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, *options],
        env={**os.environ, **QUIET, "DEAF_SECONDS": str(grace_seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(1500):
            if ready.exists() or process.poll() is not None:
                break
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_signal_forces_the_end(tmp_path: Path) -> None:
    with deaf_daemon(tmp_path, grace_seconds=600) as process:
        process.send_signal(signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.01)  # a signal that comes too soon is taken for the first one
            process.send_signal(signal.SIGTERM)
            if process.poll() is not None:
                break
        assert process.wait(timeout=10) == 128 + signal.SIGTERM


def test_a_part_that_cannot_be_ended_is_named_and_the_program_ends_without_it(tmp_path: Path) -> None:
    with deaf_daemon(tmp_path, grace_seconds=0.1) as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "parts do not stop" in out + err
    assert "deaf" in out + err
    assert "Traceback" not in out + err


def test_the_ready_file_replaces_and_removes_nothing_of_others(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, tmp_path / "link", tmp_path / "nowhere" / "ready"):
        line = refused("--port", "0", "--data-dir", str(tmp_path / "data"), "--ready-file", str(path))
        assert "--ready-file" in line
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("damage", variants("cut short", "empty", "junk"))
def test_a_damaged_journal_is_one_clear_line_and_never_an_empty_one(tmp_path: Path, damage: str) -> None:
    with daemon(tmp_path) as served:
        for n in range(20):
            served.client.post("/api/admission/jobs", json={"jobId": f"job-{n}", "memoryBytes": 1000})
        served.process.terminate()
        served.process.wait(timeout=10)
    journal = tmp_path / "data" / "journal.db"
    size = journal.stat().st_size
    journal.write_bytes(
        {"empty": b"", "cut short": journal.read_bytes()[: size - 3000], "junk": b"x" * size}[damage]
    )
    done = launch(["serve", "--port", "0", "--data-dir", str(tmp_path / "data")], {**os.environ})
    _, err = done.communicate(timeout=20)
    assert done.returncode == 1
    assert str(journal) in err
    assert "Traceback" not in err


def test_nothing_is_granted_once_the_journal_is_gone(tmp_path: Path) -> None:
    with daemon(tmp_path) as served:
        (tmp_path / "data" / "journal.db").unlink()
        answer = served.client.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 1000})
        assert answer.status_code == 503
        assert "journal" in answer.json()["detail"]


def test_it_serves_with_its_output_closed(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    options = f"--port 0 --data-dir {tmp_path / 'data'} --ready-file {ready}"
    process = subprocess.Popen(["bash", "-c", f"exec {' '.join(COMMAND)} {options} >&- 2>&-"])
    for _ in range(1500):
        if ready.exists() or process.poll() is not None:
            break
        time.sleep(0.01)  # another process: there is nothing to wait on but its file
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_kill_9_loses_no_lease(tmp_path: Path) -> None:
    with daemon(tmp_path) as first:
        before = {}
        for n in range(50):
            answer = first.client.post("/api/admission/jobs", json={"jobId": f"job-{n}", "memoryBytes": 1000})
            before[f"job-{n}"] = answer.json()
        first.process.kill()
        first.process.wait()
    with daemon(tmp_path) as second:
        active = second.client.get("/api/admission/jobs").json()["active"]
        assert {job["jobId"]: job["fence"] for job in active} == {k: v["fence"] for k, v in before.items()}
        renewed = second.client.post(
            "/api/admission/jobs/job-7/renew", headers={"Aura-Lease": before["job-7"]["leaseId"]}
        )
        assert renewed.json()["fence"] == before["job-7"]["fence"]
        fresh = second.client.post("/api/admission/jobs", json={"jobId": "new", "memoryBytes": 1000}).json()
        assert fresh["fence"] > max(lease["fence"] for lease in before.values())
        assert second.client.get("/api/metrics/utilization").json()["activeJobs"] == 51


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("--port", str(port), "--data-dir", str(tmp_path))
    assert str(port) in line
    assert "in use" in line


def test_a_second_daemon_on_the_data_directory_is_one_line(tmp_path: Path) -> None:
    with daemon(tmp_path) as first:
        line = refused("--port", "0", "--data-dir", str(tmp_path / "data"))
        assert str(tmp_path / "data") in line
        assert str(first.process.pid) in line


def test_an_unreadable_configuration_is_one_line(tmp_path: Path) -> None:
    assert "nothing.toml" in refused("--config", str(tmp_path / "nothing.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("[http\n")
    assert "broken.toml" in refused("--config", str(broken))


def test_a_bad_key_is_one_line_with_its_path(tmp_path: Path) -> None:
    config = tmp_path / "aura.toml"
    config.write_text("[admission]\nbytes_perjob = 1\n")
    assert "admission.bytes_perjob" in refused("--config", str(config))
    assert "admission.job_slots" in refused(AURA_ADMISSION__JOB_SLOTS="many").lower()


def test_an_unusable_data_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "data" in refused("--port", "0", "--data-dir", str(tmp_path / "file" / "data"))


def test_serving_others_without_a_token_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    line = refused("--host", "0.0.0.0", "--data-dir", str(tmp_path))
    assert "AURA_HTTP__TOKEN" in line


def test_no_secret_is_in_the_log(tmp_path: Path) -> None:
    with daemon(tmp_path, "--log-format", "json", AURA_HTTP__TOKEN="t0psecret", AURA_LOG__LEVEL="debug") as served:
        headers = {"Authorization": "Bearer t0psecret"}
        lease = served.client.post("/api/admission/jobs", json={"jobId": "a"}, headers=headers).json()["leaseId"]
        served.client.delete("/api/admission/jobs/a", headers={**headers, "Aura-Lease": lease})
        with connect(served.feed, subprotocols=["aura.v1", "bearer.t0psecret"]) as feed:  # type: ignore[list-item]
            assert json.loads(feed.recv())["type"] == "hello"
        served.process.terminate()
        out, err = served.process.communicate(timeout=10)
    assert lease not in out + err
    assert "t0psecret" not in out + err
    assert all(json.loads(line) for line in err.splitlines())


def test_a_unix_socket_serves_the_same(tmp_path: Path) -> None:
    path = tmp_path / "aura.sock"
    with daemon(tmp_path, "--unix", str(path)) as served:
        assert served.ready["unix"] == f"unix:{path}"
        transport = httpx2.HTTPTransport(uds=str(path))
        with sync_client("http://localhost", transport=transport) as client:
            assert client.get("/api/actors").status_code == 200
        served.process.terminate()
        served.process.wait(timeout=10)
    assert not path.exists()
