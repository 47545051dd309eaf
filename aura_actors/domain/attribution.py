"""How much of the machine the jobs that were admitted really use: by process tree, or by control group.

Owns what is asked (`Root`), what is answered (`GroupUse`) and the rule for memory that several processes of a tree
share. Refuses to know how processes are found (`domain/lineage.py`) and read (`collectors/attribution.py`).
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

WORTH_MEASURING_BYTES = 16 * 2**20
WORTH_MEASURING_SHARE = 0.05

Identity = tuple[int, int]
"""A process id and its start time (ticks since boot). An id alone is used again; both together never are."""


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look for the processes of one lease: below a process, in a control group, or both."""

    lease: int
    """The lease's fence, which is never used twice."""
    pid: int | None = None
    start_ticks: int | None = None
    """Field 22 of `/proc/<pid>/stat`. Without it the process that has this id now is meant."""
    cgroup: str | None = None
    """Directory of the group in the hierarchy that accounts for memory."""
    mark: str | None = None
    """`NAME=value` in the environment its processes inherit, for daemons that cut every other tie."""

    @property
    def group(self) -> str:
        """Leases of the same group or process are one group: its memory is counted once however many they are."""
        return f"cgroup {self.cgroup}" if self.cgroup is not None else f"process {self.pid} {self.start_ticks}"


class GroupUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one group uses now. `least_bytes <= used_bytes <= most_bytes`.

    The three are equal where memory is exact: in a control group, for a single process, and for processes that
    share nothing to speak of.
    """

    leases: tuple[int, ...]
    source: Literal["cgroup", "tree"]
    used_bytes: int
    """Anonymous and shared memory in main memory; pages of files are cache, and are not counted for trees."""
    least_bytes: int
    most_bytes: int
    cpu_seconds_total: float
    processes: int
    pids: tuple[int, ...] = ()
    """Ids of those processes, ascending: what else is told by process, a GPU's memory say, is joined by them."""


class AttributionReading(msgspec.Struct, frozen=True, kw_only=True):
    """All groups that hold leases; every process counts for exactly one of them."""

    groups: tuple[GroupUse, ...]

    def of(self, lease: int) -> GroupUse | None:
        """The group of a lease."""
        return next((group for group in self.groups if lease in group.leases), None)


# --- shared memory --------------------------------------------------------------------------------------------


class Part(msgspec.Struct, frozen=True):
    """Memory of one process as the kernel counts it for that process, shared or not."""

    anonymous_bytes: int
    """Its own, and what it still shares with the process it was forked from."""
    shared_bytes: int = 0
    """Shared mappings that are no cache: `MAP_SHARED | MAP_ANONYMOUS`, files in tmpfs, System V."""

    @property
    def total_bytes(self) -> int:
        """Both."""
        return self.anonymous_bytes + self.shared_bytes


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """What an exact measurement found: the sum over the parts was this much too high."""

    overlap_bytes: int
    shared_bytes: Mapping[Identity, int]
    """Shared memory of each process that was measured, then."""


class Bounds(msgspec.Struct, frozen=True):
    """How much memory a tree uses: at least, most likely, and at most."""

    least_bytes: int
    used_bytes: int
    most_bytes: int

    @property
    def worth_measuring(self) -> bool:
        """True if what is not known is more than 16 MiB and 5 percent."""
        unknown_bytes = self.most_bytes - self.least_bytes
        return unknown_bytes > max(WORTH_MEASURING_BYTES, WORTH_MEASURING_SHARE * self.most_bytes)


def bounds(parts: Mapping[Identity, Part], found: Overlap | None) -> Bounds:
    """Bounds from what is cheap to read, and from the last exact measurement.

    At most the sum; at least the largest process. After a measurement also: the sum over the processes that were
    measured, less the overlap found then. What they allocate later is not shared among them, unless it is shared
    memory, which is counted only up to what it was; a fork since then is a process that was not measured. So that
    bound can only be too low: an overlap shrinks when copies are written or a process ends.
    """
    most_bytes = largest_bytes = sure_bytes = 0
    for identity, part in parts.items():
        total_bytes = part.total_bytes
        most_bytes += total_bytes
        largest_bytes = max(largest_bytes, total_bytes)
        if found is not None and identity in found.shared_bytes:
            sure_bytes += part.anonymous_bytes + min(part.shared_bytes, found.shared_bytes[identity])
    if found is None:
        return Bounds(largest_bytes, most_bytes, most_bytes)
    least_bytes = max(largest_bytes, sure_bytes - found.overlap_bytes)
    return Bounds(least_bytes, max(least_bytes, most_bytes - found.overlap_bytes), most_bytes)
