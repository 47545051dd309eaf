"""Nothing is lost when a process is killed, or refused, at any modifying call of the protocols for records.

A sample of the points here, by the day; `make kill-points` tries every one.
"""

import datetime as dt

import pytest

from tests.effort import variants
from tests.kill_points.run import Driver

RECORDS = ("Rows", "RowsBack", "Archive", "ArchiveBack", "Fail", "FailBack", "Expire")
SCENARIOS = (*RECORDS, "Gzip", "GzipAnew", "Pages", "Anew")
pytestmark = pytest.mark.timeout(600)


def named(scenario: str) -> str:
    module = "log_scenarios" if scenario.startswith("Gzip") else "row_scenarios"
    return f"tests.kill_points.{module}:{scenario}"


def chosen(sample: int | None) -> list[str]:
    return [] if sample is None else ["--sample", str(sample), "--seed", str(dt.date.today().toordinal())]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_modifying_call_loses_nothing(driver: Driver, scenario: str, sample: int | None) -> None:
    tried = driver.tried(named(scenario), *chosen(sample and sample // 2))
    print(f"{scenario}: {tried.tried} of {len(tried.calls)} kill points")
    assert tried.failures == []
    assert tried.tried > 0


@pytest.mark.parametrize("scenario", variants(*SCENARIOS, desk=4))
def test_a_disk_that_is_full_or_broken_at_any_modifying_call_loses_nothing(
    driver: Driver, scenario: str, sample: int | None
) -> None:
    """ENOSPC and EIO at each call, once."""
    tried = driver.tried(named(scenario), *chosen(sample and sample // 4), "--errno", "28", "--errno", "5")
    assert tried.failures == []
    assert tried.tried > 0


@pytest.mark.parametrize("scenario", variants("Archive", "Rows", "RowsBack", "ArchiveBack", "Fail", "Gzip", desk=2))
def test_a_disk_that_cannot_keep_what_was_written_loses_nothing(driver: Driver, scenario: str) -> None:
    """EIO at each fsync of ours, once; what it was for is gone from the disk."""
    tried = driver.tried(named(scenario), "--only", "fsync", "--errno", "5")
    assert tried.failures == []
    assert tried.tried > 0


def test_a_protocol_that_does_not_hear_the_disk_is_caught(driver: Driver) -> None:
    """The harness can fail: rows that went on the word of such a segment are lost."""
    tried = driver.tried("tests.kill_points.heedless_scenarios:HeedlessRows", "--only", "fsync", "--errno", "5")
    assert tried.failures != []


@pytest.mark.external
@pytest.mark.parametrize("scenario", variants(*SCENARIOS, desk=4))
def test_no_modifying_call_lacks_a_kill_point(traced: Driver, scenario: str) -> None:
    assert traced.missed(named(scenario)) == {}


@pytest.mark.external
@pytest.mark.parametrize("scenario", ["DryRuns", "DryRunsOfALiveDatabase"])
def test_a_dry_run_makes_no_modifying_call(driver: Driver, traced: Driver, scenario: str) -> None:
    """Neither does it make the files that belong to a database's log, nor open them as if to make them."""
    name = f"tests.kill_points.dry_run_scenarios:{scenario}"
    assert driver.tried(name, "--count-only").calls == []
    with pytest.raises(AssertionError, match="strace saw nothing"):
        traced.missed(name)
