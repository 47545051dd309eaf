"""The publisher: says what is known in public JSON, once for everybody.

Owns the encoding of every topic and its sequence numbers. It hands each publication to a `Latest` cell and never
waits for a client: who reads, how often and over what is the edges' business.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec

from aura_actors.domain.alerts import Alerts, Threshold
from aura_actors.domain.gpu import hottest_celsius
from aura_actors.domain.snapshot import Snapshot
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.pauses import GcStatistics
from aura_actors.kernel.threads import LimiterStatistics
from aura_actors.messages import public
from aura_actors.messages import publisher as m
from aura_actors.messages.admission_view import AdmissionView, Totals
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.cleanup import CleanupNews
from aura_actors.messages.decisions import Decisions
from aura_actors.messages.history import Entry, History
from aura_actors.messages.incidents import Incidents
from aura_actors.messages.topics import Component, Publication, Topics
from aura_actors.wire import feed
from aura_actors.wire.actors import Actors
from aura_actors.wire.cleanup import CleanupState

PAUSE_SECONDS = 1.0


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Where the publisher reads what it says."""

    snapshots: Latest[Snapshot | None]
    totals: Latest[Totals]
    admission: Latest[AdmissionView | None]
    cleanup: Latest[CleanupState]
    decisions: Decisions
    cleaned: CleanupNews
    actors: Callable[[], Actors]
    incidents: Incidents
    threads: Callable[[], list[LimiterStatistics]]
    pauses: Callable[[], GcStatistics]
    parts: Callable[[], list[Component]]
    """What holds memory besides the publisher's own."""
    components: Latest[tuple[Component, ...]]
    """All of it, told here with each sample."""


class Publisher(Actor[m.PublisherMessage]):
    """`topics`, `sequences` and `alerts` outlive an incarnation: numbers and alerts go on after a crash."""

    def __init__(
        self,
        world: World,
        *,
        epoch: str,
        topics: Topics,
        sequences: dict[str, int],
        backlog: Backlog,
        alerts: Alerts,
        history: History,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._world = world
        self._epoch = epoch
        self._topics = topics
        self._sequences = sequences
        self._backlog = backlog
        self._alerts = alerts
        self._history = history
        self._clock = clock
        self._wall = wall
        self._encoder = msgspec.json.Encoder()
        self._context: Context[m.PublisherMessage]
        self._pausing: set[str] = set()
        """Topics with an event in the last second, whose next one waits until that is over."""
        self._watched: tuple[Threshold, ...] = ()  # as it was told last

    async def open(self, context: Context[m.PublisherMessage]) -> None:
        """Publish what there is, then follow every source."""
        self._context = context
        for cell, message in (
            (self._world.snapshots, m.SnapshotChanged()),
            (self._world.admission, m.AdmissionChanged()),
            (self._world.cleanup, m.CleanupChanged()),
            (self._world.cleaned.news, m.CleanupEnded()),
            (self._world.incidents.news, m.SomethingHappened()),
            (self._world.decisions.news, m.Decided()),
        ):
            context.follow(cell, message)

    async def handle(self, message: m.PublisherMessage) -> None:
        """Publish the topics that changed."""
        match message:
            case m.SnapshotChanged():
                self._publish_sample()
            case m.AdmissionChanged():
                if (view := self._world.admission.value) is not None:
                    indexes = public.gpu_indexes(self._world.snapshots.value)
                    self._publish("admission", public.admission_state(view, indexes))
                    self._publish("providers", public.providers(view))
            case m.CleanupChanged():
                self._publish("cleanup", self._world.cleanup.value)
            case m.CleanupEnded():
                for report in self._world.cleaned.drain():
                    self._tell("cleanup", report)
            case m.SomethingHappened(waited=waited):
                if waited or "actors" not in self._pausing:
                    self._tell_all("actors", self._world.incidents.drain(), m.SomethingHappened(waited=True))
            case m.Decided(waited=waited):
                if waited or "admission" not in self._pausing:
                    self._tell_all("admission", self._world.decisions.drain(), m.Decided(waited=True))
            case _:
                assert_never(message)

    def _publish_sample(self) -> None:
        taken, view = self._world.snapshots.value, self._world.admission.value
        if taken is None:
            return
        self._world.components.set(self._components())
        self._publish("system", public.system(taken, self._epoch, self._next("system")))
        self._publish(
            "process",
            public.process(
                taken,
                limiters=self._world.threads(),
                providers=view.providers if view else (),
                gc=self._world.pauses(),
                components=self._world.components.value,
            ),
        )
        self._publish("utilization", public.utilization(self._world.totals.value, taken))
        self._publish("actors", self._world.actors())
        self._publish_alerts(taken)

    def _tell_all(self, topic: str, events: Sequence[object], more: m.SomethingHappened | m.Decided) -> None:
        """What comes within the next second is told behind it: events are never left out, and a flood of them
        would cut off every listener.
        """
        if events:
            self._pausing.add(topic)
            self._context.after(PAUSE_SECONDS, more)
        else:
            self._pausing.discard(topic)
        for event in events:
            self._tell(topic, event)

    def _publish_alerts(self, taken: Snapshot) -> None:
        values = {
            "cpu": taken.cpu.overall_percent,
            "memory": public.memory_percent(taken),
            "gpu": None if taken.gpu is None else hottest_celsius(taken.gpu.current),
        }
        changed = self._alerts.observe(values, taken.timestamp)
        for alert in changed:
            self._tell("alerts", public.alert(alert))
        watched = self._alerts.thresholds
        if changed or self._alerts.active or watched != self._watched:
            self._watched = watched
            self._publish("alerts", public.alerts_now(self._alerts))

    def _publish(self, topic: str, value: object) -> None:
        """The whole state of a topic."""
        publication = self._encode(feed.Snapshot, topic, value)
        self._topics[topic].set(publication)
        self._backlog.add(publication)

    def _tell(self, topic: str, value: object) -> None:
        """Something that happened."""
        self._backlog.add(self._encode(feed.Event, topic, value))

    def _encode(self, frame: type[feed.Snapshot | feed.Event], topic: str, value: object) -> Publication:
        data = self._encoder.encode(value)
        seq = self._sequences[topic] = self._next(topic)
        now = self._wall()
        payload = self._encoder.encode(
            frame(topic=topic, epoch=self._epoch, seq=seq, ts=public.utc(now), data=msgspec.Raw(data))
        )
        self._history.add(topic, Entry(seq=seq, at=self._clock(), timestamp=now, data=data))
        return Publication(topic=topic, seq=seq, data=data, payload=payload, is_event=frame is feed.Event)

    def _next(self, topic: str) -> int:
        return self._sequences.get(topic, 0) + 1

    def _components(self) -> tuple[Component, ...]:
        published = Component(
            name=public.PUBLISHED,
            allocated_bytes=self._backlog.held_bytes,
            active_instances=self._backlog.held_entries,
        )
        history = Component(
            name=public.HISTORY,
            allocated_bytes=self._history.held_bytes,
            active_instances=self._history.held_entries,
        )
        return (published, history, *self._world.parts())
