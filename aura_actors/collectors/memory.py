"""Main memory of the machine. Refuses to know processes, control groups and swap."""

import psutil

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import proc_text
from aura_actors.collectors.tables import main_memory
from aura_actors.domain.snapshot import MemoryReading


class Memory(Options, frozen=True):
    """Total, and what could be had without swapping."""

    def read(self) -> MemoryReading:
        """Bytes. Inside a container these are the host's."""
        total_bytes, available_bytes = main_memory(proc_text("meminfo")) or _by_psutil()
        return MemoryReading(total_bytes=total_bytes, available_bytes=available_bytes)


def _by_psutil() -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.total, memory.available
