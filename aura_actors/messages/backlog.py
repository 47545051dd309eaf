"""The last publications of every topic, in their order: what the feed passes on, and what it sends again.

Owns how many are kept, and that what it gives has no hole. Knows neither clients nor what the bytes say.
"""

from collections import deque
from collections.abc import Iterable

from aura_actors.kernel.latest import Latest
from aura_actors.messages.topics import Publication

KEPT = 300
KEPT_BYTES = 16 * 1024 * 1024


class Backlog:
    """Written by the publisher, read by whoever passes publications on. `kept` is the number for each topic; there
    are fewer where those would have more than `kept_bytes`: a long queue makes states of half a megabyte.
    """

    def __init__(self, topics: Iterable[str], *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        # Numbers in a ring grow by one: a publication that does not follow the last one begins the ring anew.
        self._rings: dict[str, deque[Publication]] = {topic: deque() for topic in topics}
        self._bytes = dict.fromkeys(self._rings, 0)
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._snapshots: dict[str, Publication] = {}
        self._last_event: dict[str, int] = {}
        self.added = Latest(0)
        """How many were added: to wait for more."""

    @property
    def topics(self) -> list[str]:
        """All that there are."""
        return list(self._rings)

    @property
    def held_entries(self) -> int:
        """How many publications are held."""
        return sum(len(ring) for ring in self._rings.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of JSON held."""
        return sum(self._bytes.values())

    def add(self, publication: Publication) -> None:
        """Keep a publication and wake those who wait; never waits itself."""
        topic = publication.topic
        ring = self._rings[topic]
        if ring and publication.seq != ring[-1].seq + 1:
            ring.clear()
            self._bytes[topic] = 0
        ring.append(publication)
        self._bytes[topic] += _size(publication)
        while len(ring) > self._kept or (len(ring) > 1 and self._bytes[topic] > self._kept_bytes):
            self._bytes[topic] -= _size(ring.popleft())
        if publication.is_event:
            self._last_event[topic] = publication.seq
        else:
            self._snapshots[topic] = publication
        self.added.set(self.added.value + 1)

    def snapshot(self, topic: str) -> Publication | None:
        """The newest full state of a topic; None before the first."""
        return self._snapshots.get(topic)

    def newest(self, topic: str) -> int:
        """The number of the last publication of a topic; 0 before the first."""
        ring = self._rings[topic]
        return ring[-1].seq if ring else 0

    def after(self, topic: str, seq: int) -> list[Publication] | None:
        """Every publication behind `seq`, in order; None where some are no longer kept, or `seq` is yet to come."""
        ring = self._rings[topic]
        count = self.newest(topic) - seq
        if not 0 <= count <= len(ring):
            return None
        return list(ring)[len(ring) - count :]

    def had_event_after(self, topic: str, seq: int) -> bool:
        """True where an event was published behind `seq`, kept or not."""
        return self._last_event.get(topic, 0) > seq


def _size(publication: Publication) -> int:
    return len(publication.data) + len(publication.payload)
