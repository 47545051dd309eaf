"""An age that nothing has is never reached, whichever task has it."""

import math
from typing import Any

import pytest

from aura_actors.cleaners import (
    ActionLogs,
    ArchivedProjects,
    ArchiveProjects,
    Cache,
    CompressLogs,
    ExportHistory,
    FailedProjects,
    OrphanedUploads,
    Purge,
    TempFiles,
)
from tests.cleaners.household import Household

TASKS = (
    TempFiles,
    Cache,
    OrphanedUploads,
    CompressLogs,
    ArchiveProjects,
    FailedProjects,
    ArchivedProjects,
    ExportHistory,
    ActionLogs,
)


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_to_go_at_no_age_stays(house: Household, kind: Any) -> None:
    fill(house)
    for never in (math.inf, math.nan, 1e300):
        swept = house.run(kind(older_than_seconds=never), days=10_000)
        assert (swept.outcome, swept.removed, "young" in swept.kept) == ("done", 0, True), never
    options = {"second_look_after_seconds": 0} if kind is OrphanedUploads else {}
    assert house.run(kind(**options), days=10_000).removed > 0


def test_an_orphan_that_is_never_looked_at_again_stays(house: Household) -> None:
    fill(house)
    for days in (100, 10_000):
        swept = house.run(OrphanedUploads(second_look_after_seconds=math.inf), days=days)
        assert (swept.removed, swept.kept["seen-once"]) == (0, 1)


def test_a_quarantine_without_end_is_never_emptied(house: Household) -> None:
    fill(house)
    house.run(TempFiles(), days=2)
    assert house.run(Purge(), days=10_000, quarantine_seconds=math.inf).removed == 0
    assert house.run(Purge(), days=10_000).removed > 0


def fill(house: Household) -> None:
    """Something for everyone."""
    for name in ("temp/a", "cache/a", "uploads/orphan", "logs/app-1.log", "logs/app-2.log"):
        (house.data_dir / name).write_text("text")
    house.actions(1)
    house.db.execute("INSERT INTO export_history (status, created_at) VALUES ('completed', 0)")
    house.project("archived")
    house.run(ArchiveProjects(), days=8)
    house.project("completed")
    house.project("failed", "failed")
    house.project("live", "running")
    house.upload("live", "known")
