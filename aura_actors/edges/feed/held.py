"""What one client has asked for and has not been sent yet: one slot per topic, the latest wins.

Owns conflation and the thinning to every n-th publication. Pure: the present moment is an argument, and whoever
writes to the client asks it what is next.
"""

import enum
import math

from aura_actors.messages.topics import Publication


class Offer(enum.Enum):
    """What became of a publication."""

    IGNORED = enum.auto()
    """Not held, or not its turn."""
    KEPT = enum.auto()
    """To be sent next."""
    CONFLATED = enum.auto()
    """To be sent next, in place of an older one that the client will never see."""


class _Topic:
    """`waiting` is due now; `skipped` only if no newer one comes in time."""

    __slots__ = ("every", "seq", "skipped", "taken_at", "waiting")

    def __init__(self, every: int) -> None:
        self.every = every
        self.seq: int | None = None
        self.taken_at = -math.inf
        self.waiting: Publication | None = None
        self.skipped: Publication | None = None


class Held:
    """Subscriptions of one client. `step_seconds` is the usual distance of two publications of a sampled topic.

    A topic that is published only when something changes must not leave a thinned client with an old state for
    ever: a skipped publication is sent after one interval and a step without a newer one.
    """

    def __init__(self, step_seconds: float) -> None:
        self._step_seconds = step_seconds
        self._topics: dict[str, _Topic] = {}

    @property
    def topics(self) -> list[str]:
        """What is held, in the order of the first subscription."""
        return list(self._topics)

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def hold(self, topic: str, every: int) -> bool:
        """Send every n-th publication of the topic. True if it was not held before."""
        known = self._topics.get(topic)
        if known is None:
            self._topics[topic] = _Topic(every)
            return True
        known.every = every
        return False

    def drop(self, topic: str) -> None:
        """Forget the topic and what waits of it."""
        self._topics.pop(topic, None)

    def offer(self, publication: Publication) -> Offer:
        """A newer publication: keep it, or skip it if it is not the client's n-th."""
        topic = self._topics.get(publication.topic)
        if topic is None:
            return Offer.IGNORED
        if topic.seq is not None and 0 <= publication.seq - topic.seq < topic.every:
            topic.skipped = publication
            return Offer.IGNORED
        conflated = topic.waiting is not None
        topic.seq, topic.waiting, topic.skipped = publication.seq, publication, None
        return Offer.CONFLATED if conflated else Offer.KEPT

    def take(self, now: float) -> Publication | None:
        """The next one to send, the topic first that was sent longest ago; None if nothing is due."""
        due = [topic for topic in self._topics.values() if topic.waiting is not None or self._due(topic) <= now]
        if not due:
            return None
        topic = min(due, key=lambda topic: topic.taken_at)
        taken = topic.waiting if topic.waiting is not None else topic.skipped
        if topic.waiting is None and taken is not None:
            topic.seq, topic.skipped = taken.seq, None
        topic.waiting, topic.taken_at = None, now
        return taken

    def next_due(self) -> float:
        """When a skipped publication becomes due; infinity if none waits."""
        return min((self._due(topic) for topic in self._topics.values()), default=math.inf)

    def _due(self, topic: _Topic) -> float:
        if topic.skipped is None:
            return math.inf
        return topic.taken_at + (topic.every + 1) * self._step_seconds
