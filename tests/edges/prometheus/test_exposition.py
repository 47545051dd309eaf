"""The exposition: one format or the other by q-value, nothing unknown as 0, cleanup runs added up."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aura_actors.edges.prometheus.cleanup import CleanupTally
from aura_actors.edges.prometheus.forms import gauges
from aura_actors.testing import open_test_runtime
from aura_actors.wire.cleanup import CleanupReport, CleanupState, CleanupTask
from tests.plain import async_client

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)


def report(
    outcome: str = "done", *, dry_run: bool = False, removed: int = 3, at: dt.datetime = NOW
) -> CleanupReport:
    return CleanupReport(
        run_id="r", task="temp-files", dry_run=dry_run, started_at=NOW, finished_at=at, outcome=outcome,
        detail=None, removed=removed, kept={}, failures={"/x": "denied"}, freed_bytes=100,
        freed_allocated_bytes=4096,
    )  # fmt: skip


def task(last: CleanupReport | None = None) -> CleanupTask:
    return CleanupTask(
        task="temp-files", enabled=True, every_seconds=[3600], next_run_at=None, running=False, last_report=last
    )


def samples(tally: CleanupTally) -> dict[str, float]:
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in tally.families()
        for sample in family.samples
    }


def test_runs_are_added_up_and_a_dry_run_frees_nothing() -> None:
    tally = CleanupTally(lambda: CleanupState(tasks=[], quarantined=4, quarantined_bytes=40, urgent=True))
    for each in (report(), report(), report(dry_run=True), report("declined", removed=0, at=LATER)):
        tally.add(each, "sweep")
    # Its report is the undone run's, whose numbers were counted when it ended.
    tally.add(msgspec.structs.replace(report(), restored=3), "undo")
    assert samples(tally) == {
        "aura_cleanup_runs_total temp-files done": 2,
        "aura_cleanup_runs_total temp-files dry run": 1,
        "aura_cleanup_runs_total temp-files declined": 1,
        "aura_cleanup_freed_bytes_total temp-files": 300,
        "aura_cleanup_removed_items_total temp-files": 6,
        "aura_cleanup_failures_total temp-files": 3,
        "aura_cleanup_runs_total temp-files undone": 1,
        "aura_cleanup_last_success_timestamp_seconds temp-files": NOW.timestamp(),
        "aura_cleanup_restored_items_total temp-files": 3,
        "aura_cleanup_quarantine_items": 4,
        "aura_cleanup_quarantine_bytes": 40,
        "aura_cleanup_disk_urgent": 1,
    }


def test_a_task_that_never_ran_is_counted_from_0_so_that_its_first_failure_is_an_increase() -> None:
    tally = CleanupTally(lambda: CleanupState(tasks=[task()]))
    assert samples(tally)["aura_cleanup_runs_total temp-files failed"] == 0
    assert samples(tally)["aura_cleanup_failures_total temp-files"] == 0
    tally.add(report("failed"), "sweep")
    assert samples(tally)["aura_cleanup_runs_total temp-files failed"] == 1


def test_the_last_success_is_known_to_the_next_process_and_is_never_made_up() -> None:
    name = "aura_cleanup_last_success_timestamp_seconds temp-files"
    assert name not in samples(CleanupTally(lambda: CleanupState(tasks=[task()])))
    assert name not in samples(CleanupTally(lambda: CleanupState(tasks=[task(report("failed"))])))
    restarted = CleanupTally(lambda: CleanupState(tasks=[task(report())]))
    assert samples(restarted)[name] == NOW.timestamp()
    restarted.add(report(at=LATER), "sweep")
    assert samples(restarted)[name] == LATER.timestamp()


def test_what_is_not_known_has_no_sample() -> None:
    family = gauges("x", "text", "label", {"known": 0, "unknown": None})
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"label": "known"}, 0)]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "openmetrics"),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9", "text/plain"),
        ("application/openmetrics-text;version=1.0.0;q=0,text/plain", "text/plain"),
        ("application/openmetrics-text;version=nonsense", "text/plain"),
    ],
)
async def test_the_format_is_the_one_that_the_scraper_likes_best(
    tmp_path: Path, accept: str, expected: str
) -> None:
    async with (
        open_test_runtime(tmp_path) as house,
        async_client(house.http) as client,
    ):
        answer = await client.get("/metrics", headers={"Accept": accept})
        assert answer.status_code == 200
        assert expected in answer.headers["content-type"]
        assert answer.text.endswith("# EOF\n") is (expected == "openmetrics")


async def test_every_family_has_help_and_the_usual_ones_are_there(tmp_path: Path) -> None:
    async with (
        open_test_runtime(tmp_path) as house,
        async_client(house.http) as client,
    ):
        text = (await client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.documentation for family in families.values())
    assert {
        "aura_up", "aura_build_info", "aura_snapshot_timestamp_seconds", "aura_cpu_usage_percent",
        "aura_cpu_seconds", "aura_memory_bytes", "aura_collector_success", "aura_collector_duration_seconds",
        "process_open_fds",
        "python_gc_objects_collected", "aura_gc_pause_seconds", "aura_worker_threads_max",
        "aura_component_memory_bytes", "aura_admission_active", "aura_actor_mailbox_depth", "aura_alert_active",
        "aura_feed_clients",
    } <= families.keys()  # fmt: skip
