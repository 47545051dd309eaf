"""Use of memory and processor by the process trees and control groups that hold leases.

Owns one pass over them: the process table, then memory, cheaply, and exactly where sharing makes the cheap sum
doubtful, at a bounded cost. Refuses to know what a lease is entitled to. Not a configured source like the others of
this package: it is made with the function that tells it the roots of the leases there are now.
"""

import os
import sys
import time
from collections.abc import Callable

from aura_actors.collectors.attribution_book import Book
from aura_actors.collectors.attribution_groups import GroupFiles
from aura_actors.collectors.attribution_member import Member
from aura_actors.collectors.attribution_tree import ProcessTable
from aura_actors.domain.attribution import AttributionReading, GroupUse, Identity, Part, Root

_PASS_SECONDS = 0.02
"""No exact measurement is begun in a pass that has spent this much on them."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def most_descriptors() -> int:
    """A quarter of what this process may open, 2,048 at most."""
    if sys.platform == "win32":
        return 0
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2048 if soft == resource.RLIM_INFINITY else min(2048, soft // 4)


class Attribution:
    """Reads what the roots' groups use. `read` is called by one thread at a time.

    `clock` is monotonic seconds; `root` is where `/proc` is looked for; `descriptors` bounds how many are held.
    """

    name = "attribution"

    def __init__(
        self,
        roots: Callable[[], tuple[Root, ...]],
        *,
        root: str = "/",
        descriptors: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._proc = f"{root.rstrip('/')}/proc"
        self._descriptors = most_descriptors() if descriptors is None else descriptors
        self._clock = clock
        self._forget_all()

    def _forget_all(self) -> None:
        self._table: ProcessTable | None = None
        self._members: dict[int, Member] = {}
        self._held = 0
        self._books: dict[str, Book] = {}

    @property
    def may_hang(self) -> bool:
        """What a process maps is read under a lock of that process, which may be held for ever."""
        return bool(self._roots())

    def read(self) -> AttributionReading:
        """One pass. Nothing is looked at and nothing is held while there are no roots."""
        roots = self._roots()
        if not roots or not sys.platform.startswith("linux"):
            self._forget_all()
            return AttributionReading(groups=())
        self._table = self._table or ProcessTable(self._proc)
        self._table.look(roots)
        files = GroupFiles({root.cgroup for root in roots if root.cgroup is not None})
        leases: dict[str, list[int]] = {}
        for each in roots:
            leases.setdefault(each.group, []).append(each.lease)
        self._books = {group: self._books.get(group) or Book() for group in leases}
        self._sort(files)
        self._measure_doubtful()
        return AttributionReading(
            groups=tuple(
                self._use(self._books[group], tuple(sorted(held)), files, group) for group, held in leases.items()
            )
        )

    # --- who, and how much ---

    def _sort(self, files: GroupFiles) -> None:
        """Put every process into its group's book, with what it uses unless its control group tells."""
        assert self._table is not None
        lineage = self._table.lineage
        inside = {pid: f"cgroup {directory}" for pid, directory in files.processes.items()}
        for book in self._books.values():
            book.begin()
        old, self._members = self._members, {}
        self._held = sum(member.holds for member in old.values())
        for pid, group in [*lineage.groups.items()]:
            if pid in inside:
                continue
            row = lineage.rows[pid]
            member = old.get(pid)
            if member is None or member.identity[1] != row.start_ticks:
                member = Member(self._proc, (pid, row.start_ticks), hold=self._held < self._descriptors)
                self._held += member.holds
            part = member.read()
            if part is None:
                lineage.forget(pid)
                continue
            self._members[pid] = member
            self._books[group].enter(member.identity, row.cpu_ticks, part)
        for pid, group in inside.items():
            row_inside = lineage.rows.get(pid)
            if row_inside is not None and group in self._books:
                self._books[group].enter((pid, row_inside.start_ticks), row_inside.cpu_ticks, None)

    def _measure_doubtful(self) -> None:
        began = self._clock()
        for book in self._books.values():
            now = self._clock()
            if now - began > _PASS_SECONDS:
                return
            if not book.due(now):
                continue
            measured: dict[Identity, tuple[Part, Part]] = {}
            for identity, part in book.parts.items():
                exact = self._members[identity[0]].measure()
                if exact is not None:
                    measured[identity] = (part, exact)
            book.settle(measured, now, self._clock())

    def _use(self, book: Book, leases: tuple[int, ...], files: GroupFiles, group: str) -> GroupUse:
        directory = group.removeprefix("cgroup ") if group.startswith("cgroup ") else None
        charged = 0 if directory is None else files.working_set_bytes(directory)
        seconds = None if directory is None else files.cpu_seconds(directory)
        found = book.bounds
        return GroupUse(
            leases=leases,
            source="tree" if directory is None else "cgroup",
            used_bytes=charged + found.used_bytes,
            least_bytes=charged + found.least_bytes,
            most_bytes=charged + found.most_bytes,
            cpu_seconds_total=book.cpu_ticks / _TICKS_PER_SECOND if seconds is None else seconds,
            processes=len(book.ticks),
            pids=tuple(sorted(pid for pid, _ in book.ticks)),
        )
