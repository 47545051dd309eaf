"""The whole picture: header, alerts, sections in as many columns as fit, footer. Any size of terminal.

Owns where things stand, and how the connection's state and the age of what is shown read. Pure: a state, a view and
a size in, lines out, none wider and no more of them than asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from rich.text import Text

from aura_actors.cli.text import printable
from aura_actors.cli.top import marks
from aura_actors.cli.top.machine import machine
from aura_actors.cli.top.sight import Sight, span
from aura_actors.cli.top.table import BETWEEN, Section, beside, fit, heading, pair, said
from aura_actors.cli.top.upkeep import cleanup, daemon
from aura_actors.cli.top.view import PARTS, Part, View
from aura_actors.cli.top.work import work

TWO_FROM, THREE_FROM = 76, 150
"""From so many cells on there are two or three columns."""
ROWS: Final = 8
"""Of a list, where everything is shown at once."""
SCALES: Final = (3, 2, 1)
AGE_FROM: Final = 60
"""In narrower headers the age stands without the word."""
STALE_SECONDS: Final = 5.0
RESTART_SECONDS: Final = 30.0
"""How long a restart of the daemon is mentioned."""

Draw = Callable[[Sight, int], Iterator[Section]]
EVERYTHING: Final[dict[int, tuple[tuple[Draw, ...], ...]]] = {
    1: ((machine, work, cleanup, daemon),),
    2: ((machine,), (work, cleanup, daemon)),
    3: ((machine,), (work,), (cleanup, daemon)),
}
"""What stands in which column, by their number: nothing moves to another when a job comes or goes."""
ALONE: Final[dict[Part, Draw]] = {"jobs": work, "cleanup": cleanup, "actors": daemon}


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the daemon. `trouble` is why there is none now."""

    url: str
    trouble: str | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Lines, as many as the terminal has; `page` of them scroll, by at most `last`."""

    lines: Sequence[Text]
    page: int
    last: int


def picture(sight: Sight, view: View, connection: Connection, width: int, height: int) -> Picture:
    """Everything, on a screen of this size."""
    above = [header(sight, view, connection, width), *notices(sight, connection, width)]
    above = above[: max(1, height - 2)]
    page = max(0, height - len(above) - 1)
    body = _scaled(sight, view.part, width, page)
    last = max(0, len(body) - page)
    top = min(view.top, last)
    seen = body[top : top + page]
    seen += [Text()] * (page - len(seen))
    lines = [*above, *seen, footer(sight, view, width, below=len(body) - top - page)]
    return Picture(lines=lines[:height], page=page, last=last)


def header(sight: Sight, view: View, connection: Connection, width: int) -> Text:
    """Whose picture it is, and how fresh."""
    age = sight.state.age_seconds(sight.now)
    late = max(STALE_SECONDS, 3 * sight.state.step_seconds)
    right = Text()
    if view.paused:
        right.append("paused  ", style="reverse")
    if connection.trouble is not None:
        right.append(f"{sight.glyphs.ring} reconnecting", style=marks.NEAR)
    elif age is None:
        right.append(f"{sight.glyphs.ring} no data yet", style=marks.NEAR)
    else:
        right.append(f"{sight.glyphs.dot} live", style=marks.CALM)
    if age is not None:
        what = "  data " if width >= AGE_FROM else "  "
        right.append(f"{what}{span(age)} old", style=marks.HIGH if age > late else marks.FAINT)
    return pair(Text.assemble(("aura ", "bold cyan"), (printable(connection.url), marks.FAINT)), right, width)


def notices(sight: Sight, connection: Connection, width: int) -> Iterator[Text]:
    """What one should know first."""
    if connection.trouble is not None:
        yield fit(said(connection.trouble, marks.NEAR), width)
    restarted = sight.state.restarted_at
    if restarted is not None and sight.now - restarted < RESTART_SECONDS:
        yield fit(said(f"the daemon was started again {span(sight.now - restarted)} ago", marks.NEAR), width)
    for alert in sight.state.alerts.active if sight.state.alerts else []:
        since = f"for {span(-sight.until(alert.raised_at))}"
        yield pair(said(f"{sight.glyphs.alert} {alert.text}", marks.HIGH), said(since, marks.HIGH), width)


def sections(sight: Sight, part: Part, width: int) -> list[Text]:
    """The body. All of it is cut short per list, one part alone is not."""
    if part in ALONE:
        return [line for section in ALONE[part](sight, width) for line in _block(section, sight, width)]
    count = 3 if width >= THREE_FROM else 2 if width >= TWO_FROM else 1
    wide = (width - BETWEEN * (count - 1)) // count
    if part == "machine":
        columns = spread([_block(section, sight, wide) for section in machine(sight, wide)], count)
    else:
        few = msgspec.structs.replace(sight, rows=ROWS)
        columns = [
            [line for draw in group for section in draw(few, wide) for line in _block(section, few, wide)]
            for group in EVERYTHING[count]
        ]
    return beside(columns, [wide] * count)


def _scaled(sight: Sight, part: Part, width: int, height: int) -> list[Text]:
    """The body, its lines over time as high as there is room for."""
    for scale in SCALES:
        body = sections(msgspec.structs.replace(sight, scale=scale), part, width)
        if len(body) <= height:
            break
    return body


def _block(section: Section, sight: Sight, width: int) -> list[Text]:
    lines = [fit(line, width) for line in section.lines]
    return [heading(section, width, sight.glyphs), *lines, Text()]


def spread(blocks: Sequence[list[Text]], count: int) -> list[list[Text]]:
    """Blocks in their order over so many columns, so that the longest is as short as it can be."""
    sizes = [len(block) for block in blocks]
    least, most = max(sizes, default=0), sum(sizes)
    while least < most:
        tried = (least + most) // 2
        least, most = (least, tried) if _needed(sizes, tried) <= count else (tried + 1, most)
    columns: list[list[Text]] = [[] for _ in range(count)]
    place = 0
    for block in blocks:
        if columns[place] and len(columns[place]) + len(block) > least:
            place += 1
        columns[place].extend(block)
    return columns


def _needed(sizes: Sequence[int], height: int) -> int:
    """How many columns of this height."""
    columns, filled = 1, 0
    for size in sizes:
        if filled and filled + size > height:
            columns, filled = columns + 1, 0
        filled += size
    return columns


def footer(sight: Sight, view: View, width: int, *, below: int) -> Text:
    """The keys, in as many words as there is room for."""
    more = Text(f"{below} more {sight.glyphs.more}", style=marks.NEAR) if below > 0 else Text()
    for named in (frozenset(PARTS.values()), frozenset({view.part}), frozenset[Part]()):
        line = Text.assemble(("q", "bold"), " quit  ", ("p", "bold"), " resume  " if view.paused else " pause  ")
        for key, part in PARTS.items():
            line.append(key, style="bold reverse" if part == view.part else "bold")
            line.append(f" {part}  " if part in named else " ")
        line.append(sight.glyphs.vertical, style="bold").append(" scroll" if len(named) > 1 else "")
        if line.cell_len + more.cell_len + 1 <= width:
            break
    return pair(line, more, width)
