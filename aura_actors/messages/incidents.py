"""What the supervision tree has to say and the publisher has not said yet: crashes and dead letters.

Owns the memory between the two, which outlives every incarnation of the publisher and is bounded: of a flood of
dead letters the number is kept and the newest few. Knows neither sockets nor JSON.
"""

from collections import deque

from aura_actors.kernel.bus import Bus
from aura_actors.kernel.cell import DeadLetter
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.reports import CrashReport
from aura_actors.wire import actors

KEPT_CRASHES = 100
KEPT_LETTERS = 20


class Incidents:
    """`dead_letters` hands each letter to whoever subscribes; the rest is for the publisher."""

    def __init__(self) -> None:
        self.dead_letters: Bus[DeadLetter] = Bus()
        self.dead_letters_total = 0
        self.news = Latest(0)
        """Set with every crash and dead letter."""
        self._told_letters = 0
        self._letters: deque[actors.DeadLetter] = deque(maxlen=KEPT_LETTERS)
        self._crashes: deque[actors.Crashed] = deque(maxlen=KEPT_CRASHES)

    def crashed(self, report: CrashReport) -> None:
        """Remember a crash."""
        self._crashes.append(
            actors.Crashed(
                child=report.child,
                generation=report.generation,
                error=report.error,
                retry_seconds=report.retry_seconds,
            )
        )
        self.news.set(self.news.value + 1)

    def buried(self, letter: DeadLetter) -> None:
        """Count a dead letter. Of the message only its type is kept: it may carry a secret."""
        self.dead_letters_total += 1
        self._letters.append(
            actors.DeadLetter(actor=letter.actor, message=type(letter.message).__name__, reason=letter.reason)
        )
        self.dead_letters.publish(letter)
        self.news.set(self.news.value + 1)

    def drain(self) -> list[actors.Crashed | actors.DeadLetters]:
        """What happened since the last call, as events of the topic `actors`."""
        events: list[actors.Crashed | actors.DeadLetters] = list(self._crashes)
        if self._letters:
            count = self.dead_letters_total - self._told_letters
            events.append(actors.DeadLetters(count=count, latest=list(self._letters)))
        self._told_letters = self.dead_letters_total
        self._crashes.clear()
        self._letters.clear()
        return events
