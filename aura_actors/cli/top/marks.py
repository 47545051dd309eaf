"""Numbers as marks on a terminal: bars, stacked bars, sparklines, and the colours that say how full something is.

Owns the glyphs, for terminals with Unicode and without. Every mark differs from its neighbour without colour too. A
value that is not known leaves its place empty: the lowest mark is a zero that was measured. Pure.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.text import Text

NEAR_PERCENT: Final = 10.0
"""This close below its threshold a value is shown in yellow."""
FULL_PERCENT: Final = 90.0
CALM, NEAR, HIGH, FAINT = "green", "yellow", "bold red", "bright_black"


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """What marks are made of. `levels` are from low to high."""

    levels: str
    full: str
    half: str
    empty: str
    others: str
    """The part of a bar that somebody else takes."""
    rule: str
    dot: str
    ring: str
    received: str
    sent: str
    more: str
    vertical: str
    """The keys that scroll."""
    alert: str


UNICODE: Final = Glyphs(
    levels="▁▂▃▄▅▆▇█", full="━", half="╾", empty="─", others="═", rule="─", dot="●", ring="○",
    received="↓", sent="↑", more="↓", vertical="↑↓", alert="▲",
)  # fmt: skip
ASCII: Final = Glyphs(
    levels="_.:-=+*#", full="=", half="-", empty="-", others="#", rule="-", dot="*", ring="o",
    received="<", sent=">", more="v", vertical="j/k", alert="!",
)  # fmt: skip


def heat(percent: float | None, limit_percent: float = FULL_PERCENT) -> str:
    """The style of a share: calm, near its limit, beyond it."""
    if percent is None:
        return FAINT
    if percent >= limit_percent:
        return HIGH
    return NEAR if percent >= limit_percent - NEAR_PERCENT else CALM


def bar(percent: float | None, width: int, glyphs: Glyphs, limit_percent: float = FULL_PERCENT) -> Text:
    """A share of 0-100 as a bar of `width` cells, exact to half a cell."""
    halves = 0 if percent is None else round(2 * width * min(100.0, max(0.0, percent)) / 100)
    full, half = divmod(halves, 2)
    drawn = Text(glyphs.full * full + glyphs.half * half, style=heat(percent, limit_percent))
    return drawn.append(glyphs.empty * (width - full - half), style=FAINT)


def stack(parts: Sequence[float], whole: float, width: int, glyphs: Glyphs, *, overfull: bool = False) -> Text:
    """What is ours and what is others', of a whole; in proportion where they are more than that."""
    ours, others = (max(0.0, part) for part in parts)
    whole = max(whole, ours + others)
    mine, both = (round(width * part / whole) if whole else 0 for part in (ours, ours + others))
    drawn = Text(glyphs.full * mine, style=HIGH if overfull else CALM)
    drawn.append(glyphs.others * (both - mine), style="blue")
    return drawn.append(glyphs.empty * (width - both), style=FAINT)


def spark(
    values: Sequence[float | None], top: float, glyphs: Glyphs, *, rows: int = 1, styles: Sequence[str] = ()
) -> list[Text]:
    """One column for each value, the topmost row first; `top` is as high as it goes. Styles are by column."""
    steps = len(glyphs.levels)
    heights = [None if each is None else _height(each, top, rows * steps) for each in values]
    drawn = []
    for floor in range((rows - 1) * steps, -1, -steps):
        row = Text(no_wrap=True)
        for number, height in enumerate(heights):
            above = 0 if height is None else min(steps, height - floor)
            row.append(glyphs.levels[above - 1] if above > 0 else " ", style=styles[number] if styles else "")
        drawn.append(row)
    return drawn


def _height(value: float, top: float, most: int) -> int:
    share = value / top if top > 0 else 0.0
    return max(1, min(most, math.ceil(share * most - 0.5)))
