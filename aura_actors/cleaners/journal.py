"""What a run writes down before it moves anything, so that a kill at any point can be put right.

Owns the words of the journal and the table of its states. Refuses to know how it is stored: that is a store's
business, which a run gets as an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

MoveKind = Literal["file", "symlink", "directory"]
Verdict = Literal["put back", "forgotten", "quarantined", "purged", "restored"]
State = Literal["intended", "quarantined", "doomed", "returning"]

AFTER_A_KILL: Mapping[tuple[State, bool], Verdict] = {
    # (state, whether the item lies in quarantine): what recovery makes of it.
    ("intended", True): "put back",  # nobody saw whether it was in use: the careful side
    ("intended", False): "forgotten",  # it never left, or was a file of a cache and is gone
    ("doomed", True): "quarantined",
    ("doomed", False): "purged",
    ("returning", True): "quarantined",
    ("returning", False): "restored",
}


class Folder(msgspec.Struct, frozen=True):
    """A directory between a root and what was moved out of it. The root itself is 0 and is not written down."""

    number: int
    """Within its haul; larger than its parent's."""
    parent: int
    name: str
    mode: int
    """Permission bits, for the case that it has to be made again."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One item that is to leave its place: what it is, and where it was."""

    folder: int
    name: str
    kind: MoveKind
    """Of a directory, which is removed only when empty, this record is all that quarantine holds."""
    inode: int
    size_bytes: int
    allocated_bytes: int
    modified_ns: int
    mode: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A move as the journal remembers it."""

    seq: int
    """Unique for ever; the item's name in quarantine."""
    move: Move
    state: State
    since_ns: int
    """When it went to quarantine, by the clock that its run went by."""


class Haul(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took out of one root, in one go."""

    number: int
    run_id: str
    task: str
    root: str


class Journal(Protocol):
    """Every call is one durable transaction. Raises `StoreUnavailable`."""

    def open_haul(self, run_id: str, task: str, root: str) -> int:
        """A new haul; its number."""
        ...

    def intend(self, haul: int, folders: Sequence[Folder], moves: Sequence[Move]) -> Sequence[int]:
        """Write down folders not named before, and what is about to be moved; their `seq`, in order."""
        ...

    def doom(self, seqs: Sequence[int]) -> None:
        """These are about to be deleted from quarantine."""
        ...

    def put_back(self, seqs: Sequence[int]) -> None:
        """These are about to go back to where they were."""
        ...

    def settle(
        self,
        *,
        quarantined: Sequence[int] = (),
        purged: Sequence[int] = (),
        restored: Sequence[int] = (),
        forgotten: Sequence[int] = (),
        now_ns: int,
    ) -> None:
        """What came of what was about to be. `forgotten` never left; only what is quarantined stays on record."""
        ...

    def tidy(self, now_ns: int) -> None:
        """Forget hauls of which nothing is left; count from now what went to quarantine in the future, by a clock
        that was wrong."""
        ...

    def hauls(self, run_id: str | None = None) -> Sequence[Haul]:
        """Hauls with anything on record, the oldest first; of one run, or of all."""
        ...

    def folders(self, haul: int) -> Sequence[Folder]:
        """The folders of a haul, every one after its parent."""
        ...

    def moves(
        self, haul: int, *, after: int = 0, limit: int, until_ns: int | None = None, settled: bool = True
    ) -> Sequence[Recorded]:
        """Moves with a larger `seq` than `after`: those in quarantine, since `until_ns` or longer; or, not settled,
        those whose outcome is not known."""
        ...

    def sighted(self, task: str, keys: Sequence[bytes], now_ns: int, *, record: bool) -> Sequence[int]:
        """When each was first seen, `now_ns` for those that were not. `record` writes down that they are seen."""
        ...

    def forget_sightings(self, task: str, before_ns: int) -> None:
        """Forget what was not seen since then: it is gone, or somebody refers to it again."""
        ...
