"""Cleanup through a real daemon: over HTTP, from the command line, and with either process killed in the middle."""

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import connect

from aura_actors.cli.app import run as command
from tests.runtime.test_serve import Daemon, daemon

SECONDS = 30.0
NOW = {
    "AURA_CLEANUP__TEMP_FILES__OLDER_THAN": "0s",
    "AURA_CLEANUP__NICE": "0",
    "AURA_CLEANUP__YIELDING__CPU_PERCENT": "100",
    "AURA_CLEANUP__YIELDING__IO_PERCENT": "100",
}
"""Everything is old; and beside other tests, who gives way would hardly get anything done."""


@contextmanager
def cleaning(folder: Path, **environ: str) -> Iterator[Daemon]:
    """A daemon for which every temporary file is old."""
    with daemon(folder, **NOW, **environ) as served:
        served.client.timeout = SECONDS
        yield served


def fill(folder: Path, count: int) -> set[str]:
    root = folder / "data" / "temp"
    for number in range(count):
        (root / f"file-{number:05}").write_bytes(b"x" * 10)
    return names(folder)


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data" / "temp").iterdir() if not path.name.startswith(".aura")}


def quarantined(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder / "data" / "temp" / ".aura-trash"))


def run_now(served: Daemon, *, wait: bool = True, dry_run: bool = False) -> dict[str, Any]:
    answer = served.client.post(f"/api/cleanup/temp-files/run{'?wait=1' if wait else ''}", json={"dryRun": dry_run})
    assert answer.status_code == (200 if wait else 202), answer.text
    return dict(answer.json())


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.005)  # other processes: there is nothing to wait on


def sweepers(pid: int) -> list[psutil.Process]:
    """The children of a daemon that do a cleanup run."""
    return [each for each in psutil.Process(pid).children() if "aura_actors.workers.sweep" in spoken(each)]


