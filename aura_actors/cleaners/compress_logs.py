"""Logs: what was not written to for a week is compressed, and the log goes when what it became is known to be it.

Owns which logs those are. The newest of each kind stays as it is: whoever writes it may only be waiting for
something to say. How one is compressed is the business of `gzipping`.
"""

import fnmatch
import os
import re
from collections.abc import Iterator
from typing import ClassVar

from aura_actors.cleaners.base import Age, Bench, Every, FolderOptions
from aura_actors.cleaners.contents import Busy
from aura_actors.cleaners.cursor import Cursor
from aura_actors.cleaners.gzipping import PREFIX, Compressed, compress, is_compressed, obstacle
from aura_actors.cleaners.live import live_projects_left_alone
from aura_actors.cleaners.removal import Removal
from aura_actors.cleaners.sealing import drop_drafts
from aura_actors.cleaners.segments import Damaged
from aura_actors.cleaners.tree import Tree, opened
from aura_actors.cleaners.walk import Walk
from aura_actors.domain.retention import Draft, Item, Keep, Kind, Plan

COMPRESSED = (".gz", ".xz", ".zst", ".bz2")


class CompressLogs(FolderOptions, frozen=True, kw_only=True, tag_field="task", tag="compress-logs"):
    """Turns `x.log` into `x.log.gz`, with its mode and its time of writing. What is compressed is never deleted."""

    folder: ClassVar[str] = "logs"

    every: Every | tuple[Every, ...] = "daily"
    older_than_seconds: Age = 7 * 86_400.0
    names: tuple[str, ...] = ("*.log", "*.log.[0-9]*", "*.log-[0-9]*")
    """Globs of the names that are logs; never one that ends like something compressed."""

    def work(self, bench: Bench) -> Iterator[None]:
        """Compress every log that is old enough, and not the newest of its kind."""
        with opened(bench, self.root_under(bench.data_dir)) as tree, live_projects_left_alone(bench, tree):
            draft = Draft(bench.now_ns, self.rule())
            bench.books.phase = "scan"
            pins = bench.held().at(tree.real_path(0, ""))
            walk = Walk(tree, draft, bench.books, exclude=self.exclude, pins=pins, objection=self._objection)
            yield from walk.steps()
            planned = draft.finish()
            for reason, count in planned.kept.items():
                bench.books.keep(reason, count)
            bench.books.keep(Keep.EXCLUDED, len(planned.directories))
            bench.books.phase, bench.books.total = "compress", len(planned.remove)
            yield from _Compressing(bench, tree).steps(planned.remove)

    def _objection(self, path: str, item: Item) -> Keep | None:
        name = item.name
        is_log = any(fnmatch.fnmatchcase(name, glob) for glob in self.names) and not name.endswith(COMPRESSED)
        return None if is_log and item.kind is Kind.FILE else Keep.EXCLUDED


class _Compressing:
    def __init__(self, bench: Bench, tree: Tree) -> None:
        self._bench = bench
        self._tree = tree
        self._cursor = Cursor(tree.fd, tree.places, hold_locks=True)

    def steps(self, logs: tuple[Item, ...]) -> Iterator[None]:
        by_folder: dict[int, list[Item]] = {number: [] for number in range(len(self._tree.places))}
        for log in logs:
            by_folder[log.parent].append(log)
        try:
            for number, mine in by_folder.items():
                yield from self._folder(number, mine)
                yield
        finally:
            self._cursor.close()

    def _folder(self, number: int, logs: list[Item]) -> Iterator[None]:
        newest: set[str] = set()
        reason: Keep | None
        try:
            reason = self._cursor.go(number)
            if reason is None:
                if not self._bench.dry_run:
                    drop_drafts(self._cursor.fd, prefix=PREFIX)
                newest = _newest(self._cursor.fd)
        except (FileNotFoundError, NotADirectoryError):
            reason = Keep.CHANGED
        except OSError as error:
            reason = Keep.FAILED
            place = self._tree.places[number]
            self._bench.books.fail(self._tree.shown(place.parent, place.name), error)
        for log in logs:
            stays = reason or (Keep.NEWEST if log.name in newest else None)
            if stays is not None:
                self._bench.books.keep(stays)
            elif self._bench.dry_run:
                self._pretend(log)
            else:
                yield from self._compress(log)
            yield

    def _pretend(self, log: Item) -> None:
        books = self._bench.books
        books.leave_open("how much it frees to compress a log shows when that is done")
        try:
            reason = obstacle(self._cursor.fd, log)
        except OSError as error:
            books.fail(self._tree.shown(log.parent, log.name), error)
            reason = Keep.FAILED
        if reason is not None:
            books.keep(reason)
            return
        if is_compressed(self._cursor.fd, log):
            books.leave_open("whether a .gz that is there already is of its log shows when they are compared")
        books.free()
        books.list(self._tree.shown(log.parent, log.name), log.size_bytes)

    def _compress(self, log: Item) -> Iterator[None]:
        books = self._bench.books
        if self._bench.held().hold(self._tree.real_path(log.parent, log.name)):
            books.keep(Keep.PINNED)
            return
        try:
            after = yield from compress(self._cursor.fd, log)
        except Busy as busy:
            books.keep(busy.reason)
        except (OSError, Damaged) as error:
            text = error if isinstance(error, OSError) else str(error)
            books.fail(self._tree.shown(log.parent, log.name), text)
            books.keep(Keep.FAILED)
        else:
            self._remove(log, after)

    def _remove(self, log: Item, after: Compressed) -> None:
        """One batch, as a cache's file goes: renamed first, and back at its place if anybody came meanwhile.

        It is compressed all the same, and goes when nobody has it open any more.
        """
        books = self._bench.books
        removed, freed = books.removed, (books.freed_bytes, books.freed_allocated_bytes)
        plan = Plan(remove=(log,), directories=(), kept={}, keep=())
        for _ in Removal(self._bench, self._tree, quarantine=False).steps(plan):
            pass
        if books.removed > removed:
            # What is there of a short log may be longer; but nothing was taken from the disk by a run that frees.
            books.freed_bytes = max(freed[0], books.freed_bytes - after.size_bytes)
            books.freed_allocated_bytes = max(freed[1], books.freed_allocated_bytes - after.allocated_bytes)


def _newest(folder_fd: int) -> set[str]:
    """The name of the file that was written last, of each kind of log in a folder."""
    latest: dict[str, tuple[int, str]] = {}
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            if entry.name.endswith(COMPRESSED) or not entry.is_file(follow_symlinks=False):
                continue
            found = (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
            kind = kind_of_log(entry.name)
            latest[kind] = max(found, latest.get(kind, found))
    return {name for _, name in latest.values()}


def kind_of_log(name: str) -> str:
    """What logs of one origin have in common: the name without numbers, dates and what separates them."""
    return re.sub(r"[-_.]+", ".", re.sub(r"\d+", "", name)).strip(".")
