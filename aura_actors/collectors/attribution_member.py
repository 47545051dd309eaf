"""Memory of one process that belongs to a lease, read again and again.

Owns the descriptor on its `statm`, which costs an eighth of opening the file each time and never shows another
process under the same id. Refuses to know groups.
"""

import os

from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat, parse_statm, proportional_of, shared_memory_of
from aura_actors.domain.attribution import Identity, Part

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_CHANGE_BYTES = 2**20
_LOOKS = 32
"""`statm` does not tell shared memory from the pages of files. `status` does, and costs ten times as much: it is
asked when the two together changed by more than 1 MiB, and every 32nd time."""


class Member:
    """One process. Closes its descriptor when it is let go of."""

    def __init__(self, proc: str, identity: Identity, *, hold: bool) -> None:
        self.identity = identity
        self._folder = f"{proc}/{identity[0]}"
        self._descriptor = self._open() if hold else None
        self._looks = 0
        self._shared_bytes = 0
        self._file_bytes = 0

    @property
    def holds(self) -> bool:
        """True if it keeps a descriptor."""
        return self._descriptor is not None

    def read(self) -> Part | None:
        """What it uses now; None if it ended, even if its id is somebody else's already."""
        seen = self._statm()
        if seen is None:
            return None
        anonymous_bytes, shared_bytes = seen
        self._looks -= 1
        if self._looks <= 0 or abs(shared_bytes - self._shared_bytes) > _CHANGE_BYTES:
            memory_bytes = shared_memory_of(read_small(f"{self._folder}/status")) or 0
            self._looks, self._shared_bytes = _LOOKS, shared_bytes
            self._file_bytes = max(0, shared_bytes - memory_bytes)
        return Part(anonymous_bytes, max(0, shared_bytes - self._file_bytes))

    def measure(self) -> Part | None:
        """Its proportional part of every page. Slow: walks its page tables, under a lock that it may wait for."""
        return proportional_of(read_small(f"{self._folder}/smaps_rollup"))

    def _statm(self) -> tuple[int, int] | None:
        try:
            if self._descriptor is not None:
                return parse_statm(os.pread(self._descriptor, 128, 0), _PAGE_BYTES)
        except OSError:  # ESRCH
            return None
        text = read_small(f"{self._folder}/statm")
        if text is None or not self._same():
            return None
        return parse_statm(text.encode(), _PAGE_BYTES)

    def _open(self) -> int | None:
        try:
            descriptor = os.open(f"{self._folder}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        if self._same():
            return descriptor
        os.close(descriptor)
        return None

    def _same(self) -> bool:
        row = parse_stat(read_small(f"{self._folder}/stat"))
        return row is not None and (row.pid, row.start_ticks) == self.identity

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close
