"""Which group each process of the machine belongs to, from what the process table says of it, look by look.

Pure bookkeeping over rows that somebody else reads. A process belongs to the group of its nearest ancestor that
holds a lease, and stays there when that ancestor ends. One that was never seen below its parent is known by its
session, whose id is its leader's: the kernel gives no id to anybody else while a session or process group bears it.
What has cut all of these ties is a stranger, unless `adopt` says otherwise. Refuses to know memory and leases.
"""

from collections.abc import Iterable, Mapping

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One process in the table."""

    pid: int
    parent: int
    process_group: int
    session: int
    start_ticks: int
    cpu_ticks: int


class Lineage:
    """The table, and who belongs to whom.

    Invariant: every pid in `groups` is in `rows`, and its group is one of the roots' groups.
    """

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.groups: dict[int, str] = {}
        self._roots: dict[int, tuple[int | None, str]] = {}
        self._known: frozenset[str] = frozenset()
        # Members that ended but may still lead a session or a process group of living ones.
        self._led: dict[int, str] = {}

    def set_roots(self, roots: Mapping[int, tuple[int | None, str]], groups: Iterable[str]) -> None:
        """Which processes begin a group (start time or None for whoever has the id), and all groups there are."""
        before, self._known, self._roots = self._known, frozenset(groups), dict(roots)
        added = self._known - before
        self._led = {pid: group for pid, group in self._led.items() if group in self._known}
        kept = {pid: group for pid, group in self.groups.items() if group in self._known}
        self.groups = {}
        decided: dict[int, str | None] = {}
        for pid in self.rows:
            self._decide(pid, decided, kept, added)

    def enter(self, rows: Iterable[Row]) -> list[int]:
        """Take in rows that are new or were read again; those of them that belong to no group."""
        fresh = []
        for row in rows:
            known = self.rows.get(row.pid)
            if known is not None and known.start_ticks != row.start_ticks:
                self.forget(row.pid)
                known = None
            if known is None:
                self._led.pop(row.pid, None)
            self.rows[row.pid] = row
            if row.pid not in self.groups:
                fresh.append(row.pid)
        decided: dict[int, str | None] = {}
        return [pid for pid in fresh if self._decide(pid, decided, {}, frozenset()) is None]

    def adopt(self, pid: int, group: str) -> None:
        """Somebody knows better than the table."""
        if pid in self.rows and group in self._known:
            self.groups[pid] = group

    def forget(self, pid: int) -> None:
        """The process ended."""
        self.rows.pop(pid, None)
        group = self.groups.pop(pid, None)
        if group is not None:
            self._led[pid] = group

    def prune(self) -> None:
        """Let go of dead leaders that nobody is led by any more."""
        leaders = {row.session for row in self.rows.values()} | {row.process_group for row in self.rows.values()}
        self._led = {pid: group for pid, group in self._led.items() if pid in leaders}

    # --- deciding ---

    def _decide(
        self, pid: int, decided: dict[int, str | None], kept: Mapping[int, str], added: frozenset[str]
    ) -> str | None:
        """The group of `pid`, entered in `groups`. Ancestors first, without recursion: chains may be long."""
        chain = [pid]
        while (row := self.rows.get(chain[-1])) and row.parent not in chain and row.parent in self.rows:
            if chain[-1] in decided or chain[-1] in self.groups:
                break
            chain.append(row.parent)
        group: str | None = None
        for each in reversed(chain):
            if each in self.groups:
                group = self.groups[each]
            elif each in decided:
                group = decided[each]
            else:
                group = decided[each] = self._group(self.rows[each], kept, added)
                if group is not None:
                    self.groups[each] = group
        return group

    def _group(self, row: Row, kept: Mapping[int, str], added: frozenset[str]) -> str | None:
        root = self._roots.get(row.pid)
        if root is not None and root[0] in (None, row.start_ticks):
            return root[1]
        above = self._member(row.parent)
        before = kept.get(row.pid)
        if before is not None and above not in added:
            return before
        return above or self._tie(row)

    def _tie(self, row: Row) -> str | None:
        """An orphan is known by its session, or by its process group if whoever is its parent now is not of it.

        A shell's children may join a group that one of them leads, without descending from it; their parent is of
        their session. Who takes in orphans (init, a subreaper) as a rule is not.
        """
        if row.session != row.pid:
            group = self._member(row.session)
            if group is not None:
                return group
        parent = self.rows.get(row.parent)
        if row.process_group != row.pid and (parent is None or parent.session != row.session):
            return self._member(row.process_group)
        return None

    def _member(self, pid: int) -> str | None:
        return self.groups.get(pid) or self._led.get(pid)
