"""Facts to everybody who listens, each through a bounded subscription of its own.

Owns fan-out and overflow: publishing never waits, and a subscriber that falls behind loses its subscription,
knowingly, instead of slowing anybody down. State that may be conflated goes through `latest` instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import trio

from aura_actors.errors import Unavailable

E = TypeVar("E")


class Overflowed(Unavailable):
    """The subscriber had more unread events than it asked room for; it has missed some."""


class Subscription(Generic[E]):
    """Unread events of one listener."""

    def __init__(self, capacity: int) -> None:
        self._in, self._out = trio.open_memory_channel[E](capacity)
        self._capacity = capacity

    def offer(self, event: E) -> bool:
        """Take the event if there is room; False if the subscription is over."""
        try:
            self._in.send_nowait(event)
        except trio.WouldBlock:
            self._in.close()
            return False
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        return True

    def close(self) -> None:
        """Take no more."""
        self._out.close()

    async def receive(self) -> E:
        """The next event; raises `Overflowed` after the last one that had room, if some had none."""
        try:
            return await self._out.receive()
        except trio.EndOfChannel:
            raise Overflowed(f"more than {self._capacity} events were unread") from None


class Bus(Generic[E]):
    """Hands every published event to every subscription."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription[E]] = set()

    def publish(self, event: E) -> None:
        """Offer the event to everybody; never waits."""
        lost = [s for s in self._subscriptions if not s.offer(event)]
        self._subscriptions.difference_update(lost)

    @contextmanager
    def subscribe(self, capacity: int) -> Iterator[Subscription[E]]:
        """Listen with room for `capacity` unread events, until the block ends."""
        subscription = Subscription[E](capacity)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()
