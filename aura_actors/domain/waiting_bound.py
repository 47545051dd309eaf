"""Within how many seconds somebody in line starts, as far as anybody can say.

Owns the arithmetic of the promise and the reasons for making none. Who is ahead, and what runs, is told.
"""

from collections.abc import Iterable

import msgspec

from aura_actors.domain.waiting_line import Waiter


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The promise. Where `seconds` is None and `unlimited` too, the room cannot say when what runs makes way,
    or too many different ones are before it."""

    seconds: float | None
    unlimited: str | None = None
    """The key of one who may start before and has no max runtime."""


def bound(
    others: Iterable[Waiter], latest_starts: Iterable[float | None], *, now: float, settled_at: float, turns: int
) -> Bound:
    """`tau * class + W - age`, after which the oldest is always protected, and then one longest runtime per turn.

    `others` may start before it; `latest_starts` (monotonic seconds): of each shape up to its own, if nobody else
    started; `settled_at`: when the first term is over; `turns`: those ahead of it, and its own.

    It holds for places that are attended without a break, as long as nobody arrives who gets ahead (of a higher
    class, within `tau * class`), or who asks for a longer runtime and starts before then.
    """
    longest_seconds = 0.0
    for other in others:
        if other.max_runtime_seconds is None:
            return Bound(seconds=None, unlimited=other.key)
        longest_seconds = max(longest_seconds, other.max_runtime_seconds)
    for latest in latest_starts:
        if latest is None:
            return Bound(seconds=None)
        longest_seconds = max(longest_seconds, latest - now)
    return Bound(seconds=max(0.0, settled_at - now) + turns * longest_seconds)
