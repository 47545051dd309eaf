"""What every cleaner is: a frozen Struct of options that works off one run, in small steps, on a bench.

Owns the options that all of them share, and the books and the bench of a run. Refuses to know schedules, where the
journal is kept and who reads the report.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Protocol

import msgspec
from msgspec import Meta

from aura_actors.cleaners.journal import Journal
from aura_actors.cleaners.printable import shown_text
from aura_actors.cleaners.roots import Ground, RootIdentity
from aura_actors.domain.pins import Pins
from aura_actors.domain.retention import Keep, Rule

Every = Literal["hourly", "daily", "weekly"]
Age = Annotated[float, Meta(ge=0)]
"""Seconds; infinite is never."""

MOST_FAILURES = 100
LISTED_BYTES = 2 << 20
"""Of the paths in a listing: half of what a reply of the child process may have."""
BATCH = 64
"""Items between two commits of the journal; work yields at least as often."""
LOOKS = 256
"""Entries that a scan looks at between two yields."""
SETTLED_FIRST = "a real run first settles what a killed one left, which is not in this list"
QUARANTINE_SECONDS = 86_400.0


class Listed(msgspec.Struct, frozen=True):
    """One line of what a dry run saw."""

    path: str
    size_bytes: int | None
    """None for what stays: its size decides nothing and is not remembered."""
    keep: str | None
    """Why it stays; None for what would go."""


class Books:
    """What one run did so far. Invariant at the end of a run that was not stopped: scanned = removed + kept."""

    def __init__(self, *, list_at_most: int = 0) -> None:
        self.scanned = 0
        self.removed = 0
        self.freed_bytes = 0
        self.freed_allocated_bytes = 0
        self.quarantined = 0
        """Of `removed`: how many lie in quarantine."""
        self.quarantined_bytes = 0
        self.restored = 0
        self.kept: Counter[Keep] = Counter()
        self.failures: dict[str, str] = {}
        self.phase = ""
        """What is being done, for people."""
        self.total: int | None = None
        """Items that the phase has before it, where that is known."""
        self.total_bytes: int | None = None
        """And the size of all that is to go."""
        self.unknown: list[str] = []
        """What a dry run cannot say before it is done, in sentences."""
        self.listing: list[Listed] = []
        self.list_at_most = list_at_most
        self._listed_bytes = 0

    @property
    def undecided(self) -> int:
        """Items that were scanned, and of which it is not written down yet whether they go or stay."""
        return self.scanned - self.removed - self.kept.total()

    def keep(self, reason: Keep, count: int = 1) -> None:
        """So many items stay."""
        if count:
            self.kept[reason] += count

    def free(self, size_bytes: int = 0, allocated_bytes: int = 0, *, quarantined: bool = False) -> None:
        """One more item has left its place, or would."""
        self.removed += 1
        self.freed_bytes += size_bytes
        self.freed_allocated_bytes += allocated_bytes
        if quarantined:
            self.quarantined += 1
            self.quarantined_bytes += size_bytes

    def fail(self, path: str, error: OSError | str) -> None:
        """Something could not be done; the first hundred are remembered by path. Both may be any text."""
        if len(self.failures) < MOST_FAILURES:
            text = error if isinstance(error, str) else error.strerror or type(error).__name__
            self.failures[shown_text(path)] = shown_text(text)

    def leave_open(self, sentence: str) -> None:
        """A dry run cannot know this."""
        if sentence not in self.unknown:
            self.unknown.append(sentence)

    def list(self, path: str, size_bytes: int | None, keep: Keep | None = None) -> None:
        """A line for the listing of a dry run, as long as there is room; the path as it is shown."""
        size = len(path.encode())
        if len(self.listing) < self.list_at_most and self._listed_bytes + size <= LISTED_BYTES:
            self._listed_bytes += size
            self.listing.append(Listed(path, size_bytes, None if keep is None else keep.value))


class Bench(msgspec.Struct, kw_only=True):
    """What one run works with. `pins` may be replaced between two steps: jobs come and go while a run goes on."""

    run_id: str
    data_dir: str
    now_ns: int
    """What ages are counted from: for a real run the file system's time, for a dry run the wall clock's."""
    journal: Journal
    grounds: Mapping[str, Ground]
    """The roots that were recognised when the program started, by path."""
    claimed: set[RootIdentity] = msgspec.field(default_factory=set)
    """Those of them that other daemons are kept out of now."""
    dry_run: bool = False
    pins: Pins = msgspec.field(default_factory=Pins)
    """What jobs hold."""
    live: Callable[[], Pins] = Pins
    """The folders of live projects as of now, for a task that is to leave them alone."""
    database: str | None = None
    """The application's SQLite file; None where there is none."""
    quarantine_seconds: float = QUARANTINE_SECONDS
    urgent: bool = False
    """The disk is above its high mark."""
    task: str = ""
    books: Books = msgspec.field(default_factory=Books)

    def held(self) -> Pins:
        """What jobs and live projects hold, as of now."""
        return self.pins | self.live()


