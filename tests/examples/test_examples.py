"""The examples run as they stand, against a real daemon; the provider is one that the test plays."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import Daemon, daemon

__all__ = ["daemon"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def start(daemon: Daemon | str, *command: str) -> "subprocess.Popen[str]":
    environ = {**os.environ, "AURA_URL": daemon if isinstance(daemon, str) else daemon.url}
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / command[0]), *command[1:]],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(daemon: Daemon | str, *command: str) -> subprocess.CompletedProcess[str]:
    with start(daemon, *command) as process:
        try:
            out, err = process.communicate(timeout=50)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_the_job_runner_runs_each_command_when_there_is_room(daemon: Daemon, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(
        f'#!/bin/sh\necho "$1 begins" >> {tmp_path}/log\nsleep 0.2\necho "$1 ends" >> {tmp_path}/log\n'
    )
    script.chmod(0o755)
    done = run(daemon, "job_runner.py", "--memory", "600MiB", "--", str(script), "one", "two", "three")
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [event for _, event in words] == ["begins", "ends"] * 3, "1 GiB carries one of them at a time"
    assert {name for name, _ in words} == {"one", "two", "three"}


def test_the_job_runner_says_what_never_fits(daemon: Daemon) -> None:
    done = run(daemon, "job_runner.py", "--memory", "2GiB", "--", "true", "one")
    assert done.returncode == 125
    assert "never" in done.stderr


def test_the_job_runner_takes_any_argument_and_says_how_the_worst_one_ended(daemon: Daemon, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text('#!/bin/sh\ncase "$1" in die) kill -9 $$ ;; esac\n')
    script.chmod(0o755)
    done = run(daemon, "job_runner.py", "--memory", "1MiB", "--", str(script), "a/b c", "a/b c", "die")
    assert (done.returncode, done.stderr) == (137, "")
    done = run(daemon, "job_runner.py", "--memory", "1MiB", "--", str(tmp_path / "missing"), "one")
    assert done.returncode == 125
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["job_runner.py", "true", "one", "two"],
        ["render_queue.py", "true", "true"],
        ["llm_caller.py", "http://there", "one", "two"],
    ],
    ids=lambda command: command[0],
)
def test_whoever_waits_for_a_daemon_that_is_not_there_says_so_in_one_line(command: list[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with start(url, *command) as waiting:
            assert waiting.stderr is not None
            patience = threading.Timer(20, waiting.kill)
            patience.start()
            said = waiting.stderr.readline()
            patience.cancel()
            waiting.kill()
            rest = waiting.stderr.read()
    assert said.startswith(f"no daemon answers at {url}: ")
    assert (said.count("asking again"), rest) == (1, "")


def test_the_monitoring_loop_prints_a_line_each_time(daemon: Daemon) -> None:
    done = run(daemon, "monitor.py", "--seconds", "1", "--rounds", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


class Provider(http.server.BaseHTTPRequestHandler):
    """One call at a time, and every third is throttled."""

    calls = 0
    at_once = 0
    most_at_once = 0

    def do_POST(self) -> None:
        kind = type(self)
        kind.calls += 1
        kind.at_once += 1
        kind.most_at_once = max(kind.most_at_once, kind.at_once)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = json.dumps({"text": f"answer to {asked['prompt']}", "tokens": 20}).encode()
        kind.at_once -= 1
        self.send_response(400 if asked["prompt"] == "refused" else 429 if kind.calls % 3 == 0 else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/complete"
        server.shutdown()
        thread.join()


def test_the_caller_of_a_model_stays_within_the_providers_slots(daemon: Daemon, provider: str) -> None:
    done = run(daemon, "llm_caller.py", provider, "a", "b", "c", "d")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"answer to {prompt}" for prompt in "abcd"]
    assert Provider.calls > 4
    assert Provider.most_at_once == 1, "one slot is configured"


def test_the_render_queue_runs_what_fits_and_the_urgent_ones_first(daemon: Daemon, tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = f"sh -c 'echo $0 begins >> {log}; sleep 0.3; echo $0 ends >> {log}' "
    renders = [line + "a", line + "b", line + "c", "!" + line + "urgent"]
    done = run(daemon, "render_queue.py", "--memory", "600MiB", "--", *renders)
    assert (done.returncode, done.stderr) == (0, "")
    words = [entry.split() for entry in log.read_text().splitlines()]
    assert [event for _, event in words] == ["begins", "ends"] * 4, "1 GiB carries one of them at a time"
    begun = [name for name, event in words if event == "begins"]
    assert begun.index("urgent") <= 1, "only what had begun before it is ahead"


def test_a_render_that_is_killed_gives_its_room_to_the_next(daemon: Daemon) -> None:
    done = run(daemon, "render_queue.py", "--memory", "600MiB", "--", "sh -c 'kill -9 $$'", "true")
    assert done.returncode == 137
    assert done.stdout.count("ends with") == 2


def test_a_render_that_cannot_run_takes_no_other_with_it(daemon: Daemon, tmp_path: Path) -> None:
    good = f"sh -c 'sleep 0.5; touch {tmp_path}/rendered'"
    done = run(daemon, "render_queue.py", "--memory", "1MiB", "--", good, "no-such-program", "!", "echo 'open")
    assert (done.returncode, done.stderr.count("\n")) == (125, 3), "one line for each"
    assert (tmp_path / "rendered").exists()
    done = run(daemon, "render_queue.py", "--memory", "2GiB", "--", "true")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), "it never fits"


def test_a_call_that_fails_loses_no_answer_of_the_others(daemon: Daemon, provider: str) -> None:
    done = run(daemon, "llm_caller.py", provider, "a", "refused", "b")
    assert done.stdout.splitlines() == ["answer to a", "answer to b"]
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_the_monitoring_loop_says_in_a_line_that_no_daemon_answers(tmp_path: Path) -> None:
    done = run(f"unix:{tmp_path}/nobody", "monitor.py", "--rounds", "1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
