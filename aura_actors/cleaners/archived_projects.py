"""Archived projects: after thirty days in the archive the archive goes, and the row that said so.

Owns the options. The thirty days are the ledger's: copying or restoring an archive does not make it younger. How
files go is the business of `expiry`.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from aura_actors.cleaners.archive_projects import NAME as ARCHIVING
from aura_actors.cleaners.base import Age, Bench, Every
from aura_actors.cleaners.database import insert_rows, open_application, write
from aura_actors.cleaners.expiry import expire
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.projects import ProjectOptions
from aura_actors.cleaners.restore import NOT_BACK, not_back
from aura_actors.cleaners.tree import opened
from aura_actors.cleaners.unpacking import read_manifest
from aura_actors.cleaners.workshop import open_workshop, subject_of


class ArchivedProjects(ProjectOptions, frozen=True, kw_only=True, tag_field="task", tag="archived-projects"):
    """Deletes archives that `archive-projects` made, and projects that still have the status `archived`."""

    every: Every | tuple[Every, ...] = "weekly"
    older_than_seconds: Age = 30 * 86_400.0
    statuses: tuple[str, ...] = ("archived",)

    def work(self, bench: Bench) -> Iterator[None]:
        """Whatever has been in the archive for long enough goes to quarantine, then its row."""
        with open_workshop(self, bench) as shop:
            bench.books.phase = "archives"

            def expired(entry: Entry) -> None:
                if shop.ledger.has_another(entry):
                    return  # which is what the row speaks of
                for status in self.statuses:
                    shop.tables.delete(subject_of(entry), was=status)

            yield from expire(
                bench,
                shop.archive,
                shop.connection,
                shop.ledger.of_task(ARCHIVING, "done"),
                older_than_seconds=self.older_than_seconds,
                expired=expired,
            )

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Put the rows back that said that projects are archived; their thirty days begin anew.

        The archives themselves come back from quarantine, before this.
        """
        with open_workshop(self, bench) as shop:
            for entry in shop.ledger.of_run(run_id):
                if entry.expired_by != run_id or entry.state != "expired":
                    continue
                try:
                    manifest = read_manifest(shop.archive, entry.file)
                    table, row = manifest.read_rows()[0]
                    row = shop.tables.with_status(row, self.statuses[0])
                    with write(shop.connection):
                        mine, columns = not shop.ledger.has_another(entry), {table: manifest.tables[table]}
                        if mine and insert_rows(shop.connection, [(table, row)], columns).out:
                            raise sqlite3.IntegrityError(f"something else in {table} has its key")
                        shop.ledger.put(
                            msgspec.structs.replace(
                                entry, state="done", expired_by=None, archived_at=bench.now_ns / 1e9
                            )
                        )
                except NOT_BACK as error:
                    not_back(bench, shop.archive, entry, error)
                    continue
                bench.books.scanned += 1
                bench.books.restored += 1
                yield

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """What is left to `archive-projects`; and what came back from quarantine while its row did not."""
        with (
            opened(bench, self.archive_under(bench.data_dir)) as archive,
            open_application(self.database or bench.database, dry_run=False, reading=True) as connection,
        ):
            ledger = Ledger(connection, make=False)
            there = set(os.listdir(archive.fd))  # noqa: PTH208 - a descriptor
            mine = [e.expired_by for e in ledger.of_task(ARCHIVING, "expired") if e.expired_by and e.file in there]
            return {self.name: mine, ARCHIVING: ledger.runs(ARCHIVING)}
