"""This very process: processor time, memory, descriptors, threads. Refuses to know any other process."""

import os
import platform
import time
from functools import lru_cache

import psutil

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import proc_text
from aura_actors.collectors.procfs import parse_statm, parse_threads
from aura_actors.domain.snapshot import ProcessReading

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_Found = tuple[int, int | None, int | None, int | None]
"""Resident and private bytes, threads, open descriptors."""


class Process(Options, frozen=True):
    """What the runtime itself costs."""

    def read(self) -> ProcessReading:
        """Bytes, seconds and counts; what the platform does not tell is None."""
        process = _this_process(os.getpid())
        resident_bytes, private_bytes, threads, open_descriptors = _by_proc() or _by_psutil(process)
        started_at_seconds: float = process.create_time()
        return ProcessReading(
            # Not from psutil, which counts ticks of 10 ms: that is more than a quiet second of ours takes.
            cpu_seconds_total=time.process_time(),
            resident_bytes=resident_bytes,
            private_bytes=private_bytes,
            open_descriptors=open_descriptors,
            threads=threads,
            started_at_seconds=started_at_seconds,
        )


@lru_cache(maxsize=1)
def _this_process(pid: int) -> psutil.Process:
    """By the id, which is another one after a fork. It looks up once when it began."""
    return psutil.Process(pid)


def _by_proc() -> _Found | None:
    memory, threads = parse_statm(proc_text("self/statm"), _PAGE_BYTES), parse_threads(proc_text("self/stat"))
    if memory is None or threads is None:
        return None
    anonymous_bytes, shared_bytes = memory
    return anonymous_bytes + shared_bytes, anonymous_bytes, threads, _descriptors(f"{psutil.PROCFS_PATH}/self/fd")


def _descriptors(folder: str) -> int | None:
    """Not counting the one that a listing takes itself."""
    try:
        if _folder_tells_its_size():
            return os.stat(folder).st_size  # noqa: PTH116  # in every sample
        return len(os.listdir(folder)) - 1  # noqa: PTH208  # the same
    except OSError:
        return None


@lru_cache(maxsize=1)
def _folder_tells_its_size() -> bool:
    """Since Linux 6.2 the size of `/proc/<pid>/fd` is the number of its entries, and no listing is needed."""
    major, _, rest = platform.release().partition(".")
    minor = rest.partition(".")[0]
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (6, 2)


def _by_psutil(process: psutil.Process) -> _Found:
    with process.oneshot():
        memory = process.memory_info()
        threads: int = process.num_threads()
        # Windows counts handles instead, which are another thing.
        open_descriptors: int | None = process.num_fds() if hasattr(process, "num_fds") else None
    resident_bytes: int = memory.rss
    return resident_bytes, private_bytes(memory), threads, open_descriptors


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
