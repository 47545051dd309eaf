"""What was published in the last minutes, ready to be served: a bounded ring per topic.

Owns how much is kept: entries of the last `seconds`, and never more than `entries` of them, so that its memory is
bounded whatever publishes. Knows neither HTTP nor what the bytes say.
"""

from collections import deque
from collections.abc import Iterable

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One publication. `at` is monotonic seconds, `timestamp` Unix seconds, `data` the public Struct as JSON."""

    seq: int
    at: float
    timestamp: float
    data: bytes


class History:
    """The rings. Only `topics` are kept."""

    def __init__(self, topics: Iterable[str], *, seconds: float, entries: int) -> None:
        self._seconds = seconds
        self._rings: dict[str, deque[Entry]] = {topic: deque(maxlen=entries) for topic in topics}
        self._bytes = 0

    @property
    def topics(self) -> list[str]:
        """What is kept."""
        return list(self._rings)

    @property
    def held_bytes(self) -> int:
        """Bytes of JSON held."""
        return self._bytes

    @property
    def held_entries(self) -> int:
        """How many publications are held."""
        return sum(len(ring) for ring in self._rings.values())

    def add(self, topic: str, entry: Entry) -> None:
        """Keep a publication, and let go of what is too old or too much."""
        ring = self._rings.get(topic)
        if ring is None:
            return
        while ring and (len(ring) == ring.maxlen or ring[0].at < entry.at - self._seconds):
            self._bytes -= len(ring.popleft().data)
        ring.append(entry)
        self._bytes += len(entry.data)

    def of(self, topic: str, *, after_seq: int = 0, since: float = 0.0) -> list[Entry]:
        """The entries behind `after_seq` and not older than `since` (Unix seconds), oldest first.

        Dates are told to the millisecond, so whoever repeats one means the entry that was told with it.
        """
        return [e for e in self._rings[topic] if e.seq > after_seq and round(e.timestamp, 3) >= round(since, 3)]
