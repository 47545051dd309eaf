"""The sampler: reads every collector each interval and publishes one Snapshot of what they said.

Owns when a source is read, in which thread, and what is told about a source that fails or hangs. Refuses to know
what a reading contains (`collectors/`), what two of them mean (`domain/rates.py`) and who looks at the result.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import assert_never

import trio

from aura_actors.collectors import READ_ERRORS, Collector
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.rates import Series, derive, extend
from aura_actors.domain.snapshot import CollectorHealth, Reading, Snapshot
from aura_actors.errors import InvalidValue
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.messages.sampler import CollectNow, SamplerMessage, Tick

SECOND_SAMPLE_SECONDS = 0.2
"""Percentages need two samples. The second follows the first this soon, so that readiness does not take a whole
interval."""


class Sampler(Actor[SamplerMessage]):
    """Publishes a Snapshot every `interval_seconds`, and on demand.

    Each collector is read in a thread of its own, all at the same time, behind the limiter that
    `limiters(name)` gives it (one token). A sample waits for the slow ones for half an interval at most: what is
    later than that shows its last values, marked stale, and after `watchdog_seconds` the collector is called
    stuck. Whatever is still being read is not read a second time.

    `gpu` says what the GPU probe last said; the sampler neither asks it nor waits for it.
    `clock` is monotonic, `wall` unix time, both in seconds and called from threads too. Numbers go on from
    `latest`, so a restart leaves no gap. Raises `InvalidValue` for two collectors of the same name.
    """

    def __init__(
        self,
        collectors: Sequence[Collector],
        latest: Latest[Snapshot | None],
        limiters: Callable[[str], trio.CapacityLimiter],
        interval_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        watchdog_seconds: float = 5.0,
        gpu: Callable[[], GpuState | None] = lambda: None,
    ) -> None:
        names = [collector.name for collector in collectors]
        if len(set(names)) != len(names):
            raise InvalidValue(f"a collector is listed twice in {', '.join(names)}", path="sampler.collectors")
        self._sources = [_Source(collector, limiters(collector.name)) for collector in collectors]
        self._latest = latest
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._wall = wall
        self._watchdog_seconds = watchdog_seconds
        self._gpu = gpu
        self._patience_seconds = min(watchdog_seconds, interval_seconds / 2)

    async def open(self, context: Context[SamplerMessage]) -> None:
        """Take the first sample, and arrange for the others."""
        self._nursery = context.nursery
        await self._sample()
        context.after(min(SECOND_SAMPLE_SECONDS, self._interval_seconds), Tick())
        context.every(self._interval_seconds, Tick())

    async def handle(self, message: SamplerMessage) -> Snapshot:
        """Take a sample, whoever wants it."""
        match message:
            case Tick() | CollectNow():
                return await self._sample()
            case _:
                assert_never(message)

    async def _sample(self) -> Snapshot:
        taken_at, timestamp = self._clock(), self._wall()
        free = [source for source in self._sources if source.busy_since is None]
        for source in free:
            source.begin(taken_at, timestamp)
            self._nursery.start_soon(self._probe, source)
        with trio.move_on_after(self._patience_seconds):
            for source in free:
                await source.done.wait()
        snapshot = self._compose(taken_at, timestamp)
        self._latest.set(snapshot)
        return snapshot

    async def _probe(self, source: "_Source") -> None:
        """Read one source, however long it takes. What is no failure of the source crashes the actor."""
        try:
            reading, read_at, duration_seconds = await trio.to_thread.run_sync(
                self._read,
                source.collector,
                thread_name=f"collector {source.collector.name}",
                abandon_on_cancel=True,  # a thread that hangs in the kernel must not hold up the end
                limiter=source.limiter,
            )
        except READ_ERRORS as error:
            source.fail(f"{type(error).__name__}: {error}")
        else:
            source.succeed(reading, read_at, duration_seconds, self._wall())

    def _read(self, collector: Collector) -> tuple[Reading, float, float]:
        """Runs in a thread. Returns the reading, when it began and how long it took."""
        began = self._clock()
        reading = collector.read()
        return reading, began, self._clock() - began

    def _compose(self, taken_at: float, timestamp: float) -> Snapshot:
        last = self._latest.value
        now = self._clock()
        return derive(
            [source.series.window for source in self._sources if source.series is not None],
            taken_at=taken_at,
            timestamp=timestamp,
            number=1 if last is None else last.number + 1,
            collectors={
                source.collector.name: source.health(now, self._watchdog_seconds) for source in self._sources
            },
            gpu=self._gpu(),
        )


class _Source:
    """One collector and what is known of it.

    Invariant: `busy_since` is not None exactly while a probe is under way, and `done` is set when it is not.
    """

    def __init__(self, collector: Collector, limiter: trio.CapacityLimiter) -> None:
        self.collector = collector
        self.limiter = limiter
        self.series: Series[Reading] | None = None
        self.busy_since: float | None = None
        self.done = trio.Event()
        self._busy_since_wall = 0.0
        self._good_at_wall: float | None = None
        self._duration_seconds: float | None = None
        self._error: str | None = "no reading yet"

    def begin(self, now: float, wall: float) -> None:
        self.busy_since, self._busy_since_wall = now, wall
        self.done = trio.Event()

    def succeed(self, reading: Reading, read_at: float, duration_seconds: float, wall: float) -> None:
        self.series = extend(self.series, reading, read_at)
        self._good_at_wall = wall
        self._duration_seconds = duration_seconds
        self._end(error=None)

    def fail(self, error: str) -> None:
        self._end(error=error)

    def _end(self, error: str | None) -> None:
        self._error = error
        self.busy_since = None
        self.done.set()

    def health(self, now: float, watchdog_seconds: float) -> CollectorHealth:
        error = self._error
        if self.busy_since is not None and now - self.busy_since >= watchdog_seconds:
            since = dt.datetime.fromtimestamp(self._busy_since_wall, dt.UTC)
            error = f"stuck since {since:%Y-%m-%dT%H:%M:%SZ}"
        fresh = self.busy_since is None and error is None
        return CollectorHealth(
            success=error is None,
            duration_seconds=self._duration_seconds,
            stale_since=None if fresh else self._good_at_wall,
            error=error,
        )
