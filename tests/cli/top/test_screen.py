"""The picture at several sizes: what must be there, and that nothing is wider or longer than the terminal."""

from typing import Any

import msgspec
import pytest
from rich.text import Text

from aura_actors.cli.top import marks
from aura_actors.cli.top.screen import Connection, Picture, picture, sections, spread
from aura_actors.cli.top.sight import Sight
from aura_actors.cli.top.state import State, take
from aura_actors.cli.top.view import Part, View
from tests.cli.top.scenes import (
    ACTORS,
    ADMISSION,
    CONNECTION,
    GIB,
    GPU,
    PROGRESS,
    TASK,
    frame,
    job,
    sight,
    state,
    system,
)

SIZES = [(200, 60), (120, 45), (80, 24), (40, 24), (20, 10), (1, 1)]


def drawn(seen: Sight, width: int, height: int, view: View | None = None, **connection: Any) -> Picture:
    return picture(seen, view or View(), msgspec.structs.replace(CONNECTION, **connection), width, height)


def text_of(seen: Sight, width: int = 120, part: Part = "all") -> str:
    return "\n".join(line.plain for line in sections(seen, part, width))


def row(text: str, start: str) -> str:
    """The first line with this in it, its spaces put together."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next(line for line in lines if start in line)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("part", ["all", "machine", "jobs", "cleanup", "actors"])
def test_the_picture_is_exactly_as_large_as_the_terminal(width: int, height: int, part: Part) -> None:
    for seen in (sight(), Sight(state=State(), now=0.0)):
        for trouble in (None, "no daemon answers"):
            shown = drawn(seen, width, height, View(part=part, top=3), trouble=trouble)
            assert len(shown.lines) == height
            assert max(line.cell_len for line in shown.lines) <= width


@pytest.mark.parametrize("width", [200, 120, 80, 40])
def test_every_subject_is_there_at_every_width(width: int) -> None:
    text = text_of(sight(), width)
    for title in (
        "CPU", "Memory", "GPU", "Network", "Disks", "Pressure", "Admission", "Jobs 1", "Queue 1", "Providers",
        "Cleanup", "Daemon", "Actors",
    ):  # fmt: skip
        assert f"{title} ─" in text


@pytest.mark.parametrize(("width", "columns"), [(40, 1), (75, 1), (76, 2), (149, 2), (150, 3), (250, 3)])
def test_there_are_as_many_columns_as_are_readable(width: int, columns: int) -> None:
    (first, *_) = text_of(sight(), width).splitlines()
    assert sum(title in first for title in ("CPU ─", "Admission ─", "Cleanup ─")) == columns


def test_the_machine_is_told() -> None:
    text = text_of(sight(), 60, "machine")
    assert "CPU ───" in text
    assert row(text, "busy").startswith("busy 40.0 % ━━━━")
    assert row(text, " 2 ━").endswith("╾ 95")
    assert "4.0 GiB of 16.0 GiB" in row(text, "Memory ─")
    assert row(text, "NVIDIA").endswith("88 °C 251 W")
    assert row(text, "10.0 GiB of 40.0 GiB") == "10.0 GiB of 40.0 GiB 0 processes"
    assert row(text, "↓ in").startswith("↓ in 5.0 MiB/s")
    assert row(text, "50.0 GiB of 100.0 GiB").startswith("/ ")
    assert row(text, "read ").startswith("read 3.0 MiB/s")
    assert row(text, "written").startswith("written -")
    assert row(text, "io some").endswith("some 12.5 / 3.0 % all 12.5 / 3.0 %")


def test_many_cores_are_one_mark_each() -> None:
    text = text_of(sight(system=system(cores=[0.0, 50.0, 100.0, 25.0] * 32)), 40, "machine")
    assert text.count("▁▄█▂" * 10) == 3
    assert "128 cores" in text


def test_admission_is_told_by_dimension_with_ours_apart_from_others() -> None:
    text = text_of(sight(), 60, "jobs")
    assert row(text, "slots").endswith("1 of 10")
    assert row(text, "memory ━").endswith("4.0 GiB of 12.0 GiB")
    assert "━═" in row(text, "memory ━")
    assert row(text, "cores").endswith("1.5 of 3.4")
    wide = text_of(sight(), 100, "jobs")
    assert row(wide, "memory ━").endswith("4.0 GiB of 12.0 GiB, others 2.0 GiB, left 6.0 GiB")


def test_a_job_and_what_it_uses() -> None:
    text = text_of(sight(), 100, "jobs")
    assert row(text, "video-1").split() == [
        "video-1", "alice", "render", "4.0", "GiB", "3.0", "GiB", "1.5", "1", "high", "25", "s",
    ]  # fmt: skip
    assert row(text_of(sight(), 40, "jobs"), "video-1") == "video-1 4.0 GiB 3.0 GiB"


def test_the_queue_says_why_whole_where_it_stands_alone() -> None:
    alone = " ".join(text_of(sight(), 40, "jobs").split())
    assert "1 train-7 9.0 GiB 64 s" in alone
    assert "running jobs (needs 9.0 GiB, 2.0 GiB left; held by video-1)" in alone


def test_long_lists_are_cut_short_where_everything_is_shown() -> None:
    many = {**ADMISSION, "activeJobs": 30, "active": [job(f"job-{n}") for n in range(30)]}
    assert "and 22 more" in text_of(sight(admission=many))
    alone = text_of(sight(admission=many), part="jobs")
    assert "job-29" in alone
    assert "more" not in alone


def test_draining_and_the_brake_are_said() -> None:
    text = text_of(sight(admission={**ADMISSION, "draining": True, "brake": "the sample is too old"}))
    assert "draining: nothing new is admitted" in text
    assert "nothing is granted for now: the sample is too old" in text


def test_providers_and_their_budgets() -> None:
    assert row(text_of(sight(), 100, "jobs"), "OpenAI").endswith("1234 tokens left, 2 of 5, 4 wait")
    assert row(text_of(sight(), 40, "jobs"), "OpenAI").endswith("2 of 5, 4 wait")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "temp-files in 30 min 60 s ago freed 3.0 GiB, 17 items"),
        ({"running": True}, "temp-files running 60 s ago freed 3.0 GiB, 17 items"),
        ({"enabled": False, "lastReport": None}, "temp-files off never"),
        ({"nextRunAt": None}, "temp-files due 60 s ago freed 3.0 GiB, 17 items"),
        ({"deferred": "the machine is busy"}, "temp-files in 30 min 60 s ago waits: the machine is busy"),
        (
            {"running": True, "progress": PROGRESS},
            "temp-files running 60 s ago ━━━━──── removing: 1200 seen, 1.0 GiB freed",
        ),
        (
            {"running": True, "progress": {**PROGRESS, "totalBytes": None}},
            "temp-files running 60 s ago removing: 1200 seen, 1.0 GiB freed",
        ),
    ],
)
def test_cleanup_says_when_and_what(changes: dict[str, Any], told: str) -> None:
    text = text_of(sight(cleanup={"tasks": [{**TASK, **changes}]}), 80, "cleanup")
    assert row(text, "temp-files") == told


def test_quarantine_and_a_full_disk_are_said() -> None:
    state = {
        "tasks": [TASK],
        "quarantined": 3,
        "quarantinedBytes": 2 * GIB,
        "urgent": True,
        "problems": ["/x is missing"],
    }
    text = text_of(sight(cleanup=state), 80, "cleanup")
    assert row(text, "Cleanup ─").endswith("2.0 GiB in quarantine")
    assert "a disk is nearly full" in text
    assert "/x is missing" in text


def test_what_is_above_its_alert_is_red() -> None:
    busy = next(line for line in sections(sight(), "machine", 60) if "40.0 %" in line.plain)
    assert {span.style for span in busy.spans} >= {marks.HIGH}
    calm = next(line for line in sections(sight(alerts=None), "machine", 60) if "40.0 %" in line.plain)
    assert marks.HIGH not in {span.style for span in calm.spans}


def test_a_failed_cleanup_says_why() -> None:
    report = {**TASK["lastReport"], "outcome": "failed", "detail": "no such directory"}
    text = text_of(sight(cleanup={"tasks": [{**TASK, "lastReport": report}]}), 80, "cleanup")
    assert row(text, "temp-files").endswith("failed: no such directory")


def test_the_tree_shows_who_crashed() -> None:
    text = text_of(sight(), 60, "actors")
    assert "  ○ sampler backoff" in text
    assert row(text, "sampler").endswith("3 3/64 99")
    assert "crashed 5.0 s ago: ValueError: no such counter" in text
    assert row(text, "Actors ─").endswith("2 messages lost")


def test_an_alert_stands_above_everything() -> None:
    shown = drawn(sight(), 80, 24)
    assert " ".join(shown.lines[1].plain.split()) == "▲ gpu is at 88 °C (threshold 85 °C) for 30 s"


@pytest.mark.parametrize(
    ("now", "trouble", "told"),
    [
        (0.4, None, "● live  data 0.4 s old"),
        (9.0, None, "● live  data 9.0 s old"),
        (12.0, "gone", "○ reconnecting  data 12 s old"),
    ],
)
def test_the_header_says_how_fresh_it_is(now: float, trouble: str | None, told: str) -> None:
    shown = drawn(sight(now), 80, 24, trouble=trouble)
    assert shown.lines[0].plain.endswith(told)
    assert shown.lines[0].plain.startswith("aura http://127.0.0.1:8080")


def test_a_daemon_that_was_started_again_is_mentioned_for_a_while() -> None:
    known = state(alerts=None)
    known = msgspec.structs.replace(known, restarted_at=10.0)
    assert "started again 5.0 s ago" in drawn(Sight(state=known, now=15.0), 80, 24).lines[1].plain
    assert "started again" not in drawn(Sight(state=known, now=60.0), 80, 24).lines[1].plain


def test_stale_readings_say_how_old_they_are() -> None:
    stale = system(stale={"memory": "2025-12-31T23:59:00Z"})
    assert row(text_of(sight(system=stale), 40, "machine"), "Memory ─").endswith("60 s old")


def test_what_is_not_known_is_no_zero() -> None:
    gpu = {**GPU, "usagePercent": None, "temperatureCelsius": None, "powerWatts": None, "memoryUsagePercent": None}
    text = text_of(sight(system=system(cpu=None, gpus=[gpu], pressure=None)), 40, "machine")
    assert row(text, "busy") == f"busy - {'─' * 22}"
    assert row(text, "NVIDIA") == "0 NVIDIA A100"
    assert "this kernel does not tell" in text


def test_the_footer_names_the_keys_and_what_is_below() -> None:
    shown = drawn(sight(), 120, 24)
    footer = " ".join(shown.lines[-1].plain.split())
    assert footer.startswith("q quit p pause 0 all 1 machine 2 jobs 3 cleanup 4 actors ↑↓ scroll")
    assert footer.endswith(f"{shown.last} more ↓")
    narrow = drawn(sight(), 40, 24, View(paused=True)).lines[-1].plain
    assert " ".join(narrow.split()).startswith("q quit p resume 0 1 2 3 4 ↑↓")


def test_scrolling_shows_what_is_below() -> None:
    first, next_ = drawn(sight(), 40, 24), drawn(sight(), 40, 24, View(top=5))
    assert first.lines[7].plain == next_.lines[2].plain
    last = drawn(sight(), 40, 24, View(top=10_000))
    assert "more" not in last.lines[-1].plain


def test_lines_over_time_are_higher_where_there_is_room() -> None:
    known = state()
    for second in range(1, 30):
        known = take(known, frame("system", system(second, cpu=100.0), seconds=second), float(second))
    high = [line.plain for line in drawn(Sight(state=known, now=29.0), 200, 80).lines]
    low = [line.plain for line in drawn(Sight(state=known, now=29.0), 200, 30).lines]
    assert sum("█" in line for line in high) > sum("█" in line for line in low)


def test_columns_are_as_even_as_they_can_be() -> None:
    blocks = [[Text()] * size for size in (5, 3, 4, 4)]
    assert [len(column) for column in spread(blocks, 2)] == [8, 8]
    assert [len(column) for column in spread(blocks, 3)] == [5, 7, 4]
    assert spread([], 2) == [[], []]


def test_foreign_names_reach_the_terminal_without_control_codes() -> None:
    waiter = {**ADMISSION["queue"][0], "jobId": "w\x1b[2J", "reasons": []}
    evil = {**ADMISSION, "active": [job("a", owner="\x1b[2J", kind="x\ny")], "queue": [waiter]}
    actors = {**ACTORS, "root": {**ACTORS["root"], "name": "r\x1b]0;t\x07"}}
    text = text_of(sight(admission=evil, actors=actors), 200)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_terminal_without_unicode_gets_letters_and_signs() -> None:
    seen = msgspec.structs.replace(sight(), glyphs=marks.ASCII)
    lines = [*sections(seen, "machine", 60), *sections(seen, "jobs", 60), *sections(seen, "actors", 60)]
    assert all(line.plain.replace("°", "").replace("…", "").isascii() for line in lines)


def test_a_connection_is_shown_as_it_is() -> None:
    shown = picture(sight(), View(), Connection(url="unix:/run/aura\x1b", trouble="gone\n"), 80, 24)
    assert "unix:/run/aura\\x1b" in shown.lines[0].plain
    assert shown.lines[1].plain.startswith("gone\\n")
