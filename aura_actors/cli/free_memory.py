"""How much memory a command may take where no daemon decides: the daemon's rule over one reading.

The rule is admission's own: of every limit that binds us, `min(C - S, theta * C)` less what is in use, and the
least of these. What was promised to others is nobody's knowledge here. The settings are those of the environment.
"""

import os

from aura_actors.client.run.local import Room
from aura_actors.collectors.cgroup import Cgroup
from aura_actors.collectors.memory import Memory
from aura_actors.config import Settings, load
from aura_actors.domain.accounts import Allowance


def default_bytes() -> int:
    """What a command needs that does not say."""
    return _settings().admission.bytes_per_job


def look() -> Room:
    """One reading."""
    options, memory = _settings().admission, Memory().read()
    allowance = Allowance(
        reserved_bytes=options.reserved_for_ui, threshold_percent=options.memory_threshold_percent
    )
    levels = [(memory.total_bytes, memory.total_bytes - memory.available_bytes)]
    levels += [(level.limit_bytes, level.working_set_bytes) for level in Cgroup().read().memory_levels]
    return Room(
        most_bytes=min(allowance.of(capacity) for capacity, _ in levels),
        free_bytes=min(allowance.of(capacity) - used for capacity, used in levels),
    )


def _settings() -> Settings:
    return load(None, os.environ, {}, option_names={})
