"""From the settings of cleanup to the tasks' own options: every key arrives, with the same defaults."""

import math
import sqlite3
import typing
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from aura_actors.cleaners import AnyCleaner, ArchiveProjects, ExportHistory, OrphanedUploads, TempFiles
from aura_actors.cleaners.application import Reference
from aura_actors.cleaners.projects import Child, ProjectColumns
from aura_actors.cleaners.selection import Columns
from aura_actors.config import Settings, load, to_toml
from aura_actors.errors import InvalidValue
from aura_actors.runtime import open_runtime
from aura_actors.runtime.cleaning import cleaners

TOML = """
[cleanup.temp-files]
older_than = "1h"
root = "/scratch"
exclude = ["*.keep"]
remove_symlinks = true

[cleanup.orphaned-uploads]
second_look_after = "1h"
references = [{ query = "SELECT file FROM works", base = "/srv/works" }]

[cleanup.archive-projects]
database = "/srv/studio.db"
table = "Works"
statuses = ["Done"]
children = [{ table = "Scenes", project = "WorkId" }, { table = "Media", path = "File" }]

[cleanup.archive-projects.columns]
id = "Id"
completed_at = ""

[cleanup.export-history.columns]
stamp = "at"
"""


def made(settings: Settings) -> dict[str, AnyCleaner]:
    return {cleaner.name: cleaner for cleaner in cleaners(settings)}


def test_every_default_of_the_configuration_is_the_tasks_own() -> None:
    assert [type(cleaner) for cleaner in cleaners(Settings())] == list(typing.get_args(AnyCleaner))
    for cleaner in cleaners(Settings()):
        own = type(cleaner)()
        assert cleaner == msgspec.structs.replace(own, every=own.periods)


def test_every_key_reaches_the_option_that_it_is_of(tmp_path: Path) -> None:
    file = tmp_path / "aura.toml"
    file.write_text(TOML)
    settings = load(file, {"AURA_CLEANUP__CACHE__OLDER_THAN": "2h"}, {})
    found = made(settings)
    temp, projects = found["temp-files"], found["archive-projects"]
    assert isinstance(temp, TempFiles)
    assert (temp.older_than_seconds, temp.root, temp.exclude, temp.remove_symlinks) == (
        3_600.0, "/scratch", ("*.keep",), True,
    )  # fmt: skip
    uploads = found["orphaned-uploads"]
    assert isinstance(uploads, OrphanedUploads)
    assert uploads.second_look_after_seconds == 3_600.0
    assert uploads.references == (Reference(query="SELECT file FROM works", base="/srv/works"),)
    assert isinstance(projects, ArchiveProjects)
    assert (projects.database, projects.table, projects.statuses) == ("/srv/studio.db", "Works", ("Done",))
    assert projects.columns == ProjectColumns(id="Id", completed_at=None)
    assert projects.children == (Child(table="Scenes", project="WorkId"), Child(table="Media", path="File"))
    exports = found["export-history"]
    assert isinstance(exports, ExportHistory)
    assert exports.columns == Columns(stamp="at")
    # And what is shown loads again.
    again = tmp_path / "again.toml"
    again.write_text(to_toml(settings))
    assert cleaners(load(again, {}, {})) == cleaners(settings)


@pytest.mark.parametrize(
    ("text", "path", "part"),
    [
        (
            "[cleanup.archive-projects]\nchildren = [{ tabel = 'x' }]",
            "cleanup.archive-projects.children",
            "entry 1",
        ),
        ("[cleanup.archive-projects]\nchildren = 'x'", "cleanup.archive-projects.children", "list of tables"),
        ("[cleanup]\ndisk_low_percent = 90", "cleanup.disk_low_percent", "cleanup.disk_high_percent"),
        ("[cleanup.vacuum]\nolder_than = '1h'", "cleanup.vacuum.older_than", "unknown key"),
        ("[cleanup]\nnice = 20", "cleanup.nice", "from 0 to 19"),
    ],
)
def test_what_is_no_such_option_is_refused_with_its_path(tmp_path: Path, text: str, path: str, part: str) -> None:
    file = tmp_path / "aura.toml"
    file.write_text(text)
    with pytest.raises(InvalidValue) as caught:
        load(file, {}, {})
    assert caught.value.path == path
    assert part in str(caught.value)


async def test_a_default_database_of_another_version_is_told_of_once_and_shown(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "aura.db")) as database:
        database.execute("PRAGMA user_version = 7")
    with capture_logs() as logs:
        async with open_runtime(Settings(data_dir=tmp_path)) as runtime:
            await runtime.wait_ready()
            (problem,) = runtime.parts.cleanup_state.value.problems
    assert problem == f"the database {tmp_path / 'aura.db'} is of version 7, this program knows 1"
    assert [(log["log_level"], log["event"]) for log in logs if log.get("says") == problem] == [
        ("warning", "the default layout")
    ]


@pytest.mark.parametrize("age", [math.nan, -1.0])
def test_settings_that_were_made_and_not_read_are_refused_with_the_task(age: float) -> None:
    section = type(Settings().cleanup.action_logs)(older_than=age)
    made = msgspec.structs.replace(
        Settings(), cleanup=msgspec.structs.replace(Settings().cleanup, action_logs=section)
    )
    with pytest.raises(InvalidValue, match=r"cleanup\.action-logs"):
        cleaners(made)
