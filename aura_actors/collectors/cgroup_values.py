"""What the files of a control group say, v1 and v2. Pure; a text that is missing or odd is None, never 0."""

from collections.abc import Iterable

_UNLIMITED_BYTES = 1 << 62
"""v1 writes "no limit" as the largest number of pages, which depends on the size of a page."""


def parse_bytes(text: str | None) -> int | None:
    """A number of bytes or of tasks; None for `max`, v1's huge value and -1."""
    try:
        return limited(int(text or ""))
    except ValueError:
        return None


def limited(value: int | None) -> int | None:
    """The same for a number; None stays None."""
    return value if value is not None and 0 <= value < _UNLIMITED_BYTES else None


def entry(text: str | None, name: str) -> int | None:
    """One line of a table of names and numbers, without reading the others: `memory.stat` has sixty."""
    _, found, rest = f"\n{text or ''}".partition(f"\n{name} ")
    number = rest.partition("\n")[0]
    return int(number) if found and number.isdigit() else None


def parse_quota(text: str | None) -> float | None:
    """Cores that `cpu.max` allows ("50000 100000" is half a core); None for no limit."""
    parts = (text or "").split()
    return cores(parse_bytes(parts[0]), parse_bytes(parts[1])) if len(parts) == 2 else None


def cores(quota: int | None, period: int | None) -> float | None:
    """The same from v1's two files."""
    return quota / period if quota is not None and period else None


def count_of_list(text: str | None) -> int | None:
    """How many a kernel's list names: "0-3,8" is 5; None for none, because a process always has a processor."""
    total = 0
    for part in (text or "").strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return None
        total += int(last or first) - int(first) + 1
    return total or None


def least(values: Iterable[int | None]) -> int | None:
    """The smallest that is known."""
    return min((value for value in values if value is not None), default=None)
