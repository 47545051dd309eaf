"""Numbers and foreign texts as a person reads them on a terminal. Knows no command."""

from typing import Final

from aura_actors.wire.amounts import readable_size

UNKNOWN: Final = "-"
"""Shown for a value that the machine does not have."""


def size(size_bytes: float | None) -> str:
    """About this many bytes: `1.5 GiB`."""
    return UNKNOWN if size_bytes is None else readable_size(size_bytes)


def percent(value: float | None) -> str:
    """A share of 0-100: `42.0 %`."""
    return UNKNOWN if value is None else f"{value:.1f} %"


def printable(text: str) -> str:
    """The text with everything escaped that could move a cursor or start a new line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
