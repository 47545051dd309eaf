"""What is said between the cleanup actor and the process that does a run.

Owns the Structs; how they travel is `frames`' business. Every request has one reply: `Working` while there is more
to do, `Ended` once.
"""

import msgspec

from aura_actors.cleaners import AnyCleaner, Ground, Progress, Swept
from aura_actors.stores.quarantine import Held


class Sweep(msgspec.Struct, frozen=True, tag=True):
    """A pass of one task."""

    cleaner: AnyCleaner


class Undo(msgspec.Struct, frozen=True, tag=True):
    """Put back what one run took; `cleaner` is the task's, None where there is no such task any more."""

    run_id: str
    cleaner: AnyCleaner | None


class Purge(msgspec.Struct, frozen=True, tag=True):
    """Empty quarantine of what has lain in it for long enough; of everything, where the disk is full."""


class Recover(msgspec.Struct, frozen=True, tag=True):
    """Nothing but what comes before other work: settle what a killed process left open, whatever it worked at."""

    cleaners: tuple[AnyCleaner, ...]


Work = Sweep | Undo | Purge | Recover


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Request: the work of this process; the first frame, once. What a killed process left is settled first."""

    run_id: str
    work: Work
    data_dir: str
    journal: str
    """The file in which quarantine is recorded."""
    database: str | None
    """The application's SQLite file."""
    grounds: tuple[Ground, ...]
    """Every root that was recognised, whichever task works in it."""
    quarantine_seconds: float
    now_ns: int | None = None
    """What ages are counted from; None asks the file system."""
    nice: int = 19
    dry_run: bool = False
    pins: tuple[str, ...] = ()
    """What jobs hold."""
    own: tuple[str, ...] = ()
    """Files of any task's that no task may touch, wherever they lie."""
    urgent: bool = False
    """The disk is above its high mark."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Request: work for about so long."""

    seconds: float
    pins: tuple[str, ...] | None = None
    """What jobs hold now; None where that has not changed."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Request: end here. What was done stays done."""


Request = Begin | Step | Stop


class Working(msgspec.Struct, frozen=True, tag=True):
    """Reply: there is more to do."""

    progress: Progress


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Reply: the work is over."""

    swept: Swept
    quarantine: dict[str, Held] | None
    """By run, whatever is in quarantine now; None where that could not be read."""
    rows: dict[str, tuple[str, ...]] = {}
    """By task, the runs of which archives hold rows now; without a task where that could not be read."""


Reply = Working | Ended
