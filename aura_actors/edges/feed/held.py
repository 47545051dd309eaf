"""What one client has asked for and has not been sent yet.

Of a topic's state one slot, where the latest wins; what must not be left out, events and what is sent again, in a
bounded queue before it. Owns conflation and the thinning to every n-th publication. Pure: the present moment is an
argument, and whoever writes to the client asks it what is next.
"""

import enum
import math
from collections import deque
from collections.abc import Sequence

from aura_actors.edges.feed.frames import Framed


class Offer(enum.Enum):
    """What became of a publication."""

    IGNORED = enum.auto()
    """Not held, or sent already."""
    KEPT = enum.auto()
    """To be sent next."""
    CONFLATED = enum.auto()
    """To be sent next, in place of an older one that the client will never see."""
    SKIPPED = enum.auto()
    """Not its turn; to be sent if no newer one comes."""
    MISSED = enum.auto()
    """An event for which there is no room."""


class _Topic:
    """`waiting` is due now; `skipped` only if no newer one comes in time."""

    __slots__ = ("every", "kept", "newest", "skipped", "taken_at", "waiting")

    def __init__(self, every: int) -> None:
        self.every = every
        self.newest = -math.inf
        """The number of the last publication that was offered: what is not newer was sent before."""
        self.kept = -math.inf
        """The number of the last state that was its turn."""
        self.taken_at = -math.inf
        self.waiting: Framed | None = None
        self.skipped: Framed | None = None


class Held:
    """Subscriptions of one client. `step_seconds` is the usual distance of two publications of a sampled topic;
    `room` is for events that were not sent yet.

    A topic that is published only when something changes must not leave a thinned client with an old state for
    ever: a skipped publication is sent after one interval and a step without a newer one.
    """

    __slots__ = ("_again", "_queue", "_ready", "_room", "_skipping", "_step_seconds", "_topics", "_waits")

    def __init__(self, step_seconds: float, room: int) -> None:
        self._step_seconds = step_seconds
        self._room = room
        self._topics: dict[str, _Topic] = {}
        self._queue: deque[Framed] = deque()
        self._again = 0
        """How many were put into the queue, since it was last empty, that need no room."""
        # Those with something in `waiting`, each once, who has waited longest first.
        self._ready: list[_Topic] = []
        self._waits = False
        """There is something in `_queue` or `_ready`."""
        self._skipping = False
        """Some topic may have something in `skipped`."""

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

    def resume(self, topic: str, after: int, missed: Sequence[Framed]) -> None:
        """Go on behind a number that was sent before: send all of `missed`, in order, then what is offered."""
        known = self._topics[topic]
        known.newest = known.kept = missed[-1].seq if missed else after
        self._queue.extend(missed)
        self._waits = self._waits or bool(missed)
        self._again += len(missed)

    def drop(self, topic: str) -> None:
        """Forget the topic and what waits of it."""
        known = self._topics.pop(topic, None)
        if known is not None:
            self._ready = [each for each in self._ready if each is not known]
            self._queue = deque(each for each in self._queue if each.topic != topic)
            self._again = min(self._again, len(self._queue))

    def passes(self, publication: Framed, now: float) -> bool:
        """True if it is to be sent at once, because nothing waits and it is its turn; it then counts as sent."""
        topic = self._topics.get(publication.topic)
        if topic is None or self._waits:
            return False
        seq = publication.seq
        if publication.is_event:
            if seq <= topic.newest or topic.skipped is not None:
                return False
        elif seq - topic.kept < topic.every or seq <= topic.newest:
            return False
        else:
            topic.kept, topic.taken_at, topic.skipped = seq, now, None
        topic.newest = seq
        return True

    def offer(self, publication: Framed) -> Offer:
        """A newer publication: keep it, or skip it if it is not the client's n-th."""
        topic = self._topics.get(publication.topic)
        seq = publication.seq
        if topic is None or seq <= topic.newest:
            return Offer.IGNORED
        topic.newest = seq
        if publication.is_event:
            if topic.skipped is not None:  # it was before the event, and is sent before it
                self._keep(topic, topic.skipped)
            if len(self._queue) >= self._room + self._again:
                return Offer.MISSED
            self._queue.append(publication)
            self._waits = True
            return Offer.KEPT
        if seq - topic.kept < topic.every:
            topic.skipped, self._skipping = publication, True
            return Offer.SKIPPED
        return self._keep(topic, publication)

    def _keep(self, topic: _Topic, publication: Framed) -> Offer:
        conflated = topic.waiting is not None
        topic.kept, topic.waiting, topic.skipped = publication.seq, publication, None
        if conflated:
            return Offer.CONFLATED
        self._ready.append(topic)
        self._waits = True
        return Offer.KEPT

    def take(self, now: float) -> Framed | None:
        """The next one to send; None if nothing is due. Numbers of a topic only grow."""
        if self._queue:
            return self._take_queued(now)
        if self._skipping and not self._ready:
            self._ripen(now)
        if self._ready:
            return self._take_slot(self._ready[0], now)
        self._waits = False
        return None

    def _take_queued(self, now: float) -> Framed:
        topic = self._topics[self._queue[0].topic]
        if topic.waiting is not None and topic.waiting.seq < self._queue[0].seq:
            return self._take_slot(topic, now)
        taken = self._queue.popleft()
        if not self._queue:
            self._again = 0
        return taken

    def _take_slot(self, topic: _Topic, now: float) -> Framed:
        taken = topic.waiting
        assert taken is not None, "who is ready has something"
        self._ready.remove(topic)
        topic.waiting, topic.taken_at = None, now
        return taken

    def _ripen(self, now: float) -> None:
        for topic in self._topics.values():
            if topic.skipped is not None and self._due(topic) <= now:
                self._keep(topic, topic.skipped)
        self._skipping = any(topic.skipped is not None for topic in self._topics.values())

    def next_due(self) -> float:
        """When a skipped publication becomes due; infinity if none waits."""
        return min((self._due(topic) for topic in self._topics.values()), default=math.inf)

    def _due(self, topic: _Topic) -> float:
        if topic.skipped is None:
            return math.inf
        return topic.taken_at + (topic.every + 1) * self._step_seconds
