"""The process table of the machine, kept from look to look, as far as leases need it.

Owns when which process is read: one listing of `/proc` each time, new processes at once, those of leases often, all
others now and then, because an id may have been used again. Refuses to know what a group is (`domain/lineage.py`)
and what its processes use (`attribution.py`).
"""

import os
from collections.abc import Iterable
from itertools import islice

from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat
from aura_actors.domain.attribution import Root
from aura_actors.domain.lineage import Lineage

_MOST_NEW = 4096
_MEMBERS_AT_ONCE = 64
_MEMBER_LOOKS = 4
_STRANGER_LOOKS = 64


class ProcessTable:
    """A `Lineage` that is kept true by looking at `/proc`."""

    def __init__(self, proc: str) -> None:
        self._proc = proc
        self._look = 0
        self._roots: tuple[Root, ...] = ()
        self.lineage = Lineage()

    def look(self, roots: tuple[Root, ...]) -> None:
        """See who came and went. Raises OSError where there is no process table."""
        self._look += 1
        present = {int(name) for name in os.listdir(self._proc) if name.isdigit()}  # noqa: PTH208  # a third of the time
        rows = self.lineage.rows
        for pid in [pid for pid in rows if pid not in present]:
            self.lineage.forget(pid)
        self._read([*islice(present - rows.keys(), _MOST_NEW), *self._due()])
        if roots != self._roots:
            self._set(roots)
        if self._look % _STRANGER_LOOKS == 0:
            self.lineage.prune()

    def _due(self) -> list[int]:
        """Up to 64 processes of leases are all read again at every look, more of them a quarter at a time."""
        groups = self.lineage.groups
        member_looks = 1 if len(groups) <= _MEMBERS_AT_ONCE else _MEMBER_LOOKS
        look = self._look
        return [
            pid
            for pid in self.lineage.rows
            if (pid + look) % (member_looks if pid in groups else _STRANGER_LOOKS) == 0
        ]

    def _read(self, pids: Iterable[int]) -> None:
        rows = []
        for pid in pids:
            row = parse_stat(read_small(f"{self._proc}/{pid}/stat"))
            if row is None:
                self.lineage.forget(pid)
            else:
                rows.append(row)
        self._adopt_marked(self.lineage.enter(rows), self._roots)

    def _set(self, roots: tuple[Root, ...]) -> None:
        new = [root for root in roots if root not in self._roots]
        self._roots = roots
        self.lineage.set_roots(
            {root.pid: (root.start_ticks, root.group) for root in roots if root.pid is not None},
            {root.group for root in roots},
        )
        strangers = [pid for pid in self.lineage.rows if pid not in self.lineage.groups]
        self._adopt_marked(strangers, new)

    def _adopt_marked(self, strangers: Iterable[int], roots: Iterable[Root]) -> None:
        """Strangers whose environment says whose they are: it is inherited through every fork and session."""
        marks = {os.fsencode(root.mark): root for root in roots if root.mark is not None}
        if not marks:
            return
        for pid in strangers:
            environment = read_small(f"{self._proc}/{pid}/environ")
            entries = set(os.fsencode(environment).split(b"\0")) if environment else set()
            root = next((root for mark, root in marks.items() if mark in entries), None)
            if root is not None and not self._older(pid, root):
                self.lineage.adopt(pid, root.group)

    def _older(self, pid: int, root: Root) -> bool:
        """A process that was there before the lease's own is none of its children, whatever it says."""
        return root.start_ticks is not None and self.lineage.rows[pid].start_ticks < root.start_ticks
