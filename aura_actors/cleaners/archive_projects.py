"""Completed projects: after a week each goes into an archive of its own, rows and files, and leaves its folder.

Owns the protocol. The project's status is changed first, so that nobody else begins with it; the archive is sealed;
one transaction says in the ledger and in the status that it is archived; then the files go. Killed before the seal,
everything is as it was and the status goes back; killed after it, the next run goes on.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence

import msgspec

from aura_actors.cleaners.archiving import Sealed, Source, sources_of, unchanged_since, uploads_of, write_archive
from aura_actors.cleaners.base import Age, Bench
from aura_actors.cleaners.clearing import clear, clear_after_kill, verified
from aura_actors.cleaners.contents import Busy, Contents, Reader, steps_below
from aura_actors.cleaners.database import Inserted, insert_rows, open_application, read, write
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.projects import Project, ProjectOptions, ProjectRows
from aura_actors.cleaners.restore import NOT_BACK, end_archive, not_back, rows_back
from aura_actors.cleaners.sealing import drop_drafts
from aura_actors.cleaners.segments import Damaged, slug
from aura_actors.cleaners.tarball import SUFFIX, Manifest
from aura_actors.cleaners.tree import opened
from aura_actors.cleaners.unpacking import put_files_back
from aura_actors.cleaners.workshop import TROUBLE, Workshop, in_words, open_workshop, subject, subject_of
from aura_actors.domain.retention import Keep

NAME = "archive-projects"

ROOM = 1.2
"""Free space on the disk that an archive needs, as a multiple of what goes in."""


class ArchiveProjects(ProjectOptions, frozen=True, kw_only=True, tag_field="task", tag=NAME):
    """Meanwhile a project has the status `archiving`; then `archived`, and its children's rows are gone."""

    older_than_seconds: Age = 7 * 86_400.0
    statuses: tuple[str, ...] = ("completed",)
    archiving: str = "archiving"
    archived: str = "archived"

    @property
    def bygone(self) -> tuple[str, ...]:
        """Archived ones, those that it is at itself, and failed tries: what they share with a completed one goes
        into the archive, where nothing of it is lost."""
        return (*super().bygone, self.archiving, self.archived, "failed", "cancelled")

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """Projects, archives, and, where uploads are archived too, those."""
        uploads = (self.uploads_under(data_dir),) if any(child.path for child in self.children) else ()
        return (*super().grounds_under(data_dir), *uploads)

    def work(self, bench: Bench) -> Iterator[None]:
        """Take up what a killed run left, then one project after the other."""
        with open_workshop(self, bench) as shop:
            archiver = _Archiver(self, shop)
            if bench.dry_run:
                shop.leave_rest_open(NAME)
            else:
                yield from archiver.take_up()
            yield from shop.go_through(archiver.deal, archiver.rehearse)

    def recover(self, bench: Bench) -> Iterator[None]:
        """Only take up what a killed run left."""
        with open_workshop(self, bench) as shop:
            yield from _Archiver(self, shop).take_up()

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Give every project that a run archived its status, its rows and its files back; then its archive goes."""
        with open_workshop(self, bench) as shop:
            archiver = _Archiver(self, shop)
            for entry in shop.ledger.of_run(run_id):
                if entry.task != NAME or entry.state not in ("sealed", "done", "partly"):
                    continue
                try:
                    yield from archiver.put_back(entry)
                except NOT_BACK as error:
                    not_back(bench, shop.archive, entry, error)
                yield

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """By the ledger."""
        with open_application(self.database or bench.database, dry_run=False, reading=True) as connection:
            return {NAME: Ledger(connection, make=False).runs(NAME)}


class _Archiver:
    def __init__(self, options: ArchiveProjects, shop: Workshop) -> None:
        self._options = options
        self._shop = shop
        self._bench = shop.bench
        self._rehearsed_bytes = 0

    def deal(self, project: Project, contents: Contents) -> Iterator[None]:
        """Archive one project. Raises what is wrong with it, and then it is as it was."""
        self._demand_room(contents)
        self._shop.rehearse_rows(lambda: self._shop.tables.delete_children(project.id))
        entry = self._claim(project)
        committed = False
        try:
            rows = self._read(project)
            sealed = yield from self._write(entry.file, project, rows, contents)
            entry = self._commit(project, rows, entry, sealed)
            committed = True
        finally:
            if not committed:
                self._give_up(entry)
        self._bench.books.free()  # the project's row; the files are counted as they go
        yield
        yield from clear(self._shop, entry, project, contents, archived=self._options.archived)

    def rehearse(self, project: Project, contents: Contents) -> Iterator[None]:
        """What `deal` would raise before anything has gone, with nothing written."""
        self._demand_room(contents)
        self._rehearsed_bytes += contents.size_bytes
        if not self._has_room(self._rehearsed_bytes):
            self._bench.books.leave_open(
                "whether the disk has room for all of the archives shows as they are written"
            )
        self._shop.rehearse_rows(lambda: self._shop.tables.delete_children(project.id))
        with self._sources(self._read(project), contents) as sources:
            for source in sources:
                if source.open is not None:
                    with source.open():
                        pass  # nobody writes to it, and it is what was scanned
                yield

    def take_up(self) -> Iterator[None]:
        """Drop drafts; go on with what is sealed; give the rest its status back."""
        shop = self._shop
        drop_drafts(shop.archive.fd)
        for entry in shop.ledger.of_task(NAME, "restored"):
            end_archive(shop.archive, entry)
        for entry in shop.ledger.of_task(NAME, "pending", "sealed"):
            try:
                yield from self._go_on(entry)
            except Busy as busy:
                shop.bench.books.fail(shop.archive.shown(0, entry.file), f"is not finished: {busy.reason.value}")
            except TROUBLE as error:
                shop.bench.books.fail(shop.archive.shown(0, entry.file), in_words(error))
            yield

    def put_back(self, entry: Entry) -> Iterator[None]:
        """Files that quarantine did not give back, then status and rows. Raises one of `NOT_BACK`."""
        shop = self._shop
        manifest, _ = yield from verified(shop.archive, entry.file)
        project, rows = self._project_of(entry, manifest)
        again = entry.state == "partly"  # then the project is in use again, and only rows are out
        if not again:
            yield from self._put_files_back(entry, manifest, project)
        with write(shop.connection):
            if not again and not shop.tables.set_status(project.id, project.status, was=self._options.archived):
                raise Damaged(
                    f"{shop.shown(project.id)} does not have the status {self._options.archived} any more"
                )
            inserted = insert_rows(shop.connection, rows.rows[1:], rows.tables)
            shop.ledger.put(msgspec.structs.replace(entry, state="partly" if inserted.out else "restored"))
        own = Inserted(there=1) if again else Inserted(back=1)
        rows_back(self._bench, shop.archive, entry, own + inserted)

    # --- the steps ---

    def _put_files_back(self, entry: Entry, manifest: Manifest, project: Project) -> Iterator[None]:
        shop = self._shop
        folder = None if project.path is None else steps_below(shop.tree, project.path)
        with contextlib.ExitStack() as stack:
            uploads = None
            if any(member.kind == "upload" for member in manifest.members):
                uploads = stack.enter_context(
                    opened(self._bench, self._options.uploads_under(self._bench.data_dir))
                )
            yield from put_files_back(shop.archive, entry.file, projects=shop.tree, folder=folder, uploads=uploads)

    def _demand_room(self, contents: Contents) -> None:
        if not self._has_room(contents.size_bytes):
            needed = int(contents.size_bytes * ROOM)
            raise Damaged(f"an archive of it needs {needed} bytes; {self._free_bytes()} are free")

    def _has_room(self, size_bytes: int) -> bool:
        return self._free_bytes() >= int(size_bytes * ROOM)

    def _free_bytes(self) -> int:
        disk = os.fstatvfs(self._shop.archive.fd)
        return disk.f_bavail * disk.f_frsize

    def _claim(self, project: Project) -> Entry:
        shop, options = self._shop, self._options
        entry = Entry(
            file=f"project-{slug(project.id)}-{secrets.token_hex(6)}{SUFFIX}",
            task=NAME,
            run_id=self._bench.run_id,
            state="pending",
            subject=subject(project.id),
            status=project.status,
            archived_at=self._bench.now_ns / 1e9,
        )
        with write(shop.connection):
            if not shop.tables.claim(project, options.archiving):
                raise Busy(Keep.CHANGED)
            shop.ledger.put(entry)
        return entry

    def _read(self, project: Project) -> ProjectRows:
        with read(self._shop.connection):
            rows = self._shop.tables.read(project.id, status=project.status)
        if rows is None:
            raise Busy(Keep.CHANGED)
        return rows

    def _write(
        self, file: str, project: Project, rows: ProjectRows, contents: Contents
    ) -> Generator[None, None, Sealed]:
        shop = self._shop
        with self._sources(rows, contents) as sources:
            return (
                yield from write_archive(
                    shop.archive, file, project.id, rows, sources, lambda: unchanged_since(shop.tree, contents)
                )
            )

    @contextlib.contextmanager
    def _sources(self, rows: ProjectRows, contents: Contents) -> Iterator[list[Source]]:
        """Everything that goes into the archive. Raises `Busy` where an upload cannot."""
        shop = self._shop
        reader = Reader(shop.tree)
        with contextlib.ExitStack() as stack:
            stack.callback(reader.close)
            sources = sources_of(shop.tree, contents, reader)
            paths = shop.tables.uploads(rows)
            if paths:
                uploads = stack.enter_context(
                    opened(self._bench, self._options.uploads_under(self._bench.data_dir))
                )
                sources.extend(uploads_of(uploads, paths))
            yield sources

    def _commit(self, project: Project, rows: ProjectRows, entry: Entry, sealed: Sealed) -> Entry:
        shop = self._shop
        entry = msgspec.structs.replace(
            entry, state="sealed", rows=len(rows.rows), size_bytes=sealed.size_bytes, sha256=sealed.sha256
        )
        if shop.pinned(project):
            raise Busy(Keep.PINNED)
        with write(shop.connection):
            if shop.tables.read(project.id, status=project.status) != rows:
                raise Busy(Keep.CHANGED)
            if not shop.tables.set_status(project.id, self._options.archived, was=self._options.archiving):
                raise Busy(Keep.CHANGED)
            shop.tables.delete_children(project.id)
            shop.ledger.put(entry)
        return entry

    def _give_up(self, entry: Entry) -> None:
        end_archive(self._shop.archive, entry)
        self._shop.reset(entry, busy=self._options.archiving)

    # --- after a kill ---

    def _go_on(self, entry: Entry) -> Iterator[None]:
        shop = self._shop
        try:
            manifest, sealed = yield from verified(shop.archive, entry.file)
        except (FileNotFoundError, Damaged) as error:
            if entry.state == "pending":
                self._give_up(entry)  # never sealed: nothing was taken from its place
            else:
                shop.bench.books.fail(shop.archive.shown(0, entry.file), str(error))
            return
        project, rows = self._project_of(entry, manifest)
        if entry.state == "pending":
            try:
                entry = self._commit(project, rows, entry, sealed)
            except (Busy, sqlite3.IntegrityError):
                self._give_up(entry)  # somebody went on with the project meanwhile
                return
        yield from clear_after_kill(shop, entry, project, manifest, archived=self._options.archived)

    def _project_of(self, entry: Entry, manifest: Manifest) -> tuple[Project, ProjectRows]:
        rows = ProjectRows(tables=manifest.tables, rows=manifest.read_rows())
        path = self._shop.tables.path_in(rows)
        return Project(id=subject_of(entry), status=entry.status or "", path=path), rows
