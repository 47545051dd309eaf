"""Without a live screen: one line per sample for pipes, or the whole picture once, without control codes.

Owns what is said on stderr when the connection is lost and found again.
"""

import os
import sys
import time
from typing import Final

from rich.console import Console

from aura_actors.cli.text import printable
from aura_actors.cli.top import plain
from aura_actors.cli.top.live import glyphs_of
from aura_actors.cli.top.screen import header, notices, sections
from aura_actors.cli.top.sight import Sight
from aura_actors.cli.top.view import View
from aura_actors.cli.top.watch import Watch

TICK_SECONDS: Final = 1.0
PIPE_WIDTH: Final = 120


async def show(watch: Watch, count: int | None) -> int:
    """A line for each sample, `count` of them or until the reader has gone."""
    printed, heard, trouble = 0, 0, None
    while count is None or printed < count:
        await watch.change(TICK_SECONDS)
        if watch.connection.trouble and not trouble:
            _say(f"{watch.connection.trouble}; waiting for it")
        elif trouble and not watch.connection.trouble:
            _say("connected again")
        trouble = watch.connection.trouble
        if watch.samples > heard:  # of two that came at once, the newer
            heard, printed = watch.samples, printed + 1
            print(plain.line(watch.state), flush=True)
    return 0


async def once(watch: Watch) -> int:
    """The whole picture, as long as it is; as wide as the terminal, or as COLUMNS says."""
    while not watch.samples:
        await watch.change(TICK_SECONDS)
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH, highlight=False)
    sight = Sight(state=watch.state, now=time.monotonic(), glyphs=glyphs_of(console))
    above = [
        header(sight, View(), watch.connection, console.width),
        *notices(sight, watch.connection, console.width),
    ]
    for line in (*above, *sections(sight, "all", console.width)):
        line.rstrip()
        console.print(line, no_wrap=True, crop=True, soft_wrap=False)
    return 0


def _say(words: str) -> None:
    print(f"aura-actors: {printable(words)}", file=sys.stderr, flush=True)
