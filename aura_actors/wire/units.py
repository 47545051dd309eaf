"""The one notation for sizes and durations, in files, on the command line and in the environment.

Owns the text forms: `"2GiB"`, `"500MB"`, `1024` for sizes, `"100ms"`, `"15m"`, `0.5` for durations. Strict: one
number and one unit, nothing between or around them. Knows no setting and no limit of one.
"""

import math
import re
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from aura_actors.errors import InvalidValue

SIZE_UNITS: Final[dict[str, int]] = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "PB": 1000**5,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
    "PiB": 1024**5,
}
"""Bytes per unit."""

DURATION_UNITS: Final[dict[str, Decimal]] = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
}
"""Seconds per unit."""

MAX_BYTES: Final = 2**53
"""Sizes travel as JSON numbers, which are exact up to here (8 PiB)."""
MAX_SECONDS: Final = 36_500 * 86_400.0
"""A hundred years: a longer duration is a slip, and clocks overflow not far beyond."""

_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,400})?)([A-Za-z]*)")
_ECHO_LIMIT = 40
_HUGE_BITS = 256
"""Python refuses to write out an integer of some thousand digits."""


def parse_size(value: object) -> int:
    """Bytes from `"2GiB"`, `"500MB"`, `"1024"` or a whole number; a fraction of a byte is cut off.

    MB is 1000 kB, MiB is 1024 KiB. Raises InvalidValue with one sentence.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        size = Decimal(value)
    elif isinstance(value, str):
        number, unit = _split(value, "size", '"2GiB", "500MB" or 1024')
        if unit and unit not in SIZE_UNITS:
            raise InvalidValue(_unknown_unit(value, unit, "size", tuple(SIZE_UNITS)))
        if unit in ("", "B") and number != number.to_integral_value():
            raise InvalidValue(f"{_echo(value)} is not a whole number of bytes")
        size = number * SIZE_UNITS[unit or "B"]
    else:
        raise InvalidValue(f'expected a size such as "2GiB", "500MB" or 1024, got {_echo(value)}')
    if size < 0:
        raise InvalidValue(f"a size cannot be negative, got {_echo(value)}")
    if size > MAX_BYTES:
        raise InvalidValue(f"{_echo(value)} is more than the largest size, {format_size(MAX_BYTES)}")
    return int(size.to_integral_value(ROUND_FLOOR))


def parse_duration(value: object) -> float:
    """Seconds from `"100ms"`, `"30s"`, `"15m"`, `"1h"`, `"7d"`, `"0.5"` or a number of seconds.

    Raises InvalidValue with one sentence.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidValue(f"a duration must be finite, got {_echo(value)}")
        seconds = Decimal(value) if isinstance(value, int) else Decimal(str(value))
    elif isinstance(value, str):
        number, unit = _split(value, "duration", '"100ms", "30s", "15m", "1h", "7d" or 0.5')
        if unit and unit not in DURATION_UNITS:
            raise InvalidValue(_unknown_unit(value, unit, "duration", tuple(DURATION_UNITS)))
        seconds = number * DURATION_UNITS[unit or "s"]
    else:
        raise InvalidValue(f'expected a duration such as "100ms", "30s", "1h" or 0.5, got {_echo(value)}')
    if seconds < 0:
        raise InvalidValue(f"a duration cannot be negative, got {_echo(value)}")
    if seconds > MAX_SECONDS:
        raise InvalidValue(f"{_echo(value)} is more than the longest duration, {format_duration(MAX_SECONDS)}")
    return float(seconds)


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size` reads back to exactly this many bytes."""
    whole = [(unit, factor) for unit, factor in SIZE_UNITS.items() if unit != "KB" and size_bytes % factor == 0]
    if size_bytes == 0:
        return "0B"
    unit, factor = max(whole, key=lambda pair: pair[1])
    return f"{size_bytes // factor}{unit}"


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back to exactly this many seconds."""
    exact = Decimal(str(seconds))
    if exact == 0:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        count = exact / DURATION_UNITS[unit]
        if count == count.to_integral_value() and float(count * DURATION_UNITS[unit]) == seconds:
            return f"{count:.0f}{unit}"
    return f"{exact:f}s"


def _split(text: str, what: str, examples: str) -> tuple[Decimal, str]:
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if found is None:
        raise InvalidValue(f"{_echo(text)} is not a {what}; write it like {examples}")
    return Decimal(found[1]), found[2]


def _unknown_unit(text: str, unit: str, what: str, units: tuple[str, ...]) -> str:
    alike = [known for known in units if known.casefold() == unit.casefold()]
    hint = f"; did you mean {alike[-1]}?" if alike else f"; the units of a {what} are {', '.join(units)}"
    return f"{_echo(text)} has an unknown unit{hint}"


def _echo(value: object) -> str:
    """The value as one short printable word of an error text."""
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        return "a huge number"
    shown = repr(value) if not isinstance(value, str) else f'"{value.encode("unicode_escape").decode("ascii")}"'
    return shown if len(shown) <= _ECHO_LIMIT else f"{shown[:_ECHO_LIMIT]}…"
