"""What the machine makes its processes wait for, and what the control groups around this process allow it.

Readings of two sources (`collectors/pressure.py`, `collectors/cgroup.py`); both go into the Snapshot as they are,
because nothing in them needs two readings. None means "not known here", never "none used" and never "no limit":
a limit that is None is no limit that could be seen. Refuses to know files.
"""

from typing import Literal

import msgspec

# --- pressure stall information -------------------------------------------------------------------------------


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """Share of time (0-100) spent waiting over the last 10, 60 and 300 seconds, and all of it in seconds."""

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    seconds_total: float


class ResourcePressure(msgspec.Struct, frozen=True, kw_only=True):
    """`some`: at least one task waited; `full`: every task that could have run did."""

    some: Stall | None
    full: Stall | None


class PressureReading(msgspec.Struct, frozen=True, kw_only=True):
    """Waiting on the whole machine, by resource."""

    cpu: ResourcePressure | None
    memory: ResourcePressure | None
    io: ResourcePressure | None

    @property
    def known(self) -> bool:
        """False where the kernel tells nothing at all."""
        return not (self.cpu is None and self.memory is None and self.io is None)


# --- control groups -------------------------------------------------------------------------------------------


class MemoryLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One group around this process whose memory is limited, and what all processes in it use."""

    path: str
    limit_bytes: int
    working_set_bytes: int
    """Charged memory without inactive file pages, which the kernel takes back first."""

    @property
    def available_bytes(self) -> int:
        """What may still be used within this limit."""
        return max(0, self.limit_bytes - self.working_set_bytes)


class CgroupReading(msgspec.Struct, frozen=True, kw_only=True):
    """The group of this process and the limits of all its visible ancestors, of which the tightest binds."""

    version: Literal["v1", "v2", "hybrid"] | None
    """None where there are no control groups."""
    path: str | None = None
    """The group that accounts for memory, by the name that the kernel gives this process."""
    memory_levels: tuple[MemoryLevel, ...] = ()
    """From the innermost group with a limit outwards."""
    memory_usage_bytes: int | None = None
    memory_working_set_bytes: int | None = None
    swap_limit_bytes: int | None = None
    oom_kills_total: int | None = None
    cpu_limit_cores: float | None = None
    cpu_throttled_periods_total: int | None = None
    cpuset_cores: int | None = None
    processes: int | None = None
    """Tasks, threads included, as the limit counts them."""
    process_limit: int | None = None

    @property
    def memory_limit_bytes(self) -> int | None:
        """The tightest limit."""
        return min((level.limit_bytes for level in self.memory_levels), default=None)

    @property
    def memory_available_bytes(self) -> int | None:
        """What every limit still allows."""
        return min((level.available_bytes for level in self.memory_levels), default=None)
