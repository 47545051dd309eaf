"""What every cleaner is: a frozen Struct of options that can scan a root and carry out a plan.

Owns the options that all of them share, and the books of a pass. Refuses to know schedules, journals and who
reads the report.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal, Protocol

import msgspec
from msgspec import Meta

from aura_actors.cleaners.cursor import Place
from aura_actors.domain.retention import Item, Keep, Plan, Rule

Every = Literal["hourly", "daily", "weekly"]

MOST_FAILURES = 100
LONGEST_PATH = 1_000

ShouldStop = Callable[[], bool]
"""Asked before every entry; True ends the pass soon, with everything already done still counted."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a pass is."""

    scanned: int
    removed: int
    freed_bytes: int


class Pass:
    """The books of one pass over one root. Invariant at its end: scanned = removed + kept, whatever happened."""

    def __init__(
        self,
        root: str,
        root_fd: int,
        *,
        should_stop: ShouldStop = lambda: False,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        status = os.fstat(root_fd)
        self.root = root
        self.root_fd = root_fd
        self.should_stop = should_stop
        self.places = [Place(parent=0, depth=0, name="", device=status.st_dev, inode=status.st_ino)]
        self.scanned = 0
        self.removed = 0
        self.freed_bytes = 0
        self.freed_allocated_bytes = 0
        self.kept: Counter[Keep] = Counter()
        self.failures: dict[str, str] = {}
        self.stopped = False
        self._progress = progress

    def stopping(self) -> bool:
        """Ask `should_stop`; once it said yes, the pass is stopped for good."""
        self.stopped = self.stopped or self.should_stop()
        return self.stopped

    def saw(self) -> None:
        """One more entry was scanned."""
        self.scanned += 1
        self._report()

    def free(self, item: Item) -> None:
        """One more item is gone, or would be."""
        self.removed += 1
        self.freed_bytes += item.size_bytes
        self.freed_allocated_bytes += item.allocated_bytes
        self._report()

    def fail(self, parent: int, name: str, error: OSError) -> None:
        """Something could not be read or removed; the first hundred are remembered by path."""
        if len(self.failures) < MOST_FAILURES:
            self.failures[self.shown_path(parent, name)] = error.strerror or type(error).__name__

    def relative_path(self, parent: int, name: str) -> str:
        """The path of an entry from the root, as Python spells names (bytes that are no text as surrogates)."""
        parts = [name]
        while parent:
            parts.append(self.places[parent].name)
            parent = self.places[parent].parent
        return "/".join(reversed(parts))

    def shown_path(self, parent: int, name: str) -> str:
        """The absolute path as text that can be printed: odd bytes and controls escaped, the middle cut if long."""
        raw = os.fsencode(f"{self.root}/{self.relative_path(parent, name)}".rstrip("/"))
        text = raw.decode("utf-8", "backslashreplace")
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        half = LONGEST_PATH // 2
        return text if len(text) <= LONGEST_PATH else f"{text[:half]}…{text[-half:]}"

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(Progress(scanned=self.scanned, removed=self.removed, freed_bytes=self.freed_bytes))


class Cleaner(Protocol):
    """One kind of cleanup. `scan`, the retention rule and `apply` are apart, so that a plan can be looked at."""

    @property
    def name(self) -> str:
        """The task's id, unique among the cleaners."""
        ...

    def rule(self) -> Rule:
        """What the options say about what may go."""
        ...

    def scan(self, books: Pass) -> Iterator[Item]:
        """Everything below the root. Blocks, changes nothing."""
        ...

    def apply(self, books: Pass, plan: Plan) -> None:
        """Remove what the plan says, as far as it is still what was scanned. Blocks."""
        ...


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration that every task has."""

    folder: ClassVar[str]
    """Where the root is, below the data directory, unless `root` says otherwise."""

    enabled: bool = True
    every: Every | tuple[Every, ...] = "hourly"
    older_than_seconds: Annotated[float, Meta(ge=0)] = 86_400.0
    root: str | None = None
    exclude: tuple[str, ...] = ()
    """Globs. One without a slash is matched with every name, one with a slash with the path from the root."""
    max_files: Annotated[int, Meta(ge=0)] = 100_000
    max_bytes: Annotated[int, Meta(ge=0)] | None = None
    max_share: Annotated[float, Meta(ge=0, le=1)] = 1.0

    @property
    def periods(self) -> tuple[Every, ...]:
        """`every` as a tuple, whichever way it was written."""
        return (self.every,) if isinstance(self.every, str) else self.every

    def root_under(self, data_dir: str) -> str:
        """The root's path."""
        return self.root or f"{data_dir.rstrip('/')}/{self.folder}"
