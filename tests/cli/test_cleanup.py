"""`aura-actors cleanup`: what is said, and the exit status. A real daemon: tests/runtime/test_cleanup.py."""

import json
from typing import Any

import pytest

from aura_actors.cli.app import run

LIST = "GET /api/cleanup"
START = "POST /api/cleanup/temp-files/run"
FOUND = "GET /api/cleanup/runs/r1"
UNDO = "POST /api/cleanup/runs/r1/undo"
STOP = "POST /api/cleanup/runs/r1/stop"
REPORT = {
    "runId": "r1", "task": "temp-files", "dryRun": False, "startedAt": "2026-01-01T00:00:00Z",
    "finishedAt": "2026-01-01T00:00:01Z", "outcome": "done", "detail": None, "removed": 2, "kept": {"young": 3},
    "failures": {}, "freedBytes": 2048, "freedAllocatedBytes": 8192, "scanned": 5, "quarantined": 2,
    "quarantinedBytes": 2048, "undoable": True, "restored": 0, "plan": [],
}  # fmt: skip
TASK = {
    "task": "temp-files", "enabled": True, "everySeconds": [3600.0], "nextRunAt": "2026-01-01T01:00:00Z",
    "running": False, "lastReport": REPORT, "progress": None, "deferred": None,
}  # fmt: skip
STATE = {
    "tasks": [TASK],
    "quarantined": 2,
    "quarantinedBytes": 2048,
    "urgent": True,
    "problems": ["/x is\n missing"],
}
PROGRESS = {
    "runId": "r1", "dryRun": False, "phase": "scan", "scanned": 7, "removed": 0, "freedBytes": 0, "total": None,
    "totalBytes": None, "filesPerSecond": 7.0,
}  # fmt: skip


@pytest.fixture
def house(daemon: Any) -> Any:
    daemon.answers[LIST] = (200, STATE)
    daemon.answers[START] = (202, {"runId": "r1", "joined": False})
    daemon.answers[FOUND] = (200, REPORT)
    return daemon


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_tasks_are_listed_with_their_last_run(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cleanup", "list"]) == 0
    out = said(capsys)
    assert {"temp-files", "1h", "done", "2", "2.0", "KiB"} <= set(out.split())
    assert "in quarantine: 2 items, 2.0 KiB" in out
    assert "brought forward" in out
    assert out.endswith("/x is\\n missing\n")
    assert run(["cleanup", "list", "--json"]) == 0
    assert json.loads(said(capsys)) == STATE


def test_the_name_of_a_task_is_whole_where_the_table_is_too_wide(
    house: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aura_actors.cli.cleanup_report._PIPE_WIDTH", 60)
    waiting = TASK | {"task": "archived-projects", "deferred": "the processor is in use to 100 %"}
    house.answers[LIST] = (200, STATE | {"tasks": [waiting]})
    run(["cleanup", "list"])
    assert "archived-projects " in said(capsys)


def test_a_run_says_what_it_did_and_how_to_undo_it(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cleanup", "run", "temp-files"]) == 0
    assert said(capsys).splitlines() == [
        "temp-files: done; removed 2 items (2.0 KiB)",
        "  kept 3: young",
        "  2 items in quarantine: aura-actors cleanup undo r1",
    ]
    assert house.asked[1][2] == b'{"dryRun":false}'


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "declined", "detail": "the clock was moved"},
        {"outcome": "failed"},
        {"failures": {"/x": "denied"}},
    ],
)
def test_what_is_not_done_or_not_all_of_it_is_status_1(
    house: Any, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    house.answers[FOUND] = (200, {**REPORT, **changes})
    assert run(["cleanup", "run", "temp-files"]) == 1
    out = said(capsys)
    assert changes.get("detail", "") in out
    assert ("failed: /x: denied" in out) is ("failures" in changes)


def test_an_unknown_task_is_a_wrong_call_and_begins_nothing(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cleanup", "run", "nonsense"]) == 2
    assert "there is no task nonsense; there is temp-files" in capsys.readouterr().err
    assert [asked[0] for asked in house.asked] == [LIST]


def test_ctrl_c_stops_a_run_that_this_command_began(
    house: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.answers[FOUND] = (202, {"runId": "r1"})
    house.answers[STOP] = (200, REPORT)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aura_actors.cli.cleanup.time.sleep", interrupt)
    assert run(["cleanup", "run", "temp-files"]) == 130
    assert house.asked[-1][0] == STOP
    assert "what it did stays done" in capsys.readouterr().err
    house.answers[START] = (202, {"runId": "r1", "joined": True})
    house.asked.clear()
    assert run(["cleanup", "run", "temp-files"]) == 130
    assert STOP not in [asked[0] for asked in house.asked]


def test_in_a_pipe_progress_is_a_line_now_and_then(
    house: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.answers[LIST] = (200, {**STATE, "tasks": [{**TASK, "progress": PROGRESS}]})
    house.answers[FOUND] = (202, {"runId": "r1"})
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 6.0
        if now > 20:
            house.answers[FOUND] = (200, REPORT)

    monkeypatch.setattr("aura_actors.cli.cleanup.time.sleep", sleep)
    monkeypatch.setattr("aura_actors.cli.cleanup_screen.time.monotonic", lambda: now)
    assert run(["cleanup", "run", "temp-files"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["temp-files: scan: 7 looked at, 7/s"]


def test_an_undo_says_what_is_back_and_what_is_not(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {**REPORT, "restored": 2, "quarantined": 0}
    house.answers[UNDO] = (200, whole)
    assert run(["cleanup", "undo", "r1"]) == 0
    assert said(capsys) == "temp-files: 2 items put back\n"
    house.answers[UNDO] = (200, {**whole, "restored": 1, "quarantined": 1, "failures": {"/x": "taken"}})
    assert run(["cleanup", "undo", "r1"]) == 1
    assert "not put back: /x: taken" in said(capsys)
    house.answers[UNDO] = (409, {"detail": "that was done already"})
    assert run(["cleanup", "undo", "r1"]) == 2
    assert run(["cleanup", "undo", "../x"]) == 2


def test_an_undo_that_waits_for_long_is_followed_to_its_end(
    house: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = "GET /api/cleanup/runs/u1"
    house.answers[UNDO] = (202, {"runId": "u1", "joined": False})
    house.answers[later] = (202, {"runId": "u1"})

    def sleep(seconds: float) -> None:
        house.answers[later] = (200, {**REPORT, "restored": 2, "quarantined": 0})

    monkeypatch.setattr("aura_actors.cli.cleanup.time.sleep", sleep)
    assert run(["cleanup", "undo", "r1"]) == 0
    assert said(capsys) == "temp-files: 2 items put back\n"
    assert [asked[0] for asked in house.asked if asked[0] == later] == [later, later]


def test_an_undo_that_is_declined_is_status_1(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    house.answers[UNDO] = (409, {"type": "/problems/declined", "detail": "the folder is missing"})
    assert run(["cleanup", "undo", "r1"]) == 1
    assert "the folder is missing" in capsys.readouterr().err
