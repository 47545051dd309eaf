"""The sampler: reads every collector each interval and publishes one Snapshot of what they said.

Owns when a source is read, in which thread, and what is told about a source that fails or hangs. Refuses to know
what a reading contains (`collectors/`), what two of them mean (`domain/rates.py`) and who looks at the result.
"""

import datetime as dt
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import assert_never

import trio

from aura_actors.collectors.base import READ_ERRORS, Collector
from aura_actors.collectors.files import let_go_of_files
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.rates import Series, derive, extend
from aura_actors.domain.snapshot import CollectorHealth, Reading, Snapshot
from aura_actors.errors import InvalidValue
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.messages.sampler import CollectNow, LookAgain, SamplerMessage, Tick

SECOND_SAMPLE_SECONDS = 0.2
"""Percentages need two samples. The second follows the first this soon, so that readiness does not take a whole
interval."""


AGAIN_SECONDS = (0.03, 0.2)
"""When to look again: most processes are gone by the first, and what the kernel takes longer over by the second."""


class Sampler(Actor[SamplerMessage]):
    """Publishes a Snapshot every `interval_seconds`, and on demand.

    One thread reads all collectors, one after the other, those that may hang last; each behind the limiter that
    `limiters(name)` gives it (one token, used by nobody else). A sample waits for half an interval at most: what is
    later than that shows its last values, marked stale, and after `watchdog_seconds` the collector is called stuck.
    Whatever is still being read is not read a second time; what was to be read behind it is read in another thread
    at the next sample.

    `intervals` (seconds, by name) says who is read less often than with every sample. What has not answered yet is,
    and on demand everybody is. In between the values are as fresh as was asked for; `read_at` tells their age.

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
        intervals: Mapping[str, float] = {},
    ) -> None:
        names = [collector.name for collector in collectors]
        if len(set(names)) != len(names):
            raise InvalidValue(f"a collector is listed twice in {', '.join(names)}", path="sampler.collectors")
        self._rounds: list[_Round] = []
        self._closed = False
        self._sources = [
            _Source(each, limiters(each.name), intervals.get(each.name, 0.0) - interval_seconds / 2)
            for each in collectors
        ]
        self._latest = latest
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._wall = wall
        self._watchdog_seconds = watchdog_seconds
        self._gpu = gpu
        self._context: Context[SamplerMessage]
        self._looks_until = -math.inf
        self._patience_seconds = min(watchdog_seconds, interval_seconds / 2)

    async def open(self, context: Context[SamplerMessage]) -> None:
        """Take the first sample, and arrange for the others."""
        self._context = context
        await self._sample(everything=True)
        if self._interval_seconds > SECOND_SAMPLE_SECONDS:
            context.after(SECOND_SAMPLE_SECONDS, Tick())
        context.every(self._interval_seconds, Tick())

    async def close(self) -> None:
        """Give back the descriptors that collectors hold; those of a thread that still reads go when it ends."""
        self._closed = True
        let_go_of_files()

    async def handle(self, message: SamplerMessage) -> Snapshot | None:
        """Take a sample, whoever wants it."""
        match message:
            case Tick() | CollectNow():
                return await self._sample(everything=isinstance(message, CollectNow))
            case LookAgain():
                self._look_again()
                return None
            case _:
                assert_never(message)

    def _look_again(self) -> None:
        """Once for all who give back within the time of one look: there are ten looks a second at most."""
        now = trio.current_time()
        if now >= self._looks_until:
            self._looks_until = now + AGAIN_SECONDS[-1]
            for seconds in AGAIN_SECONDS:
                self._context.after(seconds, Tick())

    async def _sample(self, *, everything: bool) -> Snapshot:
        taken_at, timestamp = self._clock(), self._wall()
        wanted = [source for source in self._sources if everything or taken_at >= source.not_before]
        free = [source for source in wanted if source.take(taken_at, timestamp)]
        if free:
            await self._read(_Round(free, self._clock))
        snapshot = self._compose(taken_at, timestamp)
        self._latest.set(snapshot)
        return snapshot

    async def _read(self, each: "_Round") -> None:
        """Read some sources in a thread, and wait for it as long as a sample may. A defect crashes the actor."""
        self._rounds.append(each)
        self._start(each)
        with trio.move_on_after(self._patience_seconds):
            await each.ended.wait()
        each.take_back(self._wall())
        for begun in [*self._rounds]:
            if begun.verdict is not None:
                self._rounds.remove(begun)
                begun.verdict()

    def _start(self, each: "_Round") -> None:
        """Not by `trio.to_thread`, which would take a token of its own: each source holds one already."""
        loop = trio.lowlevel.current_trio_token()

        def deliver(verdict: Callable[[], None]) -> None:
            with suppress(trio.RunFinishedError):  # a thread that hung for longer than the runtime lived
                loop.run_sync_soon(self._end, each, verdict)

        try:
            trio.lowlevel.start_thread_soon(each.read, lambda result: deliver(result.unwrap), "collectors")
        except READ_ERRORS as error:  # no thread can be started
            each.fail(f"{type(error).__name__}: {error}", self._wall())

    def _end(self, each: "_Round", verdict: Callable[[], None]) -> None:
        each.end(verdict, self._wall())
        if self._closed:
            let_go_of_files()

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

    Its limiter outlives this actor, and its token is held exactly while a thread has the source, to be read or
    being read: so what hangs is not read a second time, not even by the next incarnation of the sampler.
    """

    def __init__(self, collector: Collector, limiter: trio.CapacityLimiter, pause_seconds: float) -> None:
        self.collector = collector
        self.series: Series[Reading] | None = None
        self.not_before = -math.inf
        """Monotonic seconds from which on it is to be asked again."""
        self._pause_seconds = pause_seconds
        self._limiter = limiter
        self._busy_since: float | None = None
        self._busy_since_wall = 0.0
        self._good_at_wall: float | None = None
        self._read_at: float | None = None
        self._duration_seconds: float | None = None
        self._error: str | None = "no reading yet"
        self._fresh = False

    def take(self, now: float, wall: float) -> bool:
        """Take it to be read; False while a thread has it, of this life or of a former one."""
        free = self._limiter.available_tokens >= 1
        if free:
            self._limiter.acquire_on_behalf_of_nowait(self)
        if free or self._busy_since is None:
            self._busy_since, self._busy_since_wall = now, wall
        if free and self.series is not None:  # rates need two readings, the sooner the better
            self.not_before = now + self._pause_seconds
        self._fresh = False
        return free

    def settle(self, outcome: "_Outcome", wall: float) -> None:
        """Give it back, with what asking it came to."""
        self._limiter.release_on_behalf_of(self)
        self._busy_since = None
        if isinstance(outcome, str):
            self._error = outcome
        elif outcome is not None:
            reading, read_at, self._duration_seconds = outcome
            self.series, self._read_at = extend(self.series, reading, read_at), read_at
            self._good_at_wall, self._error, self._fresh = wall, None, True
        else:
            self.not_before = -math.inf

    def health(self, now: float, watchdog_seconds: float) -> CollectorHealth:
        error = self._error
        if self._busy_since is not None and now - self._busy_since >= watchdog_seconds:
            since = dt.datetime.fromtimestamp(self._busy_since_wall, dt.UTC)
            error = f"stuck since {since:%Y-%m-%dT%H:%M:%SZ}"
        return CollectorHealth(
            success=error is None,
            duration_seconds=self._duration_seconds,
            stale_since=None if self._fresh else self._good_at_wall,
            error=error,
            read_at=self._read_at,
        )


