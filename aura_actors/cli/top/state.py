"""What is known of a daemon: the newest of every topic, and the past of what is drawn as a line.

Owns the fold of frames into a state, what a restart of the daemon means, and how old what is shown is. Pure: the
time is an argument, in monotonic seconds of our own; the daemon's clock is told from its frames. Draws nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from aura_actors.client.subscription import Frame
from aura_actors.wire import metrics
from aura_actors.wire.actors import Actors
from aura_actors.wire.admission import AdmissionState, Providers
from aura_actors.wire.alerts import Alerts
from aura_actors.wire.cleanup import CleanupState
from aura_actors.wire.feed import Snapshot, Topic

TOPICS: Final[tuple[Topic, ...]] = (
    "process", "admission", "providers", "cleanup", "alerts", "actors", "system",
)  # fmt: skip
"""What is subscribed to. `system` is last: once it has come, so has the rest."""
KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "process": metrics.ProcessMetrics,
    "admission": AdmissionState,
    "providers": Providers,
    "cleanup": CleanupState,
    "alerts": Alerts,
    "actors": Actors,
    "system": metrics.SystemMetrics,
}
"""Of what each topic says; it is kept under the topic's name."""
KEPT: Final = 600
"""Samples of the past: more than a terminal has columns."""
USUAL: Final = 9
"""So many newest samples say how far apart they are."""
SET_BACK_SECONDS: Final = 60.0
"""A clock that went back further than this was set; what is remembered belongs to another time."""
HELD_STEPS: Final = 3
"""A value stands for so many steps after it, if nothing newer came; then there is a gap."""


class Sample(msgspec.Struct, frozen=True):
    """What is drawn as a line, at one moment (Unix seconds). None: not known then."""

    at: float
    cpu: float | None
    memory: float | None
    received: float | None
    sent: float | None
    read: float | None
    written: float | None
    gpus: Mapping[str, float | None]
    """Use by identity of the device."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown. A topic that was not heard of is None."""

    process: metrics.ProcessMetrics | None = None
    admission: AdmissionState | None = None
    providers: Providers | None = None
    cleanup: CleanupState | None = None
    alerts: Alerts | None = None
    actors: Actors | None = None
    system: metrics.SystemMetrics | None = None
    past: tuple[Sample, ...] = ()
    """The oldest first."""
    epoch: str | None = None
    """Of the daemon that was heard last."""
    restarted_at: float | None = None
    """When another daemon than before was heard."""
    ahead_seconds: float | None = None
    """The daemon's clock (Unix) less ours (monotonic): the most that a frame showed since it was set, if it was."""

    def daemon_time(self, now: float) -> dt.datetime | None:
        """What the daemon's clock shows now."""
        return None if self.ahead_seconds is None else dt.datetime.fromtimestamp(now + self.ahead_seconds, dt.UTC)

    def age_seconds(self, now: float) -> float | None:
        """Of the last sample."""
        if self.system is None or self.ahead_seconds is None:
            return None
        return max(0.0, now + self.ahead_seconds - self.system.timestamp.timestamp())

    @property
    def step_seconds(self) -> float:
        """The usual distance of two samples, in halves of a second."""
        newest = [sample.at for sample in self.past[-USUAL:]]
        distances = sorted(after - before for before, after in pairwise(newest))
        usual = distances[len(distances) // 2] if distances else 1.0
        return max(0.5, round(2 * usual) / 2)


def take(state: State, frame: Frame, now: float) -> State:
    """The state after this frame. Raises msgspec.DecodeError where it is of another shape."""
    kind = KINDS.get(frame.topic)
    if kind is None or not isinstance(frame, Snapshot):
        return state
    value = msgspec.json.decode(frame.data, type=kind)
    ahead = frame.ts.timestamp() - now
    if frame.epoch == state.epoch:
        if state.ahead_seconds is not None and not _set_back(state.system, value):
            ahead = max(ahead, state.ahead_seconds)
    elif state.epoch is not None:
        state = State(past=state.past, restarted_at=now)
    past = remembered(state.past, [value]) if isinstance(value, metrics.SystemMetrics) else state.past
    changes = {frame.topic: value, "epoch": frame.epoch, "ahead_seconds": ahead, "past": past}
    return msgspec.structs.replace(state, **changes)


def _set_back(before: metrics.SystemMetrics | None, value: msgspec.Struct) -> bool:
    """A sample is from before the last one: the daemon's clock was set back meanwhile."""
    return before is not None and isinstance(value, metrics.SystemMetrics) and value.timestamp < before.timestamp


def remembered(past: tuple[Sample, ...], systems: Iterable[metrics.SystemMetrics]) -> tuple[Sample, ...]:
    """The past with these, as far as they are newer."""
    samples = list(past)
    for system in systems:
        at = system.timestamp.timestamp()
        if samples and at < samples[-1].at - SET_BACK_SECONDS:
            samples.clear()
        if not samples or at > samples[-1].at:
            samples.append(_sample(at, system))
    return tuple(samples[-KEPT:])


def _sample(at: float, system: metrics.SystemMetrics) -> Sample:
    devices = {disk.drive_label: disk for disk in system.disks}.values()  # one device may be mounted twice
    return Sample(
        at=at,
        cpu=system.cpu.overall_usage_percent,
        memory=system.memory.usage_percent,
        received=system.network.bytes_received_per_second,
        sent=system.network.bytes_sent_per_second,
        read=_sum([each.read_bytes_per_second for each in devices]),
        written=_sum([each.write_bytes_per_second for each in devices]),
        gpus={gpu.uuid: gpu.usage_percent for gpu in system.gpus},
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def columns(points: Sequence[tuple[float, float | None]], *, count: int, step_seconds: float) -> list[float | None]:
    """The last `count` steps of a line, the newest last: the mean of each, or the value that still stands.

    Steps are whole multiples of their length, so that a line moves on and never changes its shape.
    """
    if not points:
        return [None] * count
    last = int(points[-1][0] // step_seconds)
    steps: list[list[float | None]] = [[] for _ in range(count + HELD_STEPS)]
    for at, value in points:
        place = int(at // step_seconds) - last + len(steps) - 1
        if place >= 0:
            steps[place].append(value)
    drawn: list[float | None] = []
    standing, since = None, HELD_STEPS
    for values in steps:
        known = [value for value in values if value is not None]
        if values:
            standing, since = sum(known) / len(known) if known else None, 0
        else:
            since += 1
        drawn.append(standing if since < HELD_STEPS else None)
    return drawn[-count:] if count else []
