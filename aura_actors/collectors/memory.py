"""Main memory of the machine. Refuses to know processes, control groups and swap."""

import psutil

from aura_actors.collectors.base import Options
from aura_actors.domain.snapshot import MemoryReading


class Memory(Options, frozen=True):
    """Total, and what could be had without swapping."""

    def read(self) -> MemoryReading:
        """Bytes. Inside a container these are the host's."""
        memory = psutil.virtual_memory()
        total_bytes: int = memory.total
        available_bytes: int = memory.available
        return MemoryReading(total_bytes=total_bytes, available_bytes=available_bytes)
