"""What a run over projects has before it, and the one way in which every such run goes through them.

Owns the folders and tables that are open together, the order of the looks at a project, and the books of those that
stay. What is done with a project that may go is the task's own affair.
"""

import functools
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from aura_actors.cleaners.base import SETTLED_FIRST, Bench
from aura_actors.cleaners.contents import Busy, Contents, steps_below, survey
from aura_actors.cleaners.database import can_be_tried, open_application, rehearsal, write
from aura_actors.cleaners.foresight import foreseen
from aura_actors.cleaners.ledger import Entry, Ledger
from aura_actors.cleaners.live import Folders
from aura_actors.cleaners.projects import Project, ProjectOptions, ProjectTables
from aura_actors.cleaners.removal import Recheck
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.tree import Tree, opened
from aura_actors.cleaners.values import Unspeakable, Value, decode, encode
from aura_actors.cleaners.watched import Watched
from aura_actors.domain.pins import Pins
from aura_actors.domain.retention import Item, Keep

Deal = Callable[[Project, Contents], Iterator[None]]

TROUBLE = (OSError, Damaged, Unspeakable, sqlite3.IntegrityError)
"""What is wrong with one project, and keeps no other."""


class Workshop:
    """Everything that a run over projects has open."""

    def __init__(
        self, options: ProjectOptions, bench: Bench, tree: Tree, archive: Tree, connection: sqlite3.Connection
    ) -> None:
        self.options = options
        self.bench = bench
        self.tree = tree
        """The folder of projects."""
        self.archive = archive
        self.connection = connection
        self.tables = ProjectTables(connection, options, bench.now_ns)
        self.ledger = Ledger(connection, make=not bench.dry_run)
        self._due: frozenset[Value] = frozenset()

    def go_through(self, deal: Deal, rehearse: Deal) -> Iterator[None]:
        """Have every project that may go dealt with; a dry run only has it rehearsed, and says which they are.

        Both may raise what is wrong with one project; it stays then, with the reason in the books.
        """
        books = self.bench.books
        books.phase = "projects"
        dealt = 0
        candidates = self._candidates()
        self._others.refresh()
        for project in candidates:
            books.scanned += 1
            contents = yield from self._look(project, full=dealt >= self.options.max_projects)
            if isinstance(contents, Keep):
                books.keep(contents)
            else:
                yield from self._deal(project, contents, self._rehearsed(rehearse) if self.bench.dry_run else deal)
                dealt += 1
            yield

    def reset(self, entry: Entry, *, busy: str) -> None:
        """Give a project back the status that it had, and forget that anything was meant to be done with it."""
        with write(self.connection):
            self.tables.set_status(subject_of(entry), entry.status or "", was=busy)
            self.ledger.drop(entry.file)

    def pinned(self, project: Project) -> bool:
        """Whether a job has come to hold the project's folder, or anything in it, or another project shares it."""
        return self._held(project, self.bench.pins) or self.shared(project)

    def shared(self, project: Project) -> bool:
        """Whether a project that this run does not deal with names the same folder, or one in it or around it."""
        return self._held(project, self._others.latest())

    @functools.cached_property
    def _others(self) -> Watched[Pins]:
        self._candidates()
        folders = Folders(self.tree, self.tree.root)
        return Watched(self.connection, lambda: folders.pins(self.tables.folders_of_others(self._due)))

    def _candidates(self) -> list[Project]:
        found = self.tables.candidates()
        self._due = frozenset(project.id for project in found if project.age is None)
        return found

    def _held(self, project: Project, pins: Pins) -> bool:
        if project.path is None or pins.root.free:
            return False
        steps = steps_below(self.tree, project.path)
        return steps is not None and pins.hold(self.tree.real_path(0, "/".join(steps)))

    def as_long_as(self, status: str, project: Project) -> Recheck:
        """What to ask before each batch of a project's files: they stay when it does not have this status any more,
        or a job has come to hold it."""

        def recheck(items: Sequence[Item]) -> list[Keep | None]:
            mine = self.tables.has_status(project.id, status)
            reason = Keep.CHANGED if not mine else Keep.PINNED if self.pinned(project) else None
            return [reason] * len(items)

        return recheck

    def shown(self, project: Value) -> str:
        """A project as a key of the failures in a report."""
        return f"{self.options.table}: {project!s}"

    def _look(self, project: Project, *, full: bool) -> Generator[None, None, Contents | Keep]:
        if project.age is not None or full:
            return project.age or Keep.OVER_CAP
        if self.shared(project):
            return Keep.PINNED
        age, books = self.options.older_than_seconds, self.bench.books
        before = books.undecided
        try:
            return (yield from survey(self.bench, self.tree, project.path, older_than_seconds=age))
        except OSError as error:
            books.fail(self.shown(project.id), error)
            books.keep(Keep.FAILED, books.undecided - before)
            return Keep.FAILED

    def _deal(self, project: Project, contents: Contents, deal: Deal) -> Iterator[None]:
        books = self.bench.books
        before = books.removed + books.kept.total()
        reason: Keep | None = None
        try:
            yield from deal(project, contents)
        except Busy as busy:
            reason = busy.reason
        except TROUBLE as error:
            reason = Keep.FAILED
            books.fail(self.shown(project.id), in_words(error))
        if reason is not None:
            # What had gone, or been kept, before that is in the books already.
            books.keep(reason, contents.items + 1 - (books.removed + books.kept.total() - before))

    def _rehearsed(self, rehearse: Deal) -> Deal:
        def pretend(project: Project, contents: Contents) -> Iterator[None]:
            yield from rehearse(project, contents)
            books, plan = self.bench.books, (yield from foreseen(self.bench, self.tree, contents.plan))
            for reason, count in plan.kept.items():
                books.keep(reason, count)
            for item in (*plan.remove, *plan.directories):
                books.free(item.size_bytes, item.allocated_bytes, quarantined=True)
                books.list(self.tree.shown(item.parent, item.name), item.size_bytes)
            books.free()

        return pretend

    def rehearse_rows(self, write: Callable[[], object]) -> None:
        """Try a write that does not stay. Raises `sqlite3.IntegrityError` where the database refuses it."""
        if not can_be_tried(self.bench, self.connection):
            return
        with rehearsal(self.connection):
            write()

    def leave_rest_open(self, task: str) -> None:
        """What a killed run left is no part of a dry run."""
        if self.ledger.of_task(task, "pending", "sealed"):
            self.bench.books.leave_open(SETTLED_FIRST)


@contextmanager
def open_workshop(options: ProjectOptions, bench: Bench) -> Iterator[Workshop]:
    """Raises `Declined` where any part of it cannot be had."""
    with (
        opened(bench, options.root_under(bench.data_dir)) as tree,
        opened(bench, options.archive_under(bench.data_dir)) as archive,
        open_application(options.database or bench.database, dry_run=bench.dry_run) as connection,
    ):
        yield Workshop(options, bench, tree, archive, connection)


def in_words(error: Exception) -> OSError | str:
    """One of `TROUBLE` for the failures in the books."""
    if isinstance(error, sqlite3.IntegrityError):
        return f"the database refuses to change its rows: {error}"
    return error if isinstance(error, OSError) else str(error)


def bench_of(shop: Workshop, entry: Entry) -> Bench:
    """The bench for what is done about an entry: a run that takes up another's work does it in that one's name."""
    return msgspec.structs.replace(shop.bench, run_id=entry.run_id)


def subject_of(entry: Entry) -> Value:
    """The id of the project that an entry is about."""
    (project,) = decode(entry.subject or b"[null]")
    return project


def subject(project: Value) -> bytes:
    """The inverse of `subject_of`."""
    return encode((project,))
