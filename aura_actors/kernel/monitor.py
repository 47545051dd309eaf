"""Watching an actor from outside: who is told when an incarnation of it ends, and what.

Owns the watchers of one actor. As Erlang/OTP's monitors they bind nobody: the watched one knows nothing of them,
and whoever comes too late is told at once. References outlive incarnations here, so a monitor does too.
"""

from collections.abc import Callable

import msgspec


class Down(msgspec.Struct, frozen=True, kw_only=True):
    """An incarnation of an actor is over. `reason` is its crash, None after an orderly end.

    `again` says whether another one follows. Where that was promised and then dropped (a budget used up, a stop
    during the delay), a second `Down` of the same generation says so.
    """

    actor: str
    generation: int
    reason: str | None
    again: bool


Watcher = Callable[[Down], None]


class Monitors:
    """The watchers of one actor. A watcher is called on the loop, must not wait and must not raise."""

    def __init__(self) -> None:
        self._watchers: dict[object, Watcher] = {}
        self._down: Down | None = None
        """The last end, until the next incarnation begins."""

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` of every end, beginning with the present one; call what is returned to end that."""
        key = object()
        self._watchers[key] = watcher
        if self._down is not None:
            watcher(self._down)

        def demonitor() -> None:
            self._watchers.pop(key, None)

        return demonitor

    def up(self) -> None:
        """An incarnation begins."""
        self._down = None

    def down(self, down: Down) -> None:
        """An incarnation is over: everybody hears of it."""
        self._down = down
        for watcher in list(self._watchers.values()):
            watcher(down)
