"""Processor time, for the machine and for each core. Refuses to know percentages: those need two readings."""

from functools import lru_cache

import psutil

from aura_actors.collectors.base import Options
from aura_actors.domain.snapshot import CpuReading, CpuTimes


class Cpu(Options, frozen=True):
    """Time counters since boot."""

    def read(self) -> CpuReading:
        """Seconds by mode. Inside a container these are the host's."""
        overall: CpuTimes = psutil.cpu_times()._asdict()
        per_core: tuple[CpuTimes, ...] = tuple(core._asdict() for core in psutil.cpu_times(percpu=True))
        logical_cores: int | None = len(per_core) or psutil.cpu_count()
        return CpuReading(
            overall=overall,
            per_core=per_core,
            logical_cores=logical_cores,
            physical_cores=_physical_cores(logical_cores),
        )


@lru_cache(maxsize=1)
def _physical_cores(logical_cores: int | None) -> int | None:
    """Costs a few file reads for each core, and can only change when the number of cores does."""
    physical_cores: int | None = psutil.cpu_count(logical=False)
    return physical_cores
