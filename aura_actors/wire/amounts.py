"""Amounts of a dimension as a person reads them: `1.5 GiB` of memory, `2` cores.

Owns the form for a glance, which may round; `units.py` has the one that is read back exactly. Knows no reason and
no command.
"""

_STEP = 1024
_IN_BYTES = ("memory", "scratch", "gpu_memory")
_COUNTED = ("cores", "units:")


def readable_size(size_bytes: float) -> str:
    """About this many bytes."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < _STEP:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} PiB"


def amount(dimension: str, value: float) -> str | None:
    """So much of it; None for a dimension whose reasons say it in their text."""
    if dimension.startswith(_IN_BYTES):
        return readable_size(value)
    return f"{value:g}" if dimension.startswith(_COUNTED) else None
