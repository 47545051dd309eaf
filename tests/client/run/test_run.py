"""`aura-actors run`: exit statuses, signals and streams are the command's own, as a shell shows them."""

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest

from tests.client.run.conftest import Daemon, Start, command, ended, ready_line, state_of, until
from tests.effort import variants


def shown_by_a_shell(line: str, **environ: str) -> str:
    """What `$?` is after this line."""
    done = subprocess.run(
        ["sh", "-c", f"{line}\necho $?"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        start_new_session=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "line",
    [
        "true",
        "sh -c 'exit 3'",
        "sh -c 'exit 255'",
        "sh -c 'kill -KILL $$'",
        "sh -c 'kill -TERM $$'",
        "sh -c 'ulimit -c 0; kill -SEGV $$'",
        "./no-such-command",
        "no-such-command-anywhere",
        "./a-text",
        "/",
        "./a-script-without-a-first-line",
    ],
)
def test_the_exit_status_is_the_one_that_a_shell_shows(aura: Daemon, tmp_path: Path, line: str) -> None:
    (tmp_path / "a-text").write_text("exit 4")
    script = tmp_path / "a-script-without-a-first-line"
    script.write_text("exit 5")
    script.chmod(0o755)
    wrapper = " ".join(command("--memory", "1MiB", "--"))
    here = f"cd {tmp_path};"
    assert shown_by_a_shell(f"{here} {wrapper} {line}", AURA_URL=aura.url) == shown_by_a_shell(f"{here} {line}")


def test_what_comes_after_two_dashes_is_the_commands(aura: Daemon, start: Start) -> None:
    status, out, err = ended(start(aura, "--memory", "1MiB", "--", "printf", "%s,", "--help", "-v", "--", "a b"))
    assert (status, out, err) == (0, "--help,-v,--,a b,", "")


def test_stdin_and_stdout_are_the_commands(aura: Daemon, start: Start) -> None:
    process = start(aura, "--memory", "1MiB", "--", "cat", stdin=subprocess.PIPE)
    assert process.communicate("hello\n", timeout=30) == ("hello\n", "")


def test_the_lease_is_held_while_it_runs_and_given_back_at_the_end(aura: Daemon, start: Start) -> None:
    process = start(
        aura, "--job-id", "held", "--memory", "5MiB", "--", "sh", "-c", "echo $$; read x", stdin=subprocess.PIPE
    )
    pid = int(ready_line(process))
    job = aura.jobs()["held"]
    assert (job["pid"], job["memoryBytes"]) == (pid, 5 * 2**20)
    process.communicate("\n", timeout=30)
    assert "held" not in aura.jobs()


@pytest.mark.parametrize(
    "number", variants(signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, desk=2)
)
def test_a_signal_ends_a_command_that_does_not_expect_it(
    aura: Daemon, start: Start, number: signal.Signals
) -> None:
    process = start(
        aura, "--job-id", number.name, "--memory", "1MiB", "--", "sh", "-c", "ulimit -c 0; echo on; exec sleep 60"
    )
    assert ready_line(process) == "on"
    process.send_signal(number)
    assert ended(process) == (128 + number, "", "")
    assert number.name not in aura.jobs()


@pytest.mark.parametrize(
    "number",
    variants(
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGWINCH,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        desk=3,
    ),
)
def test_a_signal_reaches_a_command_that_waits_for_it(aura: Daemon, start: Start, number: signal.Signals) -> None:
    code = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(9))\n"
        "print('on', flush=True)\n"
        "while True: signal.pause()"
    )
    process = start(aura, "--memory", "1MiB", "--", sys.executable, "-c", code)
    assert ready_line(process) == "on"
    process.send_signal(number)
    assert ended(process)[0] == 9


def test_an_ending_signal_reaches_what_the_command_started(aura: Daemon, start: Start) -> None:
    process = start(aura, "--memory", "1MiB", "--", "sh", "-c", "sleep 60 & echo $!; wait")
    child = int(ready_line(process))
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    until(lambda: state_of(child) in ("", "Z"))


def test_a_command_is_stopped_and_goes_on(aura: Daemon, start: Start) -> None:
    process = start(aura, "--memory", "1MiB", "--", "sh", "-c", "echo $$; read x; echo $x", stdin=subprocess.PIPE)
    pid = int(ready_line(process))
    process.send_signal(signal.SIGTSTP)
    until(lambda: state_of(pid) == "T")
    process.send_signal(signal.SIGCONT)
    until(lambda: state_of(pid) == "S")
    assert process.communicate("again\n", timeout=30)[0] == "again\n"