class Job(Protocol):
    """Something that can be driven step by step: a cleaner, an undo, a purge."""

    def work(self, bench: Bench) -> Iterator[None]:
        """Do it. Yields after every small batch; closing the iterator there ends the run with its books in order.

        Raises `Declined` for a run that must not be, `OSError`, `sqlite3.Error` and `StoreUnavailable` for one that
        cannot go on; what befalls single items goes into the books.
        """
        ...


class Cleaner(Job, Protocol):
    """One kind of cleanup."""

    @property
    def name(self) -> str:
        """The task's id, unique among the cleaners."""
        ...

    @property
    def enabled(self) -> bool:
        """It runs by itself."""
        ...

    @property
    def periods(self) -> tuple[Every, ...]:
        """How often."""
        ...

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """The roots that must be recognised before it may work."""
        ...

    def recover(self, bench: Bench) -> Iterator[None]:
        """Take up what a killed run left in a database or an archive; `work` begins with the same."""
        ...

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Undo what a run did to a database, once quarantine has given its files back."""
        ...

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """By task, the runs of which archives still hold rows that `put_back` would put back."""
        ...


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration that every task has."""

    enabled: bool = True
    every: Every | tuple[Every, ...] = "hourly"

    @property
    def name(self) -> str:
        """The task's id: the tag of its options."""
        return str(self.__struct_config__.tag)

    @property
    def periods(self) -> tuple[Every, ...]:
        """`every` as a tuple, whichever way it was written."""
        return (self.every,) if isinstance(self.every, str) else self.every

    def recover(self, bench: Bench) -> Iterator[None]:
        """Nothing: a task of files alone is recovered by the journal."""
        return iter(())

    def put_back(self, bench: Bench, run_id: str) -> Iterator[None]:
        """Nothing: a task of files alone is undone by the journal."""
        return iter(())

    def holds(self, bench: Bench) -> Mapping[str, Sequence[str]]:
        """Nothing: a task of files alone has no archive."""
        return {}


class FolderOptions(TaskOptions, frozen=True, kw_only=True):
    """The configuration of a task that removes aged files from one folder."""

    folder: ClassVar[str]
    """Where the root is, below the data directory, unless `root` says otherwise."""

    older_than_seconds: Age = 86_400.0
    root: str | None = None
    exclude: tuple[str, ...] = ()
    """Globs. One without a slash is matched with every name, one with a slash with the path from the root."""
    max_files: Annotated[int, Meta(ge=0)] = 100_000
    max_bytes: Annotated[int, Meta(ge=0)] | None = None
    max_share: Annotated[float, Meta(ge=0, le=1)] = 1.0

    def root_under(self, data_dir: str) -> str:
        """The root's path."""
        return self.root or f"{data_dir.rstrip('/')}/{self.folder}"

    def grounds_under(self, data_dir: str) -> tuple[str, ...]:
        """The one root."""
        return (self.root_under(data_dir),)

    def rule(self) -> Rule:
        """The options as a retention rule."""
        return Rule(
            older_than_seconds=self.older_than_seconds,
            max_files=self.max_files,
            max_bytes=self.max_bytes,
            max_share=self.max_share,
        )
