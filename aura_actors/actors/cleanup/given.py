"""What the cleanup actor is given: its rule, and the world around it."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import trio

from aura_actors.actors.cleanup.child import Hand
from aura_actors.cleaners import AnyCleaner
from aura_actors.domain.schedule import Periods
from aura_actors.domain.watermarks import Marks
from aura_actors.domain.yielding import Load, Manners


class CleanupRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part of cleanup."""

    cleaners: Sequence[AnyCleaner]
    data_dir: str
    journal: str
    """The file in which quarantine is recorded."""
    database: str | None = None
    """The application's SQLite file."""
    enabled: bool = True
    """False: nothing runs by itself, not even for the disk's sake."""
    periods: Periods = Periods()
    start_delay_seconds: float = 300.0
    quarantine_seconds: float = 86_400.0
    marks: Marks = Marks()
    manners: Manners = Manners()
    nice: int = 19
    """Of the process that does a run."""
    tick_seconds: float = 15.0
    step_seconds: float = 0.05
    """How long the process works between two questions; a run that is to stop ends within about that."""
    answer_seconds: float = 600.0
    """Whoever takes longer over one step hangs. A database that is being compacted may take minutes."""


class CleanupWorld(msgspec.Struct, frozen=True, kw_only=True):
    """The world. `wall` is unix seconds; `clock` a steady clock, best one that goes on while the machine sleeps.

    Else a long sleep is taken for a clock that was set, and costs one declined pass.
    """

    clock: Callable[[], float]
    wall: Callable[[], float]
    hire: Callable[[trio.Nursery], Awaitable[Hand]]
    """Starts the process for one run."""
    load: Callable[[], Load]
    """What the sampler saw last, and how many jobs run."""
    pins: Callable[[], tuple[str, ...]]
    """What jobs hold, those that run and those that wait."""
    objection: str | None = None
    """Why the database of the default layout cannot be used, where it cannot."""
    read_now: Callable[[], int | None] = lambda: None
    """Nanoseconds that a run counts ages from; None leaves it to the file system."""
