"""`aura-actors jobs` and `drain`: what is there is shown as it is, and what is asked for is asked."""

import json
from typing import Any

import pytest

from aura_actors.cli.app import run

LIST = "GET /api/admission/jobs"
REVOKE = "POST /api/admission/jobs/video-1/revoke"
DRAIN = "POST /api/admission/drain"
REASON = {
    "dimension": "memory", "needed": 4 * 1024**3, "available": -5.0, "shortfall": 1, "holders": ["video-1"],
    "external": False, "text": "needs more than is free",
}  # fmt: skip
ACTIVE = {
    "jobId": "video-1", "fence": 1, "owner": "me", "memoryBytes": 2 * 1024**3, "measuredBytes": None,
    "attribution": "none", "cpuCores": 1.5, "gpus": [{"index": None, "uuid": "g"}], "scratchBytes": 0, "units": {},
    "providers": [], "priority": "high", "kind": None, "pid": None, "maxRuntimeSeconds": None,
    "grantedAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T00:00:30Z", "ttlSeconds": 30,
}  # fmt: skip
WAITING = {
    "jobId": "big\u001b[31m", "owner": "you", "priority": "low", "kind": None, "memoryBytes": 4 * 1024**3,
    "position": 1, "waitedSeconds": 12.5, "attended": False, "protected": True, "reasons": [REASON],
}  # fmt: skip
JOBS = {"active": [ACTIVE], "queue": [WAITING]}


def test_jobs_and_waiters_are_listed_with_their_reasons(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[LIST] = (200, JOBS)
    assert run(["jobs", "list"]) == 0
    out = capsys.readouterr().out
    words = out.split()
    assert {"video-1", "2.0", "GiB", "-", "1.5", "high", "00:00:30", "unattended,"} <= set(words)
    assert "memory: needs more than is free (needs 4.0 GiB, 0 B left; held by video-1)" in " ".join(words)
    assert "\\x1b[31m" in out
    assert "\x1b" not in out


def test_no_jobs_is_said(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[LIST] = (200, {"active": [], "queue": []})
    assert run(["jobs", "list"]) == 0
    assert capsys.readouterr().out == "no jobs\n"


def test_that_nothing_new_is_admitted_is_said_above_the_jobs(
    daemon: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[LIST] = (200, {"active": [], "queue": [], "draining": True})
    assert run(["jobs", "list"]) == 0
    assert capsys.readouterr().out == "draining: nothing new is admitted\nno jobs\n"


def test_json_is_the_daemons_answer(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[LIST] = (200, JOBS)
    assert run(["jobs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == JOBS


def test_revoke_asks_for_the_end_of_this_job(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[REVOKE] = (204, b"")
    assert run(["jobs", "revoke", "video-1"]) == 0
    assert run(["jobs", "revoke", "video-1", "--json"]) == 0
    assert capsys.readouterr().out == 'video-1: revoked\n{"revoked":"video-1"}\n'
    assert [asked[0] for asked in daemon.asked] == [REVOKE, REVOKE]


def test_a_job_that_is_not_there_is_a_wrong_call(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[REVOKE] = (410, {"detail": "there is no live lease of video-1"})
    assert run(["jobs", "revoke", "video-1"]) == 2
    assert capsys.readouterr().err == "aura-actors: there is no live lease of video-1\n"


@pytest.mark.parametrize("job", ["a/b", "", "a b", "..%2f"])
def test_an_id_that_no_job_can_have_is_not_asked_about(
    daemon: Any, capsys: pytest.CaptureFixture[str], job: str
) -> None:
    assert run(["jobs", "revoke", job]) == 2
    assert capsys.readouterr().err.startswith("aura-actors: JOB: ")
    assert daemon.asked == []


@pytest.mark.parametrize(("word", "said"), [("on", "draining: nothing new"), ("off", "not draining: jobs are")])
def test_drain_says_what_holds_now(daemon: Any, capsys: pytest.CaptureFixture[str], word: str, said: str) -> None:
    daemon.answers[DRAIN] = (200, {"on": word == "on"})
    assert run(["drain", word]) == 0
    assert capsys.readouterr().out.startswith(said)
    assert json.loads(daemon.asked[0][2]) == {"on": word == "on"}


def test_drain_as_json(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[DRAIN] = (200, {"on": True})
    assert run(["drain", "on", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"on": True}


def test_drain_wants_on_or_off(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drain", "perhaps"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert daemon.asked == []
