"""A cache entry goes when nobody has used it for a day, as far as anybody can tell; any sign of use keeps it."""

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from aura_actors.cleaners import Cache, Sweep, Swept
from aura_actors.cleaners import cache as cache_module
from aura_actors.cleaners.in_use import OpenFiles
from aura_actors.cleaners.layout import DATABASE, create_layout
from aura_actors.cleaners.tree import Tree

NOBODY = OpenFiles(frozenset(), frozenset(), complete=True)
HOUR_NS = 3_600 * 10**9


@pytest.fixture
def folder() -> str:
    return "cache"


@pytest.fixture(autouse=True)
def exact_access_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system mounted `strictatime`, where a test does not say otherwise."""
    monkeypatch.setattr(cache_module, "_access_slack_ns", lambda tree: 0)


def read_ago(yard: Any, name: str, hours: float, *, now_hours: float = 48) -> None:
    """Its access time is so long before the run, which is `now_hours` from now."""
    path = yard.root / name
    os.utime(path, ns=(yard.later_ns(now_hours - hours), path.stat().st_mtime_ns))


def stamp(yard: Any, name: str, hours: float) -> str:
    """The application says that it was used so many hours before the run; the database."""
    create_layout(str(yard.data_dir))
    with closing(sqlite3.connect(yard.data_dir / DATABASE)) as connection, connection:
        connection.execute(
            "INSERT OR REPLACE INTO cache_entries VALUES (?, ?)", (name, yard.later_ns(48 - hours) / 1e9)
        )
    return str(yard.data_dir / DATABASE)


def test_an_entry_that_nobody_used_for_a_day_is_deleted_at_once(yard: Any) -> None:
    yard.file("x/a")
    swept = yard.run(Cache())
    assert (swept.removed, swept.quarantined, swept.freed_bytes) == (2, 0, 10)
    assert yard.names() == set()
    assert not (yard.root / ".aura-trash").exists()
    assert not yard.journal.hauls()


def test_an_entry_that_was_read_an_hour_ago_stays(yard: Any) -> None:
    for name in ("read", "unread"):
        yard.file(name)
    read_ago(yard, "read", hours=1)
    assert yard.run(Cache()).kept == {"young": 1}
    assert yard.names() == {"read"}


def test_where_access_times_are_a_day_behind_an_entry_gets_another_day(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`relatime`: it may have been read an hour ago, and its access time be 24 hours old."""
    yard.file("a")
    read_ago(yard, "a", hours=47)
    monkeypatch.setattr(cache_module, "_access_slack_ns", lambda tree: cache_module.RELATIME_SLACK_NS)
    assert yard.run(Cache()).kept == {"young": 1}
    assert yard.run(Cache(), hours=50).removed == 1


def test_a_stamp_of_the_application_extends_a_life(yard: Any) -> None:
    for name in ("used", "unused"):
        yard.file(name)
    database = stamp(yard, "used", hours=24.5)  # to the hour: it may have been 23.5
    assert yard.run(Cache(), database=database).kept == {"young": 1}
    assert yard.names() == {"used"}


def test_a_stamp_of_the_application_never_shortens_a_life(yard: Any) -> None:
    yard.file("a")
    database = stamp(yard, "a", hours=1_000)
    assert yard.run(Cache(), hours=23, database=database).kept == {"young": 1}


def test_a_stamp_that_comes_while_the_run_goes_on_keeps_its_entry(yard: Any) -> None:
    yard.file("a")
    database = stamp(yard, "other", hours=1)
    run = Sweep(Cache(), yard.bench(database=database))
    run.step(0)  # the scan
    stamp(yard, "a", hours=0)
    while not isinstance(swept := run.step(1), Swept):
        pass
    assert (swept.removed, swept.kept) == (0, {"young": 1})


def test_an_entry_that_is_read_while_the_run_goes_on_stays(yard: Any) -> None:
    yard.file("a")
    run = Sweep(Cache(), yard.bench())
    run.step(0)
    read_ago(yard, "a", hours=0)
    while not isinstance(swept := run.step(1), Swept):
        pass
    assert (swept.removed, swept.kept) == (0, {"changed": 1})


def test_an_entry_that_is_open_stays(yard: Any) -> None:
    path = yard.file("a")
    with path.open():
        assert yard.run(Cache()).kept == {"in-use": 1}


def test_where_the_kernel_grants_no_lease_an_entry_waits_in_quarantine(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody was seen to have it; who came at the last moment would otherwise have lost it."""
    yard.file("a")
    monkeypatch.setattr("aura_actors.cleaners.hold.lease", lambda fd: "unknown")
    monkeypatch.setattr("aura_actors.cleaners.removal.read_open_files", lambda: NOBODY)
    swept = yard.run(Cache())
    assert (swept.removed, swept.quarantined) == (1, 1)


def test_an_entry_that_is_wanted_and_cannot_go_back_is_not_deleted(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody opens it as it is moved, somebody else makes a new one with its name."""
    path = yard.file("a")

    def somebody_takes_its_name(fd: int) -> bool:
        path.write_text("new")
        return False

    monkeypatch.setattr("aura_actors.cleaners.hold.lease_is_whole", somebody_takes_its_name)
    swept = yard.run(Cache())
    assert (swept.removed, swept.quarantined) == (1, 1)
    (lying,) = yard.root.glob(".aura-trash/*/*")
    assert lying.read_text() == "0123456789"


def test_a_database_that_cannot_be_asked_declines_the_run(yard: Any) -> None:
    yard.file("a")
    assert yard.run(Cache(), database=str(yard.data_dir / "missing.db")).outcome == "declined"
    assert yard.names() == {"a"}


def test_how_exact_access_times_are_is_asked_of_the_file_system(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    class Answer:
        f_flag = os.ST_RELATIME

    fd = os.open(yard.root, os.O_RDONLY)
    tree = Tree(str(yard.root), fd)
    monkeypatch.setattr(os, "fstatvfs", lambda fd: Answer)
    assert cache_module._access_slack_ns(tree) == 24 * HOUR_NS
    Answer.f_flag = 0
    assert cache_module._access_slack_ns(tree) == 0
    os.close(fd)
