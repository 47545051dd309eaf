"""The load test of throttling: the same jobs under several policies, simulated or as real processes.

`command.py` runs it; a scenario says what happens, a policy who starts, a backend (`virtual`, `real`, `server`)
lets it happen, and the conductor keeps the record that all of them share.
"""

from benchmarks.throttle.command import add_options, run

__all__ = ["add_options", "run"]
