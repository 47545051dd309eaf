"""SIGHUP: the daemon goes by its configuration as it is now; where that is bad, by the one before it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.runtime.test_cleanup import fill, names, quarantined, run_now, sweepers, until
from tests.runtime.test_serve import Daemon, daemon


def reread(served: Daemon, file: Path, text: str) -> dict[str, Any]:
    """Write this, send SIGHUP; what the log says of it."""
    file.write_text(text)
    served.process.send_signal(signal.SIGHUP)
    assert served.process.stderr is not None
    for line in served.process.stderr:
        said: dict[str, Any] = json.loads(line)
        if "configuration" in said["event"]:
            return said
    raise AssertionError("nothing was said")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """One daemon for all tests of this file, and its configuration."""
    folder = tmp_path_factory.mktemp("daemon")
    path = folder / "aura.toml"
    path.write_text("")
    with daemon(folder, "--config", str(path), "--log-format", "json") as started:
        yield started, path


@pytest.fixture
def file(running: tuple[Daemon, Path]) -> Path:
    return running[1]


@pytest.fixture
def served(running: tuple[Daemon, Path]) -> Daemon:
    """It goes by the defaults."""
    reread(*running, "")
    return running[0]


def answer(served: Daemon, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return served.client.get("/api/metrics/utilization", headers=headers).status_code


def feed_opens(served: Daemon, token: str) -> bool:
    try:
        with connect(served.feed, additional_headers={"Authorization": f"Bearer {token}"}) as feed:
            return bool(json.loads(feed.recv())["type"] == "hello")
    except ConnectionClosed as closed:
        if closed.rcvd is None or closed.rcvd.code != 4401:
            raise
        return False


def test_tokens_are_changed_without_a_restart(served: Daemon, file: Path) -> None:
    assert answer(served, None) == 200
    said = reread(served, file, '[http]\ntoken = "first-token"')
    assert (said["changed"], said["at_next_start"]) == (["http.token"], [])
    assert [answer(served, token) for token in (None, "first-token")] == [401, 200]
    reread(served, file, '[http]\ntoken = "second-token"')
    assert [answer(served, token) for token in ("first-token", "second-token")] == [401, 200]
    assert [feed_opens(served, token) for token in ("first-token", "second-token")] == [False, True]


def test_a_token_of_a_file_is_read_again(served: Daemon, file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("old-token")
    named = f'[http]\ntoken_file = "{secret}"'
    reread(served, file, named)
    secret.write_text("new-token")
    assert reread(served, file, named)["changed"] == ["http.token"]
    assert [answer(served, token) for token in ("old-token", "new-token")] == [401, 200]


def test_a_bad_configuration_is_named_and_the_old_one_holds(served: Daemon, file: Path) -> None:
    reread(served, file, '[http]\ntoken = "first-token"')
    for text, reason in (
        ("[admission]\nmax_jbos = 3", "admission.max_jbos: unknown key; did you mean max_jobs?"),
        ("[alerts]\ncpu_percent = 200", "alerts.cpu_percent"),
        ("[[[", "is not TOML"),
        ('[http]\nhost = "0.0.0.0"', "refusing to serve on 0.0.0.0 without a token"),
        (f'[log]\nlevel = "error"\n[cleanup.cache]\nroot = "{file}"', f"cleanup.cache: {file} cannot be prepared"),
    ):
        said = reread(served, file, text)
        assert said["level"] == "warning"
        assert reason in said["error"]
        assert [answer(served, token) for token in (None, "first-token")] == [401, 200]


def test_what_waits_for_the_next_start_is_named(served: Daemon, file: Path) -> None:
    said = reread(served, file, "[http]\nmax_body = 100\n[alerts]\ncpu_percent = 50\n[sampler]\ninterval = 2")
    assert said["changed"] == ["alerts.cpu_percent"]
    assert said["at_next_start"] == ["http.max_body", "sampler.interval"]


def test_a_lease_survives_the_change_and_new_rules_hold(served: Daemon, file: Path) -> None:
    lease = served.client.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 2**20}).json()
    assert reread(served, file, "[admission]\nmemory_limit = 1")["changed"] == ["admission.memory_limit"]
    renewed = renew(served, lease["leaseId"])
    assert renewed.status_code == 200
    assert renewed.json()["fence"] == lease["fence"]
    refused = served.client.post("/api/admission/jobs", json={"jobId": "b", "memoryBytes": 2**20})
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("/never-fits")


def renew(served: Daemon, lease_id: str) -> httpx2.Response:
    return served.client.post("/api/admission/jobs/a/renew", headers={"Aura-Lease": lease_id})


def test_options_of_the_command_line_still_win(served: Daemon, file: Path) -> None:
    said = reread(served, file, "[http]\nport = 1\n[log]\nformat = 'console'")
    assert (said["changed"], said["at_next_start"]) == ([], [])


def test_a_cleanup_under_way_ends_in_order_and_the_next_one_goes_by_the_new_settings(
    served: Daemon, file: Path
) -> None:
    folder, calm = file.parent, "[cleanup.yielding]\ncpu_percent = 100\nio_percent = 100\n"
    reread(served, file, f"[cleanup]\nnice = 0\n{calm}[cleanup.temp-files]\nolder_than = '0s'")
    files = fill(folder, 3_000)
    run_id = run_now(served, wait=False)["runId"]
    until(lambda: quarantined(folder) > 100)
    said = reread(served, file, f"[cleanup]\nnice = 0\n{calm}[cleanup.temp-files]\nolder_than = '1h'")
    assert said["changed"] == ["cleanup.temp-files.older_than"]

    # Every file is at its place or in quarantine, on record; no process of the old run is at work any more.
    moved = quarantined(folder)
    assert 0 < moved < 3_000
    assert len(names(folder)) + moved == 3_000
    until(lambda: sweepers(served.process.pid) == [])
    until(lambda: served.client.get(f"/api/cleanup/runs/{run_id}").status_code == 200)
    report = served.client.get(f"/api/cleanup/runs/{run_id}").json()
    assert (report["outcome"], report["quarantined"], report["undoable"]) == ("interrupted", moved, True)

    again = run_now(served)
    assert (again["outcome"], again["removed"], again["kept"]) == ("done", 0, {"young": 3_000 - moved})
    assert served.client.post(f"/api/cleanup/runs/{run_id}/undo").json()["restored"] == moved
    assert names(folder) == files
