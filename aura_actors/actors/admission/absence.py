"""Whether there was a time in which nobody could renew: the machine slept, or the whole loop stood still.

Owns how that is noticed. What is made up for it, and that it is not forgotten before, is others' business.
"""

from collections.abc import Callable

import structlog
import trio

log = structlog.get_logger("aura_actors.admission")

SLEPT_SECONDS = 1.0
"""The clock that goes on while the machine sleeps gained this much on the other: it slept."""
STOOD_STILL_SECONDS = 5.0
"""It looks several times in a second while anything is held; so much later, the whole loop stood still."""


class Absence:
    """`boot_clock` goes on while the machine sleeps, `clock` does not."""

    def __init__(self, clock: Callable[[], float], boot_clock: Callable[[], float]) -> None:
        self._clock = clock
        self._boot_clock = boot_clock
        self._slept = boot_clock() - clock()
        self._looked_at = trio.current_time()

    def over(self, *, held: bool) -> bool:
        """Whether there was one since the last look; `held`: this is done all the time, since something is held."""
        stood_still = trio.current_time() - self._looked_at
        self._looked_at = trio.current_time()
        slept = self._boot_clock() - self._clock()
        slept_now, self._slept = slept - self._slept, slept
        if slept_now > SLEPT_SECONDS:
            log.info("the machine slept: every lease gets its full time again", seconds=round(slept_now))
            return True
        if held and stood_still > STOOD_STILL_SECONDS:
            log.info("nobody could renew: every lease gets its full time again", seconds=round(stood_still))
            return True
        return False
