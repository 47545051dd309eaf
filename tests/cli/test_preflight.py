"""`aura-actors preflight` puts the daemon's decision into its exit status."""

import json
from typing import Any

import pytest

from aura_actors.cli.app import run

REASON = {
    "dimension": "memory",
    "needed": 4.0,
    "available": 1.0,
    "shortfall": 3.0,
    "holders": ["a"],
    "external": False,
    "text": "needs 4 GiB, 1 GiB is free",
}
ASK = "POST /api/admission/preflight"


def decision(word: str, *reasons: object) -> tuple[int, dict[str, object]]:
    return 200, {"decision": word, "reasons": list(reasons), "position": None, "boundSeconds": None}


@pytest.mark.parametrize(("word", "status"), [("grant", 0), ("wait", 1), ("never", 2)])
def test_the_decision_is_the_exit_status(
    daemon: Any, capsys: pytest.CaptureFixture[str], word: str, status: int
) -> None:
    daemon.answers[ASK] = decision(word, REASON)
    assert run(["preflight"]) == status
    out = capsys.readouterr().out
    assert out.startswith(f"{word}: ")
    assert "memory: needs 4 GiB, 1 GiB is free" in out


def test_the_options_are_the_request(daemon: Any) -> None:
    daemon.answers[ASK] = decision("grant")
    needs = ["--memory", "1.5GiB", "--cpu", "1.5", "--gpu", "--gpu-memory", "1GiB", "--priority", "high"]
    assert run(["preflight", *needs, "--job-id", "video-1", "--kind", "render"]) == 0
    ((_, headers, body),) = daemon.asked
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "jobId": "video-1",
        "memoryBytes": 3 * 512 * 1024**2,
        "cpuCores": 1.5,
        "gpu": {"required": True, "memoryBytes": 1024**3},
        "priority": "high",
        "kind": "render",
    }


def test_a_preferred_gpu_is_not_a_required_one(daemon: Any) -> None:
    daemon.answers[ASK] = decision("grant")
    assert run(["preflight", "--prefer-gpu", "--job-id", "a"]) == 0
    assert json.loads(daemon.asked[0][2]) == {"jobId": "a", "priority": "normal", "gpu": {"preferred": True}}


def test_json_is_the_daemons_answer(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[ASK] = decision("wait", REASON)
    assert run(["preflight", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == decision("wait", REASON)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--memory", "2gib"],
        ["--memory", "-1"],
        ["--memory="],
        ["--memory", "9PiB"],
        ["--cpu", "-1"],
        ["--cpu", "nan"],
        ["--cpu", "many"],
        ["--gpu-memory", "1GiB"],
        ["--gpu-memory", "x", "--gpu"],
        ["--gpu-memory", "9PiB", "--gpu"],
        ["--prefer-gpu", "--gpu"],
        ["--job-id", "a/b"],
        ["--job-id="],
        ["--kind", "a b"],
        ["--priority", "urgent"],
    ],
)
def test_a_bad_option_is_named_and_nobody_is_asked(
    daemon: Any, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["preflight", *arguments]) == 2
    err = capsys.readouterr().err
    assert arguments[0].rstrip("=") in err
    assert err.count("\n") == 1
    assert daemon.asked == []


def test_an_id_that_somebody_else_holds_is_a_wrong_call(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[ASK] = (409, {"detail": "a belongs to somebody else"})
    assert run(["preflight", "--job-id", "a"]) == 2
    assert capsys.readouterr().err == "aura-actors: a belongs to somebody else\n"


def test_a_value_that_the_daemon_refuses_is_a_wrong_call(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[ASK] = (422, {"detail": "jobId is taken\nby somebody"})
    assert run(["preflight"]) == 2
    assert capsys.readouterr().err == "aura-actors: jobId is taken\\nby somebody\n"


def test_cores_are_told_with_how_many_there_are(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cores = {"dimension": "cores", "needed": 64, "available": 2, "shortfall": 62, "holders": [], "external": True}
    daemon.answers[ASK] = decision("never", cores | {"text": "too much"})
    run(["preflight", "--cpu", "64"])
    assert "cores: too much (needs 64, 2 left)" in capsys.readouterr().out
