"""This very process: processor time, memory, descriptors, threads. Refuses to know any other process."""

import os
import time
from functools import lru_cache

import psutil

from aura_actors.collectors.base import Options
from aura_actors.domain.snapshot import ProcessReading


class Process(Options, frozen=True):
    """What the runtime itself costs."""

    def read(self) -> ProcessReading:
        """Bytes, seconds and counts; what the platform does not tell is None."""
        process = _this_process(os.getpid())
        with process.oneshot():
            memory = process.memory_info()
            threads: int = process.num_threads()
            started_at_seconds: float = process.create_time()
            # Windows counts handles instead, which are another thing.
            open_descriptors: int | None = process.num_fds() if hasattr(process, "num_fds") else None
        return ProcessReading(
            # Not from psutil, which counts ticks of 10 ms: that is more than a quiet second of ours takes.
            cpu_seconds_total=time.process_time(),
            resident_bytes=memory.rss,
            private_bytes=private_bytes(memory),
            open_descriptors=open_descriptors,
            threads=threads,
            started_at_seconds=started_at_seconds,
        )


@lru_cache(maxsize=1)
def _this_process(pid: int) -> psutil.Process:
    """By the id, which is another one after a fork."""
    return psutil.Process(pid)


def private_bytes(memory: object) -> int | None:
    """Memory that nobody shares: told by Windows, on Linux resident less shared, elsewhere unknown.

    The exact figure (USS) needs a walk over the page tables, which costs more than the rest of a sample.
    """
    private: int | None = getattr(memory, "private", None)
    resident: int | None = getattr(memory, "rss", None)
    shared: int | None = getattr(memory, "shared", None)
    if private is not None:
        return private
    if resident is None or shared is None:
        return None
    return max(0, resident - shared)
