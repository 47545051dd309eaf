"""`aura-actors run` while others die: the wrapper, the command, the daemon; and whoever waits may leave."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.client.run.conftest import Daemon, Start, alive, ended, ready_line, until
from tests.effort import variants

SLEEPER = ("sh", "-c", "echo $$; exec sleep 60")


# --- while it waits ---


@pytest.mark.parametrize("number", variants(signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
def test_whoever_is_told_to_end_while_it_waits_leaves_the_queue(
    daemon: Daemon, start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    daemon.take_all()
    process = start(daemon, "--job-id", "waiter", "--memory", "1MiB", "--", "touch", str(tmp_path / "trace"))
    daemon.job("waiter")
    process.send_signal(number)
    assert ended(process)[0] == 128 + number
    daemon.gone("waiter")
    assert not (tmp_path / "trace").exists()


def test_it_starts_when_room_is_made(daemon: Daemon, start: Start) -> None:
    give_back = daemon.take_all()
    process = start(daemon, "--job-id", "waiter", "--memory", "1MiB", "--", "echo", "begun")
    place = daemon.job("waiter")
    assert (place["position"], place["attended"]) == (1, True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("aura-actors: waiting: place 1, memory_limit: ")
    give_back()
    assert ended(process) == (0, "begun\n", "")


def test_it_waits_as_long_as_it_was_told_and_no_longer(daemon: Daemon, start: Start) -> None:
    daemon.take_all()
    began = time.monotonic()
    status, out, err = ended(
        start(daemon, "--job-id", "waiter", "--memory", "1MiB", "--wait", "1s", "--", "echo", "no")
    )
    assert (status, out) == (75, "")
    assert 1 <= time.monotonic() - began < 6
    assert "aura-actors: there was no room in time" in err
    daemon.gone("waiter")
    began = time.monotonic()
    assert ended(start(daemon, "--memory", "1MiB", "--wait", "0", "--", "echo", "no"))[:2] == (75, "")
    assert time.monotonic() - began < 5


def test_a_wrapper_that_is_killed_while_it_waits_leaves_nothing(
    daemon: Daemon, start: Start, tmp_path: Path
) -> None:
    give_back = daemon.take_all()
    process = start(daemon, "--job-id", "waiter", "--memory", "1MiB", "--", "touch", str(tmp_path / "trace"))
    daemon.job("waiter")
    process.kill()
    ended(process)
    daemon.gone("waiter")
    give_back()
    assert not (tmp_path / "trace").exists()


def test_a_place_that_an_operator_takes_away_ends_it(daemon: Daemon, start: Start) -> None:
    daemon.take_all()
    process = start(daemon, "--job-id", "waiter", "--memory", "1MiB", "--", "true")
    daemon.job("waiter")
    daemon.client.post("/api/admission/jobs/waiter/revoke", json={})
    status, _, err = ended(process)
    assert status == 75
    assert "given up or revoked" in err


def test_a_daemon_that_is_killed_while_it_waits_is_asked_again(daemon: Daemon, start: Start) -> None:
    daemon.take_all()
    process = start(daemon, "--job-id", "waiter", "--memory", "1GiB", "--", "echo", "begun")
    daemon.job("waiter")
    daemon.kill()
    time.sleep(0.5)
    daemon.start()
    place = daemon.job("waiter")
    assert place["position"] == 1
    daemon.client.post("/api/admission/jobs/filler/revoke", json={})
    status, out, err = ended(process)
    assert (status, out) == (0, "begun\n"), err
    assert "asking again" in err


def test_a_daemon_that_drains_is_waited_for(daemon: Daemon, start: Start) -> None:
    daemon.client.post("/api/admission/drain", json={"on": True})
    process = start(daemon, "--memory", "1MiB", "--", "echo", "begun")
    assert process.stderr is not None
    assert "nothing new is admitted" in process.stderr.readline()
    daemon.client.post("/api/admission/drain", json={"on": False})
    assert ended(process)[:2] == (0, "begun\n")


# --- while it runs ---


def test_a_command_that_is_killed_is_status_137_and_its_lease_ends(aura: Daemon, start: Start) -> None:
    import os

    process = start(aura, "--job-id", "killed", "--memory", "1MiB", "--", *SLEEPER)
    os.kill(int(ready_line(process)), signal.SIGKILL)
    assert ended(process)[0] == 137
    assert "killed" not in aura.jobs()


def test_a_wrapper_that_is_killed_leaves_the_command_its_lease_until_it_ends(aura: Daemon, start: Start) -> None:
    import os

    process = start(aura, "--job-id", "orphan", "--memory", "1MiB", "--", *SLEEPER)
    pid = int(ready_line(process))
    process.kill()
    process.wait()
    time.sleep(0.3)
    assert alive(pid)
    job = aura.jobs()["orphan"]
    assert (job["pid"], job["ttlSeconds"]) == (pid, 300)
    os.kill(pid, signal.SIGKILL)
    aura.gone("orphan")


def test_a_daemon_that_is_killed_finds_the_lease_again_and_it_is_renewed(tmp_path: Path, start: Start) -> None:
    daemon = Daemon(tmp_path, AURA_ADMISSION__MAX_LEASE_TTL="2s", AURA_ADMISSION__LEASE_TTL="2s")
    daemon.start()
    try:
        process = start(daemon, "--job-id", "steady", "--memory", "1MiB", "--", *SLEEPER)
        pid = int(ready_line(process))
        fence = daemon.job("steady")["fence"]
        daemon.kill()
        time.sleep(0.5)
        assert alive(pid)
        daemon.start()
        first = daemon.jobs()["steady"]
        assert (first["fence"], first["pid"]) == (fence, pid)
        until(lambda: daemon.jobs()["steady"]["expiresAt"] > first["expiresAt"])
        time.sleep(2.5)
        assert daemon.jobs()["steady"]["fence"] == fence
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 143
        assert "steady" not in daemon.jobs()
    finally:
        daemon.kill()
        daemon.client.close()


def test_a_daemon_that_stays_away_keeps_no_command_from_ending(tmp_path: Path, start: Start) -> None:
    daemon = Daemon(tmp_path)
    daemon.start()
    with daemon.client:
        process = start(daemon, "--memory", "1MiB", "--", "sh", "-c", "echo on; read x; exit 5", stdin=-1)
        assert ready_line(process) == "on"
        daemon.kill()
        began = time.monotonic()
        process.communicate("\n", timeout=30)
        assert process.returncode == 5
        assert time.monotonic() - began < 5


def test_a_lease_that_is_revoked_is_said_and_the_command_goes_on(tmp_path: Path, start: Start) -> None:
    daemon = Daemon(tmp_path, AURA_ADMISSION__MAX_LEASE_TTL="1s", AURA_ADMISSION__LEASE_TTL="1s")
    daemon.start()
    with daemon.client:
        process = start(
            daemon, "--job-id", "r", "--memory", "1MiB", "--", sys.executable, "-c",
            "print('on', flush=True); input(); raise SystemExit(4)", stdin=-1,
        )  # fmt: skip
        assert ready_line(process) == "on"
        daemon.client.post("/api/admission/jobs/r/revoke", json={})
        assert process.stderr is not None
        assert "the lease ended: there is no live lease of r; the command goes on" in process.stderr.readline()
        process.communicate("\n", timeout=30)
        assert process.returncode == 4
        daemon.kill()
