"""Control groups that hold leases: who is in them, and what they are charged for.

A group inside another that holds a lease counts for itself, and not for the outer one. Refuses to know processes
beyond their ids. A group that was removed holds nobody and uses nothing.
"""

import os
from collections.abc import Iterable

from aura_actors.collectors import cgroup_values as values
from aura_actors.collectors.cgroup_memory import usage_of
from aura_actors.collectors.files import read_small

_MOST_BELOW = 256
_MICROSECONDS = 1_000_000


class GroupFiles:
    """One look at the groups in `directories`. `processes` maps ids to the innermost of these that holds them."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = sorted(directories, key=len)
        self.processes: dict[int, str] = {}
        for directory in self._directories:
            for count, (folder, _, _) in enumerate(os.walk(directory)):
                if count == _MOST_BELOW:
                    break
                for pid in (read_small(f"{folder}/cgroup.procs") or "").split():
                    self.processes[int(pid)] = directory

    def working_set_bytes(self, directory: str) -> int:
        """Charged memory without inactive file pages and without what inner groups account for."""
        inner = [each for each in self._directories if each.startswith(f"{directory}/")]
        outermost = [each for each in inner if not any(each.startswith(f"{other}/") for other in inner)]
        return max(0, _charged(directory) - sum(_charged(each) for each in outermost))

    def cpu_seconds(self, directory: str) -> float | None:
        """All processor time of the group; None in v1, where another hierarchy counts it."""
        microseconds = values.entry(read_small(f"{directory}/cpu.stat"), "usage_usec")
        inner = any(each.startswith(f"{directory}/") for each in self._directories)
        return None if microseconds is None or inner else microseconds / _MICROSECONDS


def _charged(directory: str) -> int:
    used = usage_of(directory, unified=os.path.exists(f"{directory}/memory.current"))  # noqa: PTH110  # once a pass
    return 0 if used is None else used.working_set_bytes
