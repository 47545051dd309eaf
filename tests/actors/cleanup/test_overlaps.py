"""Tasks that were pointed at what belongs to another one: its database, or the folder of its archives."""

from pathlib import Path

import msgspec
import pytest
from trio.testing import MockClock

from aura_actors.cleaners import ActionLogs, ArchiveProjects, Cache, TempFiles
from tests.actors.cleanup.house import House, ask_run, report_of
from tests.workers.sweeping import Ground1, run


async def test_every_run_is_told_of_the_databases_of_all_tasks(house: House, mock_clock: MockClock) -> None:
    async with house.life(TempFiles(), ActionLogs(database="/srv/app.db")) as ref:
        await report_of(await ask_run(ref))
    assert {"/srv/app.db", "/srv/app.db-wal", "/srv/app.db-shm"} <= {*house.script.begun[0].own}


@pytest.mark.parametrize("archiving", [ArchiveProjects, ActionLogs])
async def test_a_folder_of_archives_is_not_swept(house: House, mock_clock: MockClock, archiving: type) -> None:
    """Under whichever name: here by a link in the way."""
    (house.data_dir / "linked").symlink_to(house.data_dir)
    swept = Cache(root=str(house.data_dir / "linked" / "archive"))
    async with house.life(TempFiles(), archiving(), swept) as ref:
        report = await report_of(await ask_run(ref, "cache"))
        assert (report.outcome, house.script.begun) == ("declined", [])
        assert "keeps its archives" in (report.detail or "")
        assert any(problem.startswith("cache: ") for problem in house.state.value.problems)
        assert (await report_of(await ask_run(ref))).outcome == "done"


async def test_a_database_that_nobody_has_open_lies_safely_in_a_folder_that_is_swept(tmp_path: Path) -> None:
    place = Ground1(tmp_path)
    place.fill(2)
    database = place.root / "inner" / "app.db"
    database.parent.mkdir()
    for end in ("", "-wal"):
        database.with_name(f"app.db{end}").write_bytes(b"rows")
    begin = msgspec.structs.replace(place.begin(), own=(str(database), f"{database}-wal", "/elsewhere/x.db"))
    ended = await run(begin)
    assert (ended.swept.removed, ended.swept.kept) == (2, {"pinned": 3})
    assert database.exists()
