"""One suite over every cleaner: the union is the matrix, and no file may be missing from it."""

import time
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import aura_actors.cleaners
from aura_actors.cleaners import AnyCleaner, Ground, TaskOptions, prepare_root, sweep

MEMBERS: tuple[type[Any], ...] = typing.get_args(AnyCleaner) or (typing.cast("type[Any]", AnyCleaner),)


def all_options() -> set[type]:
    return {
        value
        for path in Path(aura_actors.cleaners.__file__).parent.glob("*.py")
        for value in vars(__import__(f"aura_actors.cleaners.{path.stem}", fromlist=["x"])).values()
        if isinstance(value, type) and issubclass(value, TaskOptions) and value is not TaskOptions
    }


def test_no_cleaner_is_missing_from_the_union() -> None:
    assert all_options() == set(MEMBERS)


@pytest.fixture(params=MEMBERS, ids=lambda member: member.__name__)
def cleaner(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def ground(tmp_path: Path, cleaner: Any) -> Ground:
    (tmp_path / "data").mkdir()
    path = cleaner.root_under(str(tmp_path / "data"))
    return Ground(path, prepare_root(path, None, keep_out=str(tmp_path / "data")))


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


def test_an_empty_root_is_a_done_run_that_did_nothing(cleaner: Any, ground: Ground) -> None:
    swept = sweep(cleaner, ground, now_ns=time.time_ns() + 10**18, dry_run=False)
    assert (swept.outcome, swept.removed, swept.kept, swept.failures) == ("done", 0, {}, {})


def test_a_dry_run_and_the_run_after_it_agree(cleaner: Any, ground: Ground) -> None:
    (Path(ground.path) / "sub").mkdir()
    (Path(ground.path) / "sub" / "file").write_text("x" * 100)
    later_ns = time.time_ns() + 10**18
    first = sweep(cleaner, ground, now_ns=later_ns, dry_run=True)
    second = sweep(cleaner, ground, now_ns=later_ns, dry_run=False)
    assert first == second
    assert first.removed == 2


def test_a_fresh_file_survives(cleaner: Any, ground: Ground) -> None:
    fresh = Path(ground.path) / "fresh"
    fresh.write_text("x")
    sweep(cleaner, ground, now_ns=time.time_ns(), dry_run=False)
    assert fresh.exists()


def test_no_descriptor_is_left_open(cleaner: Any, ground: Ground) -> None:
    (Path(ground.path) / "sub").mkdir()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    sweep(cleaner, ground, now_ns=time.time_ns() + 10**18, dry_run=False)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
