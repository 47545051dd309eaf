"""A real daemon that can be killed and started again, and the wrapper as a process of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.folders import shared
from tests.launcher import Launched, launch_into
from tests.tty import until as until

MIB = 2**20
QUIET = {
    "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__JOB_SLOTS": "1000",
    "AURA_ADMISSION__MEMORY_LIMIT": "1GiB",
}


class Daemon:
    """A daemon on one port and one data directory, over its lives."""

    def __init__(self, folder: Path, **environ: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._environ = environ
        self._process: Launched | None = None
        self.client = httpx2.Client(base_url=self.url, trust_env=False)

    def start(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        options = ["--port", str(self.port), "--data-dir", str(self.folder / "data"), "--ready-file", str(ready)]
        environ = {**os.environ, **QUIET, **self._environ}
        self._process = launch_into(self.folder / "log", ["serve", *options], environ)
        until(ready.exists, "the daemon did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def jobs(self) -> dict[str, Any]:
        """Active jobs and waiters, by id."""
        answer = self.client.get("/api/admission/jobs").json()
        return {each["jobId"]: each for each in answer["active"] + answer["queue"]}

    def job(self, job_id: str) -> Any:
        """Once it is there."""
        return until(lambda: self.jobs().get(job_id), f"{job_id} never asked")

    def gone(self, job_id: str) -> None:
        until(lambda: job_id not in self.jobs(), f"{job_id} is still there")

    def kind(self, name: str) -> Any:
        found = self.client.get("/api/admission/kinds").json()["kinds"]
        return next((each for each in found if each["kind"] == name), None)

    def take_all(self) -> Callable[[], None]:
        """Fill the budget; the answer gives it back."""
        body = {"jobId": "filler", "memoryBytes": 1024 * MIB, "ttlSeconds": 60}
        lease = self.client.post("/api/admission/jobs", json=body).json()

        def give_back() -> None:
            headers = {"Aura-Lease": lease["leaseId"]}
            self.client.delete("/api/admission/jobs/filler", headers=headers).raise_for_status()

        return give_back


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Daemon]:
    served = Daemon(folder)
    served.start()
    with served.client:
        yield served
    served.kill()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One of this test's own."""
    with running(tmp_path) as served:
        yield served


THE_AURA = pytest.StashKey[Daemon]()


@pytest.fixture
def aura(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """One for all tests of this folder that do it no harm."""
    return shared(request, THE_AURA, running(tmp_path_factory.mktemp("aura")))


Start = Callable[..., "subprocess.Popen[str]"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aura_actors", "run", *arguments]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a wrapper without a terminal, in a session of its own; it is ended with the test."""
    begun: list[subprocess.Popen[str]] = []

    def starter(daemon: Daemon, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        environ = {**os.environ, "AURA_URL": daemon.url, **options.pop("env", {})}
        defaults = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "start_new_session": True,
        }
        prefix = options.pop("prefix", [])
        process = subprocess.Popen([*prefix, *command(*arguments)], env=environ, **{**defaults, **options})
        begun.append(process)
        return process

    yield starter
    for process in begun:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def state_of(pid: int) -> str:
    """`R`, `S`, `T`, `Z`; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    return state_of(pid) not in ("", "Z", "X")


def ready_line(process: "subprocess.Popen[str]") -> str:
    """The first line that the command prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
