"""How cleanup gives way to whoever works on the machine.

Owns three rules: when the machine is called busy, how long to rest after a batch, and how long a scheduled pass may
be put off. Refuses to know who measures: the load is an argument, and None in it means "not known", which is not
busy.
"""

import msgspec

NEVER_PERCENT = 100.0
"""A threshold of this is never reached."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the sampler saw last."""

    cpu_percent: float | None = None
    """0-100, over all cores."""
    io_percent: float | None = None
    """Share of the last 10 s in which some task waited for a disk, 0-100 (PSI `some avg10`)."""
    running_jobs: int = 0
    """Jobs that hold a lease."""


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """From what load on cleanup gives way, and for how long."""

    cpu_percent: float = 80.0
    io_percent: float = 20.0
    running_jobs: int = 1
    patience_periods: float = 3.0
    """A scheduled pass waits for a calm moment for so many of its periods, and goes then."""


def busy_with(load: Load, manners: Manners) -> str | None:
    """What keeps the machine busy, in words; None where nothing does."""
    if _reached(load.cpu_percent, manners.cpu_percent):
        return f"the processor is in use to {load.cpu_percent:.0f} %"
    if _reached(load.io_percent, manners.io_percent):
        return f"tasks waited for disks {load.io_percent:.0f} % of the time"
    if load.running_jobs >= manners.running_jobs:
        return "1 job is running" if load.running_jobs == 1 else f"{load.running_jobs} jobs are running"
    return None


def _reached(value: float | None, threshold: float) -> bool:
    return value is not None and threshold < NEVER_PERCENT and value >= threshold


def rest_seconds(worked_seconds: float, *, busy: bool) -> float:
    """How long to rest after a batch: as long as it took while the machine is busy, else not at all."""
    return worked_seconds if busy else 0.0


def may_wait(wait_seconds: float, period_seconds: float, manners: Manners) -> bool:
    """Whether a pass that is due (`wait_seconds` <= 0) may still be put off."""
    return -wait_seconds < manners.patience_periods * period_seconds
