"""A machine as a test wants it, seen through collectors: its memory, its processors, its one disk.

Owns how a percentage becomes the counters that a system would show. Knows no actor; what is set here is seen with
the next sample.
"""

import threading
import time
from collections.abc import Callable

from aura_actors.domain.snapshot import (
    CpuReading,
    DiskReading,
    FilesystemReading,
    MemoryReading,
    NetworkReading,
    ProcessReading,
)
from aura_actors.testing.collectors import ScriptedCollector

GIB = 2**30


class Machine:
    """Give `machine.collectors` to `Surroundings`; set `available_bytes` or `cpu_percent` whenever the test says.

    `clock` is monotonic seconds and must be the one that the sampler is given.
    """

    def __init__(
        self,
        *,
        cores: int = 4,
        memory_bytes: int = 16 * GIB,
        available_bytes: int | None = None,
        cpu_percent: float = 0.0,
        disk_bytes: int = 100 * GIB,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.available_bytes = memory_bytes if available_bytes is None else available_bytes
        self.disk_bytes = self.disk_available_bytes = disk_bytes
        self._clock = clock
        self._cpu_percent = cpu_percent
        self._counted_at = clock()
        self._counting = threading.Lock()
        self._busy_seconds = self._idle_seconds = 0.0
        self.collectors = (
            ScriptedCollector("cpu", self._cpu),
            ScriptedCollector("memory", self._memory),
            ScriptedCollector("process", self._process),
            ScriptedCollector("network", lambda: NetworkReading(interfaces=())),
            ScriptedCollector("disk", self._disk),
        )

    @property
    def cpu_percent(self) -> float:
        """How busy every core is from now on, 0 to 100."""
        return self._cpu_percent

    @cpu_percent.setter
    def cpu_percent(self, percent: float) -> None:
        self._count()
        self._cpu_percent = percent

    def _count(self) -> dict[str, float]:
        """Seconds by mode of one core up to now. Called by the test and by the sampler's thread."""
        with self._counting:
            now = self._clock()
            passed, self._counted_at = now - self._counted_at, now
            self._busy_seconds += passed * self._cpu_percent / 100
            self._idle_seconds += passed * (1 - self._cpu_percent / 100)
            return {"user": self._busy_seconds, "idle": self._idle_seconds}

    def _cpu(self) -> CpuReading:
        core = self._count()
        return CpuReading(
            overall={mode: seconds * self.cores for mode, seconds in core.items()},
            per_core=(core,) * self.cores,
            logical_cores=self.cores,
            physical_cores=self.cores,
        )

    def _memory(self) -> MemoryReading:
        return MemoryReading(total_bytes=self.memory_bytes, available_bytes=self.available_bytes)

    def _process(self) -> ProcessReading:
        return ProcessReading(
            cpu_seconds_total=0.0,
            resident_bytes=0,
            private_bytes=None,
            open_descriptors=None,
            threads=None,
            started_at_seconds=None,
        )

    def _disk(self) -> DiskReading:
        root = FilesystemReading(
            mount="/",
            device="/dev/vda1",
            total_bytes=self.disk_bytes,
            available_bytes=self.disk_available_bytes,
            used_bytes=self.disk_bytes - self.disk_available_bytes,
            read_bytes_total=None,
            written_bytes_total=None,
        )
        return DiskReading(filesystems=(root,))
