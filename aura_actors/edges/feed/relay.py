"""Every publication to those who hold its topic, and every client looked at when its time has come.

Owns the order in which clients are served, and that serving thousands of them leaves the loop to others in between.
It waits for publications and for time, never for a client.
"""

from collections.abc import Iterable, Iterator

import trio

from aura_actors.edges.feed.frames import framed
from aura_actors.edges.feed.shared import Shared, Subscriber
from aura_actors.messages.topics import Publication

PORTION = 128
"""Clients served before others have their turn: about a millisecond of writing."""


class Relay:
    """Of one feed."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. What was published before it began is for those who subscribe."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on)
            nursery.start_soon(self._look_after)
            task_status.started()

    async def _pass_on(self) -> None:
        backlog = self._shared.backlog
        passed = {topic: backlog.newest(topic) for topic in backlog.topics}
        version = backlog.added.version
        while True:
            await backlog.added.wait_newer(version)
            version = backlog.added.version
            for topic, last in passed.items():
                newest = backlog.newest(topic)
                if newest != last:
                    passed[topic] = newest
                    await self._hand_out(topic, last)

    async def _hand_out(self, topic: str, last: int) -> None:
        """What was published behind `last`, to everybody who holds the topic now."""
        backlog, subscribers = self._shared.backlog, self._shared.subscribers[topic]
        published = backlog.after(topic, last)
        if published is None:
            snapshot = backlog.snapshot(topic)
            published = [] if snapshot is None else [snapshot]
            if backlog.had_event_after(topic, last):
                for subscriber in tuple(subscribers):
                    subscriber.miss()
        frames = [framed(each) for each in _worth_sending(published)]
        counters = self._shared.counters
        counters.conflated += (len(published) - len(frames)) * len(subscribers)
        for portion in _portions(subscribers):
            now = trio.current_time()
            for each in frames:
                sent = 0
                for subscriber in portion:
                    sent += subscriber.offer(each, now)
                counters.frames_sent += sent
                counters.bytes_sent += sent * len(each.frame)
            await trio.lowlevel.checkpoint()

    async def _look_after(self) -> None:
        agenda = self._shared.agenda
        while True:
            for portion in _portions(await agenda.due()):
                for subscriber in portion:
                    agenda.at(subscriber, subscriber.look(trio.current_time()))
                await trio.lowlevel.checkpoint()


def _worth_sending(published: Iterable[Publication]) -> Iterator[Publication]:
    """All events; of several states the newest."""
    published = list(published)
    newest = max((each.seq for each in published if not each.is_event), default=0)
    return (each for each in published if each.is_event or each.seq == newest)


def _portions(subscribers: Iterable[Subscriber]) -> Iterator[tuple[Subscriber, ...]]:
    everybody = tuple(subscribers)
    return (everybody[at : at + PORTION] for at in range(0, len(everybody), PORTION))
