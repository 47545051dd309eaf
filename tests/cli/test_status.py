"""`aura-actors status` shows a running daemon on one screen."""

import json
from typing import Any

import pytest

from aura_actors.cli.app import run


def test_status_shows_use_reservations_providers_and_actors(
    daemon: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    for part in (
        "12.3 % of 8 cores",
        "25.0 %, 4.0 GiB of 16.0 GiB",
        "1 of 4 in use, 3 free",
        "2.0 GiB",
        "OpenAI 2/5",
        "Alert      cpu is at 99 %",
        "5 wait: train-1 (12 s), train-2 (12 s), train-3 (12 s) and 2 more",
    ):
        assert part in out
    render = next(line for line in out.splitlines() if line.startswith("render"))
    assert render.split() == ["render", "12", "1", "3.0", "GiB", "4.0", "GiB", "6.0", "GiB", "61.0", "s", "-"]
    sampler = next(line for line in out.splitlines() if "sampler" in line)
    for part in ("  sampler", "running", "2", "3/64", "ValueError: [red]bad"):
        assert part in sampler


def test_a_calm_machine_has_no_alert_and_no_queue(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/alerts"] = (200, {"active": []})
    daemon.answers["GET /api/admission/jobs"] = (200, {"active": [], "queue": []})
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert "Alert" not in out
    assert "nobody waits" in out


def test_a_drain_that_goes_on_is_not_forgotten(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(["status"])
    assert "Draining" not in capsys.readouterr().out
    daemon.answers["GET /api/admission/jobs"] = (200, {"active": [], "queue": [], "draining": True})
    run(["status"])
    assert "Draining   nothing new is admitted; `aura-actors drain off` ends it" in capsys.readouterr().out


def test_nothing_that_an_actor_says_reaches_the_terminal_as_a_control_code(
    daemon: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["status"])
    assert "\x1b" not in capsys.readouterr().out


def test_json_is_one_object_with_the_daemons_own_answers(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/metrics/system"] = (200, {"future": [1.5, None]})
    assert run(["status", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"utilization", "system", "actors", "alerts", "jobs"}
    assert answer["system"] == {"future": [1.5, None]}
    assert answer["actors"]["root"]["name"] == "runtime"


def test_an_answer_of_another_shape_is_one_line(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for answer in (b"<html>", b"[]", b"\xff", b'{"cpu": 3}'):
        daemon.answers["GET /api/metrics/system"] = (200, answer)
        assert run(["status"]) == 3
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert "does not know" in captured.err
