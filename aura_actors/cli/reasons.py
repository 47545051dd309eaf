"""Reasons for not starting, as a person reads them on a terminal. Knows no command."""

from collections.abc import Iterable

from aura_actors.cli.text import printable
from aura_actors.wire.admission import Reason
from aura_actors.wire.amounts import amount


def lines(reasons: Iterable[Reason]) -> list[str]:
    """One line for each."""
    return [f"{printable(each.dimension)}: {printable(each.text)}{_amounts(each)}" for each in reasons]


def _amounts(reason: Reason) -> str:
    """How much is short and who has it; dimensions without a size say it in their text."""
    held = f"; held by {', '.join(printable(job) for job in reason.holders)}" if reason.holders else ""
    needed, left = (amount(reason.dimension, value) for value in (reason.needed, max(0, reason.available)))
    return held if needed is None else f" (needs {needed}, {left} left{held})"