_Outcome = tuple[Reading, float, float] | str | None
"""The reading, when it began and how long it took; why there is none; or None if it was not asked at all."""


class _Round:
    """Sources that one thread reads, one after the other, those that may hang last.

    Threads that read at the same time would take the interpreter's lock from each other at every small file, which
    costs more than they gain. `read` runs in the thread, everything else in the loop. Each source is at any moment
    in exactly one place: waiting, being read, or in the outcomes; both ends of the two queues move whole entries.
    """

    def __init__(self, sources: list[_Source], clock: Callable[[], float]) -> None:
        self.ended = trio.Event()
        self.verdict: Callable[[], None] | None = None
        """To be called when there is one: raises what was no failure of a source."""
        self._clock = clock
        self._waiting = deque(sorted(sources, key=lambda source: source.collector.may_hang))
        self._outcomes: deque[tuple[_Source, _Outcome]] = deque()

    def read(self) -> None:
        """Read what is waiting. A defect of a collector ends the round."""
        while True:
            try:
                source = self._waiting.popleft()
            except IndexError:
                return
            began = self._clock()
            outcome: _Outcome = "the collector has a defect"
            try:
                outcome = source.collector.read(), began, self._clock() - began
            except READ_ERRORS as error:
                outcome = f"{type(error).__name__}: {error}"
            finally:
                self._outcomes.append((source, outcome))

    def end(self, verdict: Callable[[], None], wall: float) -> None:
        """The thread has ended, however late."""
        self.verdict = verdict
        self.take_back(wall)
        self.ended.set()

    def take_back(self, wall: float) -> None:
        """Hand out what was read so far. What still waits is free again, but stale; what is being read is not."""
        while self._outcomes:
            source, outcome = self._outcomes.popleft()
            source.settle(outcome, wall)
        while self._waiting:
            self._waiting.pop().settle(None, wall)

    def fail(self, error: str, wall: float) -> None:
        """There is no thread to read with."""
        while self._waiting:
            self._waiting.popleft().settle(error, wall)
        self.end(lambda: None, wall)
