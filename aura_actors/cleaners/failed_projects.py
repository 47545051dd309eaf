"""Failed and cancelled projects: after three days their files go to quarantine and their rows into a segment.

Owns the protocol. The project's status is changed first; its rows are sealed; its files go; one transaction deletes
the rows and says so in the ledger. A run that was killed is taken up where it stopped, if the project is as it was
left: the status is ours, no row was changed, no file written; otherwise it gets its status back. The segment lasts
as long as things last in quarantine, so that the run can be undone.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence

import msgspec

from aura_actors.cleaners.base import Age, Bench
from aura_actors.cleaners.contents import Busy, Contents, is_gone, probe, survey
from aura_actors.cleaners.database import open_application, read, write
from aura_actors.cleaners.expiry import discard_segments
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.projects import Project, ProjectOptions, ProjectRows
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.restore import NOT_BACK, end_archive, not_back, put_segments_back
from aura_actors.cleaners.sealing import drop_drafts
from aura_actors.cleaners.segments import Damaged, Packed, Segment, pack, read_file, unpack, write_segment
from aura_actors.cleaners.workshop import (
    TROUBLE,
    Workshop,
    bench_of,
    in_words,
    open_workshop,
    subject,
    subject_of,
)
from aura_actors.domain.retention import Keep

NAME = "failed-projects"


class FailedProjects(ProjectOptions, frozen=True, kw_only=True, tag_field="task", tag=NAME):
    """While it is at it, a project has the status `deleting`; a file in use leaves it so until the next run."""

    older_than_seconds: Age = 3 * 86_400.0
    statuses: tuple[str, ...] = ("failed", "cancelled")
    deleting: str = "deleting"

    @property
    def bygone(self) -> tuple[str, ...]:
        """Archived ones, and those that it is at itself."""
        return (*super().bygone, self.deleting)

    def work(self, bench: Bench) -> Iterator[None]:
        """Take up what a killed run left, then one project after the other."""
        with open_workshop(self, bench) as shop:
            remover = _Remover(self, shop)
            if bench.dry_run:
                shop.leave_rest_open(NAME)
            else:
                yield from remover.take_up()
            yield from discard_segments(bench, shop.archive, shop.connection, NAME)
            yield from shop.go_through(remover.deal, remover.rehearse)

    def recover(self, bench: Bench) -> Iterator[None]:
        """Only take up what a killed run left."""
        with open_workshop(self, bench) as shop:
            yield from _Remover(self, shop).take_up()

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Put the rows of every project back that a run removed, and the status of those that it had not yet."""
        with open_workshop(self, bench) as shop:
            yield from _Remover(self, shop).put_back(run_id)
            yield from put_segments_back(bench, shop.archive, shop.connection, NAME, run_id, whole=True)

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """By the ledger."""
        with open_application(self.database or bench.database, dry_run=False, reading=True) as connection:
            return {NAME: Ledger(connection, make=False).runs(NAME)}


