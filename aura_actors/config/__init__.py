"""Settings: what they are, where they come from, and what is refused.

`load` reads the TOML file, then the environment (`AURA_SECTION__KEY`), then the command line's options, and answers
with frozen `Settings`; anything unknown or of the wrong kind is refused with its path and its source. The sections
are in `sections.py` and `cleanup.py`, and each step has a file beside it. Knows no actor and no edge: the runtime
hands each part its numbers.
"""

from aura_actors.config.cleanup import Cleanup, CleanupTask
from aura_actors.config.display import to_toml
from aura_actors.config.exposure import check_exposure, is_loopback
from aura_actors.config.loading import load
from aura_actors.config.secret import Secret
from aura_actors.config.sections import (
    Admission,
    Alerts,
    Feed,
    Http,
    Log,
    Provider,
    Providers,
    Sampler,
    Settings,
    Threads,
)
from aura_actors.config.tokens import HttpToken

__all__ = [
    "Admission",
    "Alerts",
    "Cleanup",
    "CleanupTask",
    "Feed",
    "Http",
    "HttpToken",
    "Log",
    "Provider",
    "Providers",
    "Sampler",
    "Secret",
    "Settings",
    "Threads",
    "check_exposure",
    "is_loopback",
    "load",
    "to_toml",
]
