"""Nothing is lost when a process is killed, or refused, at any modifying call of protocol "delete an aged file".

A sample of the points here, by the day; `make kill-points` tries every one.
"""

import datetime as dt

import pytest

from tests.effort import variants
from tests.kill_points.run import Driver

SCENARIOS = (
    "Take",
    "TakeWithoutRenameat2",
    "TakeBack",
    "TakeBackWithoutRenameat2",
    "Delete",
    "DeleteAtOnce",
    "Recover",
)
pytestmark = pytest.mark.timeout(300)


def named(scenario: str) -> str:
    return f"tests.kill_points.file_scenarios:{scenario}"


def chosen(sample: int | None) -> list[str]:
    return [] if sample is None else ["--sample", str(sample), "--seed", str(dt.date.today().toordinal())]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_modifying_call_loses_nothing(driver: Driver, scenario: str, sample: int | None) -> None:
    tried = driver.tried(named(scenario), *chosen(sample))
    print(f"{scenario}: {tried.tried} of {len(tried.calls)} kill points")
    assert tried.failures == []
    assert tried.tried == min(len(tried.calls), sample or len(tried.calls)) > 0


@pytest.mark.parametrize("scenario", variants(*SCENARIOS, desk=4))
def test_a_disk_that_is_full_or_broken_at_any_modifying_call_loses_nothing(
    driver: Driver, scenario: str, sample: int | None
) -> None:
    """And the run says what happened: ENOSPC and EIO at each call, once."""
    tried = driver.tried(named(scenario), *chosen(sample and sample // 2), "--errno", "28", "--errno", "5")
    assert tried.failures == []
    assert tried.tried > 0


@pytest.mark.external
@pytest.mark.parametrize("scenario", variants(*SCENARIOS, desk=4))
def test_no_modifying_call_lacks_a_kill_point(traced: Driver, scenario: str) -> None:
    assert traced.missed(named(scenario)) == {}


def test_a_protocol_that_forgets_its_intent_is_caught(driver: Driver) -> None:
    """The harness can fail: the same run without a journal loses where things came from."""
    tried = driver.tried(named("Careless"), "--only", "renameat2", "--only", "pwrite64")
    assert any("renameat2" in failure or "pwrite64" in failure for failure in tried.failures)
