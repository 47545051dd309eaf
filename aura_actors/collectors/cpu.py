"""Processor time, for the machine and for each core. Refuses to know percentages: those need two readings."""

import os
from functools import lru_cache

import psutil

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import proc_text
from aura_actors.collectors.tables import processor_times
from aura_actors.domain.snapshot import CpuReading, CpuTimes

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Cpu(Options, frozen=True):
    """Time counters since boot."""

    def read(self) -> CpuReading:
        """Seconds by mode. Inside a container these are the host's."""
        overall, per_core = processor_times(proc_text("stat"), _TICKS_PER_SECOND) or _by_psutil()
        logical_cores: int | None = len(per_core) or psutil.cpu_count()
        return CpuReading(
            overall=overall,
            per_core=per_core,
            logical_cores=logical_cores,
            physical_cores=_physical_cores(logical_cores),
        )


def _by_psutil() -> tuple[CpuTimes, tuple[CpuTimes, ...]]:
    overall: CpuTimes = psutil.cpu_times()._asdict()
    return overall, tuple(core._asdict() for core in psutil.cpu_times(percpu=True))


@lru_cache(maxsize=1)
def _physical_cores(logical_cores: int | None) -> int | None:
    """Costs a few file reads for each core, and can only change when the number of cores does."""
    physical_cores: int | None = psutil.cpu_count(logical=False)
    return physical_cores