def test_signals_that_were_ignored_stay_ignored(aura: Daemon) -> None:
    wrapper = command("--memory", "1MiB", "--", "sh", "-c", "echo on; sleep 0.5; kill -HUP $$; exit 6")
    process = subprocess.Popen(
        ["nohup", *wrapper], env={**os.environ, "AURA_URL": aura.url}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    assert ready_line(process) == "on"
    process.send_signal(signal.SIGHUP)
    assert ended(process)[0] == 6


def test_dispositions_and_mask_are_those_that_the_wrapper_was_started_with(aura: Daemon, start: Start) -> None:
    show = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]
    alone = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert ended(start(aura, "--memory", "1MiB", "--", *show))[1] == alone


def test_without_a_daemon_it_says_so_and_starts_nothing(tmp_path: Path, start: Start) -> None:
    status, out, err = ended(start(Daemon(tmp_path), "--", "touch", str(tmp_path / "trace")))
    assert (status, out) == (69, "")
    assert err.startswith("aura-actors: no daemon answers at http://127.0.0.1:")
    assert err.count("\n") == 1
    assert not (tmp_path / "trace").exists()


class _Another(http.server.SimpleHTTPRequestHandler):
    """A server on the port that is none of ours: 404 to a GET, 501 to a POST."""

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_is_none_of_ours_is_no_daemon(start: Start) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Another) as server:
        threading.Thread(target=server.serve_forever).start()
        other = types.SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}")
        status, out, err = ended(start(other, "--wait", "0", "--", "echo", "begun"))
        server.shutdown()
    assert (status, out, err.count("\n")) == (69, "", 1)
    assert err.startswith(f"aura-actors: no daemon answers at {other.url}: ")


def test_what_fits_never_is_refused_at_once(aura: Daemon, start: Start) -> None:
    status, _, err = ended(start(aura, "--memory", "100TiB", "--", "true"))
    assert status == 65
    assert err.startswith(
        "aura-actors: it never fits here: memory: more memory than this machine has even when idle"
    )
    assert re.search(r"\(needs [0-9.]+ [PTG]iB of [0-9.]+ [MGT]iB\)$", err.strip())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "CMD"),
        (["--"], "CMD"),
        (["--memory", "much", "--", "true"], "--memory"),
        (["--memory", "auto", "--", "true"], "--memory"),
        (["--memory", "auto", "--kind", "k", "--no-daemon", "--", "true"], "--memory"),
        (["--wait", "soon", "--", "true"], "--wait"),
        (["--nonsense", "--", "true"], "--nonsense"),
        (["--job-id", "a/b", "--", "true"], "--job-id"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(aura: Daemon, start: Start, arguments: list[str], part: str) -> None:
    status, out, err = ended(start(aura, *arguments))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert part in err


def test_an_id_that_somebody_else_holds_is_a_wrong_call(aura: Daemon, start: Start) -> None:
    body = {"jobId": "theirs", "memoryBytes": 1, "owner": "them"}
    lease = aura.client.post("/api/admission/jobs", json=body).json()
    status, _, err = ended(start(aura, "--job-id", "theirs", "--", "true"))
    aura.client.delete("/api/admission/jobs/theirs", headers={"Aura-Lease": lease["leaseId"]})
    assert (status, err) == (2, "aura-actors: job theirs is held by another owner\n")


def test_without_a_daemon_it_can_decide_alone(tmp_path: Path, start: Start) -> None:
    nobody: Any = Daemon(tmp_path)
    free = {"env": {"AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100"}}
    assert ended(start(nobody, "--no-daemon", "--memory", "1MiB", "--", "sh", "-c", "exit 8"))[0] == 8
    status, _, err = ended(start(nobody, "--no-daemon", "--memory", "100TiB", "--", "true"))
    assert status == 65
    assert re.match(r"aura-actors: it never fits here: memory: needs 100\.0 TiB of [0-9.]+ [KMGT]iB$", err)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    most = str(total - 500 * 1000**2)
    began = time.monotonic()
    status, _, err = ended(start(nobody, "--no-daemon", "--memory", most, "--wait", "0.2", "--", "true", **free))
    assert status == 75, err
    assert "needs more than is free" in err
    assert time.monotonic() - began < 10


def test_help_says_what_the_exit_statuses_mean() -> None:
    done = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    for word in ("65", "69", "75", "126", "127", "128+N", "--cap", "--no-daemon", "--wait"):
        assert word in done.stdout
