"""A daemon that is waited for, said once: whoever looks at a program sees why it stands still.

Owns when that is worth a line in the log: not for a restart, and once for each time that the daemon is away. The
line is on stderr, unless the program has set up logging.
"""

import logging
from typing import Final

import anyio

SAY_AFTER_SECONDS: Final = 1.0
"""Away for less than this, a daemon was started again."""

log = logging.getLogger("aura_actors.client")


class Absence:
    """Whether a daemon answers."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = False

    def goes_on(self, why: object, since: float) -> None:
        """What was asked at `since` was not answered, and is asked again."""
        self._since = since if self._since is None else self._since
        if not self._said and anyio.current_time() - self._since >= SAY_AFTER_SECONDS:
            self._said = True
            log.warning("%s; asking again until it is there", why)

    def is_over(self) -> None:
        """It answered."""
        self._since, self._said = None, False
