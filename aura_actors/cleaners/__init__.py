"""Kinds of cleanup, one per file; blocking and synchronous, called from worker threads.

The union is the registry, the configuration's schema and the matrix of the family tests at once: a new kind is one
file beside `temp_files` and one name here. `scan` finds, the retention rule decides, `apply` removes; `sweep`
strings the three together.
"""

from typing import TypeAlias

from aura_actors.cleaners.base import Cleaner, Progress, TaskOptions
from aura_actors.cleaners.roots import Declined, Ground, RootIdentity, filesystem_now_ns, prepare_root
from aura_actors.cleaners.sweep import Swept, sweep
from aura_actors.cleaners.temp_files import TempFiles

AnyCleaner: TypeAlias = TempFiles

__all__ = [
    "AnyCleaner",
    "Cleaner",
    "Declined",
    "Ground",
    "Progress",
    "RootIdentity",
    "Swept",
    "TaskOptions",
    "TempFiles",
    "filesystem_now_ns",
    "prepare_root",
    "sweep",
]
