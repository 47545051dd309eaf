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
