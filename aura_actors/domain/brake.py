"""The run-time brake: nothing is granted while the machine is short of memory whatever the books say. Never a kill.

Owns the two signs of it: tasks stalled on memory, and less free than what is kept for the user interface.
"""

STALLED_PERCENT = 10.0
"""Share of the last 10 s in which every task that could have run waited for memory (PSI `full` avg10)."""


def brake(stalled_percent: float | None, free_bytes: int, reserved_bytes: int) -> str | None:
    """Why nothing may be granted now; None while all is well. An unknown pressure is no sign of any."""
    if stalled_percent is not None and stalled_percent > STALLED_PERCENT:
        return f"all running tasks waited for memory {stalled_percent:.0f} % of the last 10 s"
    if free_bytes < reserved_bytes:
        free, kept = max(0, free_bytes) // 10**6, reserved_bytes // 10**6
        return f"only {free} MB of memory are free, and {kept} MB are kept for the user interface"
    return None
