"""Lines of a fixed width: headings, tables that shed columns where there is no room, columns side by side.

Every line comes out no wider than it was asked for, in cells, whatever is in it. Pure; knows no subject.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

import msgspec
from rich.cells import cell_len
from rich.text import Text

from aura_actors.cli.text import printable
from aura_actors.cli.top.marks import FAINT, Glyphs

GAP: Final = "  "
BETWEEN: Final = 3
"""Cells between two columns of sections."""
NARROWEST: Final = 6
"""A column that gives way keeps this much."""

Cell = str | Text


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One subject: its name, a word beside it, and its lines."""

    title: str
    aside: Cell = ""
    lines: Sequence[Text]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """Of a table. It is there from `wide` cells on; one that `yields` is cut where the others need room,
    the last first."""

    name: str
    right: bool = False
    yields: bool = False
    wide: int = 0


def said(cell: Cell, style: str = "") -> Text:
    """A text from anywhere, on one line, without anything that could move a cursor."""
    if isinstance(cell, Text):
        return cell
    return Text(printable(cell), style=style, no_wrap=True)


def fit(line: Text, width: int, *, right: bool = False) -> Text:
    """The line in exactly `width` cells."""
    if width < 1:
        return Text()
    line = line.copy()
    line.truncate(width, overflow="ellipsis")
    room = width - line.cell_len
    if right:
        line.pad_left(room)
    else:
        line.pad_right(room)
    return line


def pair(left: Cell, right: Cell, width: int) -> Text:
    """One at each end of a line; the left one gives way."""
    left, right = said(left), said(right)
    if not right.cell_len:
        return fit(left, width)
    room = max(0, width - right.cell_len - 1)
    return fit(Text.assemble(fit(left, room), " ", right, no_wrap=True), width)


def heading(section: Section, width: int, glyphs: Glyphs) -> Text:
    """`CPU ─────────── 8 cores`, as wide as the column."""
    aside = said(section.aside, style=FAINT)
    title = Text(section.title, style="bold cyan")
    aside = fit(aside, max(0, min(aside.cell_len, width - title.cell_len - 4)))
    rule = glyphs.rule * max(0, width - title.cell_len - aside.cell_len - (2 if aside.cell_len else 1))
    return fit(Text.assemble(title, " ", (rule, FAINT), " " if aside.cell_len else "", aside, no_wrap=True), width)


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int) -> list[Text]:
    """A header and one line for each row."""
    shown = [number for number, column in enumerate(columns) if width >= column.wide]
    cells = [[said(row[number]) for number in shown] for row in rows]
    kept = [columns[number] for number in shown]
    widths = [
        max([cell_len(column.name), *(row[place].cell_len for row in cells)]) for place, column in enumerate(kept)
    ]
    over = sum(widths) + len(GAP) * (len(kept) - 1) - width
    for place, column in reversed(list(enumerate(kept))):
        if column.yields and over > 0:
            taken = min(over, max(0, widths[place] - NARROWEST))
            widths[place] -= taken
            over -= taken
    names = [Text(column.name, style=FAINT) for column in kept]
    return [_row(each, kept, widths, width) for each in (names, *cells)]


def _row(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], width: int) -> Text:
    fitted = [
        fit(cell, wide, right=column.right) for cell, column, wide in zip(cells, columns, widths, strict=True)
    ]
    return fit(Text(GAP, no_wrap=True).join(fitted), width)


def beside(columns: Sequence[Sequence[Text]], widths: Sequence[int]) -> list[Text]:
    """Several columns of lines as one, the shorter ones filled up."""
    gap = Text(" " * BETWEEN)
    return [
        gap.join(fit(Text() if line is None else line, width) for line, width in zip(lines, widths, strict=True))
        for lines in zip_longest(*columns)
    ]
