"""After a kill: every intent without an outcome is settled, before anything else is done.

Owns what is done about each state; what that is, is said by a table in `journal`. Can be killed itself at any
point, and begun again.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec

from aura_actors.cleaners.base import BATCH
from aura_actors.cleaners.journal import AFTER_A_KILL, Haul, Journal, Recorded
from aura_actors.cleaners.quarantine import TRASH, open_run_folder, unknown_run_folders
from aura_actors.cleaners.roots import Declined, Ground, claimed, open_root, recognised
from aura_actors.cleaners.tree import Tree, shown_path
from aura_actors.cleaners.way_back import WayBack


class Recovered(msgspec.Struct, frozen=True):
    """What was found unsettled and is settled now, by what was done; and what could not be, by path."""

    settled: Counter[str]
    failures: dict[str, str]


def recover(journal: Journal, grounds: Mapping[str, Ground], now_ns: int) -> Recovered:
    """Settle what a killed run left open. What is on a root that is not recognised waits for it. Blocks.

    Raises `StoreUnavailable`.
    """
    recovered = Recovered(Counter(), {})
    hauls = journal.hauls()
    unsettled = [haul for haul in hauls if journal.moves(haul.number, limit=1, settled=False)]
    for root in {*grounds, *(haul.root for haul in unsettled)}:
        mine = [haul for haul in unsettled if haul.root == root]
        with ExitStack() as stack:
            try:
                root_fd = open_root(recognised(grounds, root))
                stack.callback(os.close, root_fd)
                stack.enter_context(claimed(root, root_fd))
            except Declined as refusal:
                if mine:
                    recovered.failures[shown_path(root)] = str(refusal)
                continue
            try:
                tree = Tree(root, root_fd)
                for haul in mine:
                    _Recovery(journal, haul, tree, now_ns, recovered).run()
                runs = {haul.run_id for haul in journal.hauls() if haul.root == root}
                for run_id in unknown_run_folders(root_fd, runs):
                    path = shown_path(f"{root}/{TRASH}/{run_id}")
                    recovered.failures[path] = "nothing is on record about what lies here; it is left alone"
            except (Declined, OSError) as error:
                text = error.strerror if isinstance(error, OSError) else str(error)
                recovered.failures[shown_path(root)] = text or type(error).__name__
    return recovered


class _Recovery:
    def __init__(
        self,
        journal: Journal,
        haul: Haul,
        tree: Tree,
        now_ns: int,
        recovered: Recovered,
    ) -> None:
        self._journal = journal
        self._haul = haul
        self._tree = tree
        self._now_ns = now_ns
        self._recovered = recovered

    def run(self) -> None:
        trash_fd = open_run_folder(self._tree.fd, self._haul.run_id, make=False)
        way = WayBack(self._tree, trash_fd, self._journal.folders(self._haul.number))
        try:
            while batch := self._journal.moves(self._haul.number, limit=BATCH, settled=False):
                self._settle(batch, way)
        finally:
            way.close()
            if trash_fd is not None:
                os.close(trash_fd)

    def _settle(self, batch: Sequence[Recorded], way: WayBack) -> None:
        outcomes: dict[str, list[int]] = {"quarantined": [], "purged": [], "restored": [], "forgotten": []}
        for recorded in batch:
            outcomes[self._outcome(recorded, way)].append(recorded.seq)
        self._journal.settle(**outcomes, now_ns=self._now_ns)
        self._recovered.settled.update({outcome: len(seqs) for outcome, seqs in outcomes.items() if seqs})

    def _outcome(self, recorded: Recorded, way: WayBack) -> str:
        verdict = AFTER_A_KILL[recorded.state, way.lies(recorded)]
        if verdict != "put back":
            return verdict
        if recorded.move.kind == "directory":
            return "quarantined"  # gone or not, the record of it stays until the run's files go
        try:
            reason = way.put_back(recorded)
            text = None if reason is None else f"it stays in quarantine: {reason.value}"
        except OSError as error:
            text = f"it stays in quarantine: {error.strerror}"
        if text is None:
            return "forgotten"
        self._recovered.failures[way.shown(recorded.move)] = text
        return "quarantined"
