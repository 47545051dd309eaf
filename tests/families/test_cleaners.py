"""One suite over every cleaner: the union is the matrix, and no file may be missing from it."""

import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import aura_actors.cleaners
from aura_actors.cleaners import (
    ActionLogs,
    AnyCleaner,
    ArchivedProjects,
    ArchiveProjects,
    Cache,
    CompressLogs,
    ExportHistory,
    FailedProjects,
    OrphanedUploads,
    TaskOptions,
    TempFiles,
    Vacuum,
)
from tests.cleaners.household import Household, in_memory, open_descriptors_but_databases

MEMBERS: tuple[type[Any], ...] = typing.get_args(AnyCleaner)
FAR_DAYS = 10_000

OPTIONS: dict[type, dict[str, Any]] = {OrphanedUploads: {"second_look_after_seconds": 0}}
"""So that one run is enough."""


def file_in(folder: str, *names: str) -> Callable[[Household], None]:
    def fill(house: Household) -> None:
        for name in names:
            path = house.data_dir / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("x" * 1_000)

    return fill


def orphan(house: Household) -> None:
    """Beside an upload that the database knows of: one that knows of nothing is not believed."""
    house.project("p1", "running")
    house.upload("p1", "known")
    file_in("uploads", "sub/file")(house)


def archived_project(house: Household) -> None:
    house.project("p1")
    house.run(ArchiveProjects(), days=8)


def free_pages(house: Household) -> None:
    house.actions(5_000)
    house.db.execute("DELETE FROM action_logs")
    house.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


WORK: dict[type, Callable[[Household], object]] = {
    TempFiles: file_in("temp", "sub/file"),
    OrphanedUploads: orphan,
    Cache: file_in("cache", "sub/file"),
    ArchiveProjects: lambda house: house.project("p1"),
    FailedProjects: lambda house: house.project("p1", "failed"),
    CompressLogs: file_in("logs", "app-1.log", "app-2.log"),
    ExportHistory: lambda house: house.db.execute(
        "INSERT INTO export_history (status, created_at) VALUES ('completed', ?)", (time.time(),)
    ),
    ActionLogs: lambda house: house.actions(3),
    ArchivedProjects: archived_project,
    Vacuum: free_pages,
}
"""Makes something that the task removes when it is old."""


def all_options() -> set[type]:
    return {
        value
        for path in Path(aura_actors.cleaners.__file__).parent.glob("*.py")
        for value in vars(__import__(f"aura_actors.cleaners.{path.stem}", fromlist=["x"])).values()
        if isinstance(value, type) and issubclass(value, TaskOptions) and value.__struct_config__.tag
    }


def test_no_cleaner_is_missing_from_the_union() -> None:
    assert all_options() == set(MEMBERS) == WORK.keys()


@pytest.fixture(params=MEMBERS, ids=lambda member: member.__name__)
def cleaner(request: pytest.FixtureRequest) -> Any:
    return request.param(**OPTIONS.get(request.param, {}))


@pytest.fixture
def house() -> Iterator[Household]:
    with in_memory() as folder:
        made = Household(folder / "data")
        yield made
        made.close()


def test_names_are_ids_and_survive_a_round_trip(cleaner: Any) -> None:
    assert cleaner.name == cleaner.name.lower().replace("_", "-")
    assert msgspec.convert(msgspec.to_builtins(cleaner), AnyCleaner) == cleaner


def test_options_are_frozen_and_refuse_unknown_keys(cleaner: Any) -> None:
    with pytest.raises(AttributeError):
        cleaner.enabled = False
    with pytest.raises(msgspec.ValidationError, match="typo"):
        msgspec.convert({"task": cleaner.name, "typo": 1}, AnyCleaner)


def test_both_spellings_of_every_are_understood(cleaner: Any) -> None:
    for every in ("daily", ["daily", "hourly"]):
        made = msgspec.convert({"task": cleaner.name, "every": every}, AnyCleaner)
        assert "daily" in made.periods


def test_where_there_is_nothing_a_run_is_done_and_did_nothing(cleaner: Any, house: Household) -> None:
    swept = house.run(cleaner, days=FAR_DAYS)
    assert (swept.outcome, swept.removed, swept.kept, swept.failures) == ("done", 0, {}, {})


def test_a_dry_run_and_the_run_after_it_agree(cleaner: Any, house: Household) -> None:
    WORK[type(cleaner)](house)
    first = house.run(cleaner, days=FAR_DAYS, dry_run=True)
    second = house.run(cleaner, days=FAR_DAYS)
    assert first.outcome == second.outcome == "done"
    assert (first.scanned, first.removed, first.kept) == (second.scanned, second.removed, second.kept)
    assert first.removed > 0
    assert second.scanned == second.removed + sum(second.kept.values())


def test_a_run_after_a_run_finds_nothing_left_to_do(cleaner: Any, house: Household) -> None:
    WORK[type(cleaner)](house)
    house.run(cleaner, days=FAR_DAYS)
    assert house.run(cleaner, days=FAR_DAYS).removed == 0


@pytest.mark.parametrize("member", [member for member in MEMBERS if member is not Vacuum], ids=lambda m: m.__name__)
def test_what_is_young_stays(member: Any, house: Household) -> None:
    WORK[member](house)
    assert house.run(member(**OPTIONS.get(member, {}))).removed == 0


def test_a_run_that_is_stopped_at_any_step_is_interrupted_and_the_next_finishes(
    cleaner: Any, house: Household
) -> None:
    WORK[type(cleaner)](house)
    bench = house.bench(days=FAR_DAYS)
    steps = cleaner.work(bench)
    next(steps, None)
    steps.close()
    assert house.run(cleaner, days=FAR_DAYS).outcome == "done"


def test_no_descriptor_is_left_open(cleaner: Any, house: Household) -> None:
    WORK[type(cleaner)](house)
    before = open_descriptors_but_databases()
    house.run(cleaner, days=FAR_DAYS)
    assert open_descriptors_but_databases() == before
