"""Two daemons, each with a data directory of its own, that were given the same application."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners import ActionLogs, ArchiveProjects, Bench, Sweep, Swept, TempFiles, recover, sweep
from aura_actors.cleaners.base import Cleaner
from aura_actors.stores.quarantine import QuarantineStore
from tests.cleaners.household import Household, tree


class Other:
    """The second daemon: it knows the same folders and the same database, and has its own journal."""

    def __init__(self, house: Household, place: Path) -> None:
        self.house = house
        self.journal = QuarantineStore(place / "quarantine.db")

    def bench(self, *, days: float, dry_run: bool = False) -> Bench:
        return self.house.bench(days=days, journal=self.journal, run_id="other", dry_run=dry_run)


@pytest.fixture
def other(house: Household, tmp_path: Path) -> Iterator[Other]:
    made = Other(house, tmp_path)
    yield made
    made.journal.close()


def through(run: Sweep) -> Swept:
    while not isinstance(answer := run.step(0), Swept):
        pass
    return answer


def test_a_project_that_both_archive_is_archived_once(house: Household, other: Other) -> None:
    folder = house.project("p1", files={f"{number:03}": "text" for number in range(100)})
    house.upload("p1", "u1")
    before = tree(folder), house.rows("uploads")
    run = Sweep(ArchiveProjects(), house.bench(days=8, run_id="it"))
    steps = 0
    while not isinstance(answer := run.step(0), Swept):
        steps += 1
        refused = sweep(ArchiveProjects(), other.bench(days=8))
        assert (refused.outcome, refused.removed) == ("declined", 0)
        assert "another daemon" in (refused.detail or "")
    assert steps > 100
    assert (answer.outcome, house.status("p1"), len(house.archives())) == ("done", "archived", 1)
    assert house.undo(ArchiveProjects(), "it", days=8).failures == {}
    assert (tree(folder), house.rows("uploads")) == before


@pytest.mark.parametrize("task", [TempFiles(), ActionLogs()])
def test_a_folder_is_free_again_when_a_run_has_ended_or_was_stopped(
    house: Household, other: Other, task: Cleaner
) -> None:
    (house.data_dir / "temp" / "a").write_text("text")
    house.actions(2)
    stopped = Sweep(task, house.bench(days=100))
    stopped.step(0)
    assert sweep(task, other.bench(days=100)).outcome == "declined"
    assert sweep(task, other.bench(days=100, dry_run=True)).outcome == "done"
    stopped.stop()
    assert sweep(task, other.bench(days=100)).outcome == "done"


def test_what_another_daemon_has_in_hand_is_no_trouble_for_a_recovery(house: Household, other: Other) -> None:
    (house.data_dir / "temp" / "a").write_text("text")
    run = Sweep(TempFiles(), house.bench(days=2, run_id="it"))
    run.step(0)
    assert recover(other.journal, house.grounds, 0).failures == {}
    assert through(run).removed == 1


def test_a_run_may_have_one_folder_open_for_two_ends(house: Household) -> None:
    house.project("p1")
    task = ArchiveProjects(archive=str(house.data_dir / "uploads"))
    assert house.run(task, days=8).removed > 0
