"""Reasons for not starting, as a person reads them on a terminal. Knows no command."""

from collections.abc import Iterable

from aura_actors.cli.text import printable, size
from aura_actors.wire.admission import Reason

_IN_BYTES = ("memory", "scratch", "gpu_memory")


def lines(reasons: Iterable[Reason]) -> list[str]:
    """One line for each."""
    return [f"{printable(each.dimension)}: {printable(each.text)}{_amounts(each)}" for each in reasons]


def _amounts(reason: Reason) -> str:
    """How much is short and who has it; dimensions without a size say it in their text."""
    held = f"; held by {', '.join(printable(job) for job in reason.holders)}" if reason.holders else ""
    if not reason.dimension.startswith(_IN_BYTES):
        return held
    return f" (needs {size(reason.needed)}, {size(max(0, reason.available))} left{held})"