class _Remover:
    def __init__(self, options: FailedProjects, shop: Workshop) -> None:
        self._options = options
        self._shop = shop
        self._bench = shop.bench

    def deal(self, project: Project, contents: Contents) -> Iterator[None]:
        """Remove one project. Raises what is wrong with it, and then it is as it was."""
        shop = self._shop
        rows = yield from self._looked_at(project, contents)
        packed = _packed(project, rows, self._bench.run_id)
        entry = self._claim(project, packed, len(rows.rows))
        try:
            write_segment(shop.archive.fd, packed)
        except (OSError, Damaged):
            self._give_up(entry)
            raise
        yield
        if not self._is_as_sealed(entry, rows):
            self._give_up(entry)
            raise Busy(Keep.CHANGED)
        finished = yield from self._finish(entry, project, contents, rows)
        if finished:
            self._bench.books.free()
        else:
            self._bench.books.keep(Keep.NOT_EMPTY)

    def rehearse(self, project: Project, contents: Contents) -> Iterator[None]:
        """What `deal` would raise before anything has gone, with nothing written."""
        rows = yield from self._looked_at(project, contents)
        _packed(project, rows, self._bench.run_id)

    def take_up(self) -> Iterator[None]:
        """Go on with what was sealed; give the rest its status back."""
        shop = self._shop
        drop_drafts(shop.archive.fd)
        for entry in shop.ledger.of_task(NAME, "restored"):
            end_archive(shop.archive, entry)
        for entry in shop.ledger.of_task(NAME, "pending"):
            try:
                yield from self._go_on(entry)
            except TROUBLE as error:
                shop.bench.books.fail(shop.shown(subject_of(entry)), in_words(error))
            yield

    def put_back(self, run_id: str) -> Iterator[None]:
        """Give those their status back that a run had begun with; their rows are where they were."""
        books = self._bench.books
        for entry in self._shop.ledger.of_run(run_id):
            if entry.task != NAME or entry.state != "pending":
                continue
            try:
                self._give_up(entry)
            except NOT_BACK as error:
                not_back(self._bench, self._shop.archive, entry, error)
                continue
            books.scanned += 1
            books.restored += 1
            yield

    # --- the steps ---

    def _looked_at(self, project: Project, contents: Contents) -> Generator[None, None, ProjectRows]:
        shop = self._shop
        yield from probe(shop.tree, contents)
        if shop.pinned(project):
            raise Busy(Keep.PINNED)
        with read(shop.connection):
            rows = shop.tables.read(project.id, status=project.status)
        if rows is None:
            raise Busy(Keep.CHANGED)
        # While every file is at its place.
        shop.rehearse_rows(lambda: shop.tables.delete_all(project.id, was=project.status))
        return rows

    def _claim(self, project: Project, packed: Packed, rows: int) -> Entry:
        shop = self._shop
        entry = Entry(
            file=packed.name,
            task=NAME,
            run_id=self._bench.run_id,
            state="pending",
            subject=subject(project.id),
            status=project.status,
            rows=rows,
            size_bytes=len(packed.data),
            sha256=packed.sha256,
            archived_at=self._bench.now_ns / 1e9,
        )
        with write(shop.connection):
            if not shop.tables.claim(project, self._options.deleting):
                raise Busy(Keep.CHANGED)
            shop.ledger.put(entry)
        return entry

    def _finish(
        self, entry: Entry, project: Project, contents: Contents, rows: ProjectRows
    ) -> Generator[None, None, bool]:
        """Files, then rows; False where a file stayed, or somebody went on with the project."""
        shop = self._shop
        if contents.items:
            recheck = shop.as_long_as(self._options.deleting, project)
            yield from Removal(bench_of(shop, entry), shop.tree, recheck=recheck).steps(contents.plan)
        if not is_gone(shop.tree, contents):
            return False
        try:
            deleted = self._delete(entry, project, rows)
        except sqlite3.IntegrityError:
            self._let_go(entry)
            raise
        if not deleted:
            self._let_go(entry)
        return deleted

    def _delete(self, entry: Entry, project: Project, rows: ProjectRows) -> bool:
        shop = self._shop
        with write(shop.connection):
            if shop.tables.read(project.id, status=project.status) != rows:
                return False
            if not shop.tables.delete_all(project.id, was=self._options.deleting):
                return False
            now = self._bench.now_ns / 1e9  # from now on the segment is their only place
            shop.ledger.put(msgspec.structs.replace(entry, state="done", archived_at=now))
        return True

    def _is_as_sealed(self, entry: Entry, rows: ProjectRows) -> bool:
        """Whether the project is still ours, and every row what it was."""
        tables, project = self._shop.tables, subject_of(entry)
        with read(self._shop.connection):
            mine = tables.has_status(project, self._options.deleting)
            return mine and tables.read(project, status=entry.status or "") == rows

    def _give_up(self, entry: Entry) -> None:
        """Everything as it was. In this order: a kill in between leaves an entry without a segment."""
        end_archive(self._shop.archive, entry)
        self._shop.reset(entry, busy=self._options.deleting)

    def _let_go(self, entry: Entry) -> None:
        """The same, where files may have gone already."""
        self._give_up(entry)
        self._bench.books.fail(
            self._shop.shown(subject_of(entry)),
            f"it was changed meanwhile; what had gone of it comes back with the undo of run {entry.run_id}",
        )

    # --- what an earlier run left ---

    def _go_on(self, entry: Entry) -> Iterator[None]:
        shop = self._shop
        try:
            segment = unpack(read_file(shop.archive.fd, entry.file))
        except FileNotFoundError:
            shop.reset(entry, busy=self._options.deleting)  # never sealed: nothing was taken from its place
            return
        except (OSError, Damaged) as error:
            shop.bench.books.fail(shop.archive.shown(0, entry.file), str(error))
            return
        rows = ProjectRows(tables=dict(segment.tables), rows=list(segment.rows))
        project = Project(id=subject_of(entry), status=entry.status or "", path=shop.tables.path_in(rows))
        if not self._is_as_sealed(entry, rows) or shop.shared(project):
            self._let_go(entry)
            return
        contents = yield from survey(self._bench, shop.tree, project.path, older_than_seconds=None)
        if isinstance(contents, Keep):
            return
        if _written_since(contents, int(entry.archived_at * 1e9)):
            self._let_go(entry)
            return
        yield from self._finish(entry, project, contents, rows)


def _written_since(contents: Contents, begun_ns: int) -> bool:
    """Whether any file is younger than the removal. That we moved it to and fro shows in its ctime only."""
    return any(max(item.modified_ns, item.born_ns) > begun_ns for item in contents.plan.remove)


def _packed(project: Project, rows: ProjectRows, run_id: str) -> Packed:
    segment = Segment(task=NAME, run_id=run_id, tables=rows.tables, rows=rows.rows)
    return pack(segment, "project", first=project.id, last=project.status)