def spoken(process: psutil.Process) -> list[str]:
    """The command line; empty once the process has ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def test_from_the_command_line_a_run_is_looked_at_done_and_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with cleaning(tmp_path) as served:
        monkeypatch.setenv("AURA_URL", served.http)
        files = fill(tmp_path, 3)

        assert command(["cleanup", "run", "temp-files", "--dry-run", "--verbose"]) == 0
        out = capsys.readouterr().out
        assert "temp-files: done; would remove 3 items (30 B)" in out
        assert "remove: " in out
        assert "file-00002  10 B" in out
        assert names(tmp_path) == files

        assert command(["cleanup", "run", "temp-files", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["removed"], report["quarantined"], report["undoable"]) == (3, 3, True)
        assert names(tmp_path) == set()

        assert command(["cleanup", "list"]) == 0
        out = capsys.readouterr().out
        assert "temp-files" in out
        assert "in quarantine: 3 items, 30 B" in out

        assert command(["cleanup", "undo", report["runId"]]) == 0
        assert capsys.readouterr().out == "temp-files: 3 items put back\n"
        assert names(tmp_path) == files

        assert command(["cleanup", "undo", report["runId"]]) == 2
        assert "done already" in capsys.readouterr().err
        assert command(["cleanup", "undo", "nobody"]) == 2
        assert command(["cleanup", "run", "nonsense"]) == 2
        assert "temp-files" in capsys.readouterr().err
        # What the default layout has nothing for is no error.
        for task in ("cache", "export-history", "vacuum", "archive-projects"):
            assert command(["cleanup", "run", task]) == 0, capsys.readouterr()


def test_what_operators_do_is_written_down(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        run_id = run_now(served)["runId"]
        run_now(served, dry_run=True)
        served.client.post("/api/admission/drain", json={"on": True})
        served.client.post("/api/admission/drain", json={"on": False})
        served.client.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 1})
        served.client.post("/api/admission/jobs/a/revoke")
        with sqlite3.connect(tmp_path / "data" / "aura.db") as audit:
            rows = audit.execute("SELECT actor, action, target FROM action_logs ORDER BY id").fetchall()
        audit.close()
    assert rows == [
        ("anonymous", "cleanup.run", f"temp-files {run_id}"),
        ("anonymous", "drain.on", None),
        ("anonymous", "drain.off", None),
        ("anonymous", "jobs.revoke", "a"),
    ]


def test_no_process_stays_when_a_run_is_over(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        assert sweepers(served.process.pid) == []
        run_now(served)
        until(lambda: sweepers(served.process.pid) == [])


def test_what_a_live_job_holds_is_left_alone_until_it_ends(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        fill(tmp_path, 3)
        held = tmp_path / "data" / "temp" / "file-00001"
        body = {"jobId": "a", "memoryBytes": 1, "holdPaths": [str(held)]}
        lease = served.client.post("/api/admission/jobs", json=body).json()
        report = run_now(served)
        assert report["kept"] == {"pinned": 1}
        assert names(tmp_path) == {held.name}
        served.client.request("DELETE", "/api/admission/jobs/a", headers={"Aura-Lease": lease["leaseId"]})
        assert run_now(served)["removed"] == 1


def test_what_a_waiting_job_holds_is_left_alone_until_it_gives_up(tmp_path: Path) -> None:
    with cleaning(tmp_path, AURA_ADMISSION__JOB_SLOTS="1") as served:
        fill(tmp_path, 3)
        held = tmp_path / "data" / "temp" / "file-00001"
        served.client.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 1})
        body = {"jobId": "b", "memoryBytes": 1, "waitSeconds": 0.01, "holdPaths": [str(held)]}
        waits = served.client.post("/api/admission/jobs", json=body)
        assert waits.status_code == 202
        assert run_now(served)["kept"] == {"pinned": 1}
        assert names(tmp_path) == {held.name}
        ticket = {"Aura-Ticket": waits.json()["ticket"]}
        assert served.client.request("DELETE", "/api/admission/jobs/b", headers=ticket).status_code == 204
        assert run_now(served)["removed"] == 1


@pytest.mark.parametrize("name", ["quarantine.db", "cleanup.db"])
def test_a_store_of_cleanup_that_is_broken_keeps_nobody_from_being_admitted(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(os.urandom(8_192))
    with cleaning(tmp_path) as served:
        assert name in served.client.get("/api/cleanup").json()["problems"][0]
        report = run_now(served)
        assert (report["outcome"], name in report["detail"]) == ("declined", True)
        body = {"jobId": "a", "memoryBytes": 1}
        assert served.client.post("/api/admission/jobs", json=body).status_code == 201
        assert served.process.poll() is None


def test_two_who_ask_at_once_get_the_report_of_one_run(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        fill(tmp_path, 500)
        reports: list[dict[str, Any]] = []
        threads = [threading.Thread(target=lambda: reports.append(run_now(served))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reports[0] == reports[1]
        assert len(served.client.get("/api/cleanup/runs").json()["runs"]) == 1


def test_a_killed_daemon_leaves_every_file_in_place_or_in_quarantine_and_the_run_can_be_undone(
    tmp_path: Path,
) -> None:
    with cleaning(tmp_path) as served:
        files = fill(tmp_path, 3_000)
        run_id = run_now(served, wait=False)["runId"]
        until(lambda: quarantined(tmp_path) > 100)
        (sweeper,) = sweepers(served.process.pid)
        served.process.send_signal(signal.SIGKILL)
        until(lambda: not sweeper.is_running() or sweeper.status() == psutil.STATUS_ZOMBIE)
        assert 0 < quarantined(tmp_path) < 3_000
        assert len(names(tmp_path)) + quarantined(tmp_path) == 3_000
    with cleaning(tmp_path) as served:
        report = served.client.get(f"/api/cleanup/runs/{run_id}").json()
        assert report["outcome"] == "interrupted"
        until(lambda: sweepers(served.process.pid) == [])
        state = served.client.get("/api/cleanup").json()
        assert state["quarantined"] == quarantined(tmp_path)
        assert served.client.post(f"/api/cleanup/runs/{run_id}/undo").json()["undoable"] is False
        assert names(tmp_path) == files
        assert quarantined(tmp_path) == 0


def test_a_killed_process_is_an_interrupted_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        fill(tmp_path, 2_000)
        run_id = run_now(served, wait=False)["runId"]
        until(lambda: quarantined(tmp_path) > 100)
        (sweeper,) = sweepers(served.process.pid)
        sweeper.kill()
        until(lambda: served.client.get(f"/api/cleanup/runs/{run_id}").status_code == 200)
        report = served.client.get(f"/api/cleanup/runs/{run_id}").json()
        assert report["outcome"] == "interrupted"
        assert "SIGKILL" in report["detail"]
        assert (report["undoable"], report["removed"] > 0, report["quarantined"] > 100) == (True, True, True)
        assert run_now(served)["outcome"] == "done"
        run_now(served)  # what was put back first was as young as that
        assert names(tmp_path) == set()
        assert quarantined(tmp_path) == 2_000
        assert served.client.get("/health/ready").status_code == 200


def test_sigterm_in_the_middle_of_a_run_ends_it_in_order(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        fill(tmp_path, 3_000)
        run_id = run_now(served, wait=False)["runId"]
        until(lambda: quarantined(tmp_path) > 100)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=10) == 0
    with cleaning(tmp_path) as served:
        report = served.client.get(f"/api/cleanup/runs/{run_id}").json()
        assert (report["outcome"], report["undoable"]) == ("interrupted", True)
        assert report["quarantined"] == quarantined(tmp_path) > 0


def test_a_run_can_be_stopped_over_http(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served:
        fill(tmp_path, 3_000)
        run_id = run_now(served, wait=False)["runId"]
        until(lambda: quarantined(tmp_path) > 0)
        report = served.client.post(f"/api/cleanup/runs/{run_id}/stop").json()
        assert report["outcome"] == "interrupted"
        assert report["removed"] == report["quarantined"] == quarantined(tmp_path) < 3_000
        assert served.client.post(f"/api/cleanup/runs/{run_id}/stop").status_code == 404


def test_a_finished_run_is_an_event_on_the_feed_and_progress_is_in_its_snapshots(tmp_path: Path) -> None:
    with cleaning(tmp_path) as served, connect(served.feed, proxy=None) as feed:
        fill(tmp_path, 8_000)
        feed.recv()
        feed.send('{"type":"subscribe","topics":["cleanup"]}')
        run_id = run_now(served, wait=False)["runId"]
        progress = []
        while True:
            frame = json.loads(feed.recv(timeout=SECONDS))
            if frame["type"] == "event":
                break
            if frame["type"] == "snapshot":
                progress += [task["progress"] for task in frame["data"]["tasks"] if task["progress"]]
        assert (frame["topic"], frame["data"]["runId"], frame["data"]["outcome"]) == ("cleanup", run_id, "done")
        assert frame["data"]["removed"] == 8_000
        assert progress
        assert {each["runId"] for each in progress} == {run_id}
