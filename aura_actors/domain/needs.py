"""What a job asks for: one vector over everything that is shared, and the few facts that the queue looks at.

Owns the shape of a request alone. How much there is, and who gets it, is the ledger's.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from aura_actors.domain.providers import ProviderNeed

Priority = Literal["low", "normal", "high"]
RANKS: Mapping[Priority, int] = {"high": 0, "normal": 1, "low": 2}


class GpuNeed(msgspec.Struct, frozen=True, kw_only=True):
    """Graphics devices. One that is not `required` is preferred: where none is free the job goes without."""

    required: bool = True
    count: int = 1
    memory_bytes: int = 0
    """On each device."""
    exclusive: bool = False
    """Nobody else who was admitted uses the device meanwhile."""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is asked for. Two requests with equal specs are the same request.

    Made of values alone, as a lease is: the collector has nothing to find there.
    """

    memory_bytes: int = 0
    cpu_millicores: int = 0
    gpu: GpuNeed | None = None
    scratch_bytes: int = 0
    units: tuple[tuple[str, int], ...] = ()
    """Of dimensions that the configuration names, sorted by name, none of them 0."""
    providers: tuple[ProviderNeed, ...] = ()
    """One for each provider, sorted by name."""
    job_slots: int = 1
    """0 for a provider slot, which is no job."""
    priority: Priority = "normal"
    kind: str | None = None
    """What sort of job this is, for statistics."""
    max_runtime_seconds: float | None = None
    """The lease ends then, however often it is renewed."""
    hold_paths: tuple[str, ...] = ()
    """What cleanup leaves alone meanwhile."""

    @property
    def rank(self) -> int:
        """Of the priority: a lower one goes first."""
        return RANKS[self.priority]

    def growth_from(self, before: "JobSpec") -> "JobSpec | None":
        """What this needs beyond `before`, as a request of its own; None where no amount grows."""
        had = dict(before.units)
        more = JobSpec(
            memory_bytes=max(0, self.memory_bytes - before.memory_bytes),
            cpu_millicores=max(0, self.cpu_millicores - before.cpu_millicores),
            scratch_bytes=max(0, self.scratch_bytes - before.scratch_bytes),
            units=tuple((name, more) for name, amount in self.units if (more := amount - had.get(name, 0)) > 0),
            job_slots=0,
        )
        return None if more == JobSpec(job_slots=0) else more


class Resize(msgspec.Struct, frozen=True, kw_only=True):
    """New amounts for a lease that lives; None leaves one as it is. Amounts may fall and grow in one step."""

    memory_bytes: int | None = None
    cpu_millicores: int | None = None
    scratch_bytes: int | None = None
    units: tuple[tuple[str, int], ...] | None = None

    def of(self, spec: JobSpec) -> JobSpec:
        """The spec with these amounts."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(spec, **given) if given else spec


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A process, told from every other one that may have its id later, as it was when it was named."""

    pid: int
    start_ticks: int
    """Since boot: field 22 of `/proc/<pid>/stat`."""
    resident_bytes: int = 0
    """What it used already; that much of the use of others was its own."""
    cgroup: str | None = None
    """Its control group's path in the hierarchy that accounts for memory."""
    own_group: str | None = None
    """Directory of that group where it is the job's alone: everybody in it counts as the job's."""

    @property
    def identity(self) -> tuple[int, int]:
        """What makes it the same process."""
        return self.pid, self.start_ticks
