"""Dry runs of every task that deals with an application's records: no kill point is the point."""

import sqlite3
import time
from pathlib import Path
from typing import cast

import msgspec

from aura_actors.cleaners import (
    ActionLogs,
    ArchivedProjects,
    ArchiveProjects,
    Bench,
    Cleaner,
    CompressLogs,
    ExportHistory,
    FailedProjects,
    Ground,
    Vacuum,
    sweep,
)
from aura_actors.cleaners.journal import Journal
from tests.cleaners.household import DAY, Household
from tests.kill_points.log_scenarios import LOG
from tests.kill_points.row_scenarios import FILES, RecordScenario, house


class DryRuns(RecordScenario):
    """Every task that deals with records, as a dry run, on a database that nobody has open."""

    def fill(self, house: Household) -> None:
        """Something for everyone."""
        house.actions(3)
        house.db.execute("INSERT INTO export_history (status, created_at) VALUES ('completed', 0)")
        house.project("p0", files=FILES)
        house.run(ArchiveProjects(), days=8)
        house.project("p1", files=FILES)
        house.upload("p1", "u.bin")
        house.project("p2", "failed", files=FILES)
        for name in ("app-1.log", "app-2.log"):
            (house.data_dir / "logs" / name).write_text(LOG)
        house.db.execute("CREATE TABLE big (text)")
        house.db.executemany("INSERT INTO big VALUES (?)", [("x" * 4_000,)] * 100)
        house.db.execute("DELETE FROM big")

    def prepare(self, place: Path) -> None:
        """Made, closed, and what is needed to recognise the folders without touching them."""
        with house(place) as made:
            self.fill(made)
            grounds = msgspec.json.encode(made.grounds)
        (place / "grounds").write_bytes(grounds)

    def act(self, place: Path) -> None:
        """Each of them; there is something to do for each."""
        for cleaner in DRY:
            bench = Bench(
                run_id="dry",
                data_dir=str(place / "data"),
                now_ns=time.time_ns() + int(100 * DAY * 1e9),
                journal=cast("Journal", None),  # a dry run has nothing to write down
                grounds=msgspec.json.decode((place / "grounds").read_bytes(), type=dict[str, Ground]),
                database=str(place / "data" / "aura.db"),
                dry_run=True,
            )
            swept = sweep(cleaner, bench)
            assert (swept.outcome, swept.failures) == ("done", {}), swept
            assert swept.removed > 0, cleaner

    def check(self, place: Path, *, whole: bool) -> None:
        """That no call was made is the point."""


class DryRunsOfALiveDatabase(DryRuns):
    """The same where the application died with the database open: its log and its shared memory are there."""

    def prepare(self, place: Path) -> None:
        """As if it were still in use."""
        super().prepare(place)
        leaking = sqlite3.connect(place / "data" / "aura.db", isolation_level=None)
        leaking.execute("INSERT INTO action_logs (at, actor, action, outcome) VALUES (0, 'a', 'b', 'c')")
        LEAKED.append(leaking)


LEAKED: list[sqlite3.Connection] = []
DRY: tuple[Cleaner, ...] = (
    ActionLogs(),
    ExportHistory(),
    ArchiveProjects(),
    FailedProjects(),
    ArchivedProjects(),
    CompressLogs(),
    Vacuum(),
)
