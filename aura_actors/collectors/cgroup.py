"""The control groups around this process: limits of memory, processor and tasks, and how much is used of them.

v1, v2 and both. A limit is the smallest among our group and its visible ancestors; v2's `memory.high` counts
as one, because work above it is slowed down until it fits; v1's soft limit does not. Refuses to know the machine
outside, and what a limit means for admission. No control groups at all is a normal answer.
"""

from functools import lru_cache

from aura_actors.collectors import cgroup_values as values
from aura_actors.collectors.base import Options
from aura_actors.collectors.cgroup_find import Chain, find_groups
from aura_actors.collectors.cgroup_memory import read_memory
from aura_actors.collectors.files import HeldFiles, Read
from aura_actors.domain.containment import CgroupReading

_OUTSIDE = HeldFiles()


class Cgroup(Options, frozen=True):
    """`root` is where `/proc` is looked for, and what mount points are relative to."""

    root: str = "/"

    def read(self) -> CgroupReading:
        """Bytes, cores and counts as they are now."""
        root = self.root.rstrip("/")
        membership = _OUTSIDE.read(f"{root}/proc/self/cgroup")
        if membership is None:
            return CgroupReading(version=None)
        groups = find_groups(root, membership)
        read = _files(root, membership).read
        memory = read_memory(groups.memory, read)
        return CgroupReading(
            version=groups.version,
            path=groups.path,
            memory_levels=memory.levels,
            memory_usage_bytes=memory.usage_bytes,
            memory_working_set_bytes=memory.working_set_bytes,
            swap_limit_bytes=memory.swap_limit_bytes,
            oom_kills_total=memory.oom_kills_total,
            cpu_limit_cores=_cpu_limit(groups.cpu, read),
            cpu_throttled_periods_total=values.entry(_own(groups.cpu, "cpu.stat", read), "nr_throttled"),
            cpuset_cores=_cpuset_cores(groups.cpuset, read),
            processes=values.parse_bytes(_own(groups.pids, "pids.current", read)),
            process_limit=values.least([values.parse_bytes(text) for text in _all(groups.pids, "pids.max", read)]),
        )


@lru_cache(maxsize=1)
def _files(root: str, membership: str) -> HeldFiles:
    """Those of the groups that this process is in now: no group that it has left is kept alive by a descriptor."""
    del root, membership
    return HeldFiles()


def _cpu_limit(chain: Chain, read: Read) -> float | None:
    if chain.unified:
        limits = [values.parse_quota(text) for text in _all(chain, "cpu.max", read)]
    else:
        limits = [_cpu_limit_v1(directory, read) for directory in chain.directories]
    return min((limit for limit in limits if limit is not None), default=None)


def _cpu_limit_v1(directory: str, read: Read) -> float | None:
    quota = values.parse_bytes(read(f"{directory}/cpu.cfs_quota_us"))
    if quota is None:
        return None
    return values.cores(quota, values.parse_bytes(read(f"{directory}/cpu.cfs_period_us")))


def _cpuset_cores(chain: Chain, read: Read) -> int | None:
    name = "cpuset.cpus.effective" if chain.unified else "cpuset.effective_cpus"
    return values.count_of_list(_own(chain, name, read))


def _own(chain: Chain, name: str, read: Read) -> str | None:
    return read(f"{chain.directories[0]}/{name}") if chain.directories else None


def _all(chain: Chain, name: str, read: Read) -> list[str | None]:
    return [read(f"{directory}/{name}") for directory in chain.directories]
