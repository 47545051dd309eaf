"""Whether two ends still hear each other: when a client is sent a ping or a heartbeat, and when it counts as gone.

Owns the moments of one client. Pure: the time, and how many pongs have come, are arguments.
"""

import math

from aura_actors.edges.feed.shared import Deadlines


class Pulse:
    """Of one client, whose connection began at `now`. Pings go to all; heartbeats, which browsers can see, only to
    those that have subscribed once, because nothing else is said before."""

    __slots__ = ("_beats", "_deadlines", "_ping_at", "_pong_by", "_pongs")

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self._deadlines = deadlines
        self._beats = False
        # While a ping is out, _pong_by is when it must have been answered, and _pongs what had come before it. One
        # that waits behind a large frame is not out.
        self._ping_at = now + deadlines.ping
        self._pong_by = math.inf
        self._pongs = 0

    def begin_heartbeats(self) -> None:
        """It has subscribed."""
        self._beats = True

    def heartbeat_due(self, now: float, sent_at: float) -> bool:
        """True when it was last sent something so long ago that it must wonder."""
        return self._beats and now >= sent_at + self._deadlines.heartbeat

    def ping_due(self, now: float, pongs: int) -> bool:
        """True when a ping is to be sent now."""
        if self._pong_by < math.inf:
            if pongs == self._pongs:
                return False
            self._pong_by, self._ping_at = math.inf, max(now, self._ping_at)
        if now < self._ping_at:
            return False
        self._ping_at = now + self._deadlines.ping
        return True

    def pinged(self, now: float, pongs: int) -> float:
        """The ping is on its way; when its answer must have come."""
        self._pongs, self._pong_by = pongs, now + self._deadlines.pong
        return self._pong_by

    def lost(self, now: float, pongs: int) -> bool:
        """No pong has come in time."""
        return now >= self._pong_by and pongs == self._pongs

    def next_look(self, sent_at: float) -> float:
        """When something may be due next."""
        beat_at = sent_at + self._deadlines.heartbeat if self._beats else math.inf
        return min(beat_at, self._ping_at if self._pong_by == math.inf else self._pong_by)
