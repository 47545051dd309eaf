"""The default layout, and what an application's database says about files."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aura_actors.cleaners import Declined, create_layout
from aura_actors.cleaners.application import (
    Reference,
    default_references,
    last_uses,
    live_projects,
    referenced_paths,
)
from aura_actors.cleaners.layout import DATABASE, FOLDERS, SCHEMA
from tests.cleaners.household import Household


def asked(house: Household, *references: Reference) -> set[str]:
    every = references or default_references(str(house.data_dir))
    return set(referenced_paths(str(house.database), every, dry_run=False))


def test_the_layout_is_made_once_and_gives_free_pages_back_one_by_one(tmp_path: Path) -> None:
    create_layout(str(tmp_path))
    create_layout(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {*FOLDERS, DATABASE}
    assert (tmp_path / DATABASE).stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / DATABASE) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_a_database_that_an_application_made_by_the_schema_is_taken_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.executescript(SCHEMA)
        db.execute("INSERT INTO projects VALUES ('p', 'running', 0, NULL, NULL, NULL)")
    db.close()
    (tmp_path / DATABASE).chmod(0o660)
    create_layout(str(tmp_path))
    with sqlite3.connect(tmp_path / DATABASE) as db:
        assert db.execute("SELECT count(*) FROM projects").fetchone() == (1,)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()
    assert (tmp_path / DATABASE).stat().st_mode & 0o777 == 0o660


def test_a_database_of_another_version_or_of_another_kind_is_left_alone_and_said(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    assert "is of version 7, this program knows 1" in (create_layout(str(tmp_path)) or "")
    (tmp_path / DATABASE).write_text("text" * 2_000)
    assert "is not a database" in (create_layout(str(tmp_path)) or "")
    assert (tmp_path / DATABASE).read_text() == "text" * 2_000
    assert (tmp_path / "temp").is_dir()


def test_every_kind_of_row_refers_to_its_file(house: Household) -> None:
    folder = house.project("p1")
    upload = house.upload("p1", "u.bin")
    exported = house.data_dir / "export.mp4"
    house.db.execute("INSERT INTO export_history (status, path, created_at) VALUES ('done', 'export.mp4', 0)")
    assert {str(folder), str(upload), str(exported)} <= asked(house)


def test_relative_absolute_and_linked_paths_all_count(house: Household, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(house.data_dir / "uploads")
    house.project("p1")
    house.upload("p1", "a.bin")
    house.db.execute("UPDATE uploads SET path = ?", (f"{tmp_path}/link/../link/a.bin",))
    found = asked(house)
    assert os.path.realpath(house.data_dir / "uploads" / "a.bin") in found


def test_names_that_are_no_text_count_too(house: Household) -> None:
    house.db.execute("CREATE TABLE media (path)")
    house.db.execute("INSERT INTO media VALUES (?), (NULL), ('')", (b"odd\xff",))
    assert asked(house, Reference("SELECT path FROM media", "/base")) == {os.fsdecode(b"/base/odd\xff")}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT path FROM nowhere", "no such table"),
        ("SELECT 5", "is no path"),
        ("DELETE FROM uploads", "readonly database"),
        ("SELECT 1; SELECT 2", "one statement"),
    ],
)
def test_a_query_that_cannot_be_answered_declines_the_pass(house: Household, query: str, sentence: str) -> None:
    with pytest.raises(Declined, match=sentence):
        asked(house, Reference(query, "/base"))


def test_archived_projects_have_no_live_folder(house: Household) -> None:
    house.project("p1", "archived")
    house.project("p2", "failed")
    assert list(live_projects(house.db)) == ["p2"]


def test_a_database_with_other_tables_knows_no_live_projects() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        assert list(live_projects(db)) == []
        db.execute("CREATE TABLE projects (uid, state)")
        assert list(live_projects(db)) == []


def test_the_last_use_of_a_cache_entry_is_by_its_absolute_path(house: Household) -> None:
    house.db.execute("INSERT INTO cache_entries VALUES ('x/y', 5), ('/abs', 6)")
    assert last_uses(str(house.database), "/cache", dry_run=False) == {"/cache/x/y": 5.0, "/abs": 6.0}


def test_without_a_database_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(Declined, match="there is no database"):
        set(referenced_paths(None, (), dry_run=False))
