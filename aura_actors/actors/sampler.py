"""The sampler: reads every collector each interval and publishes one Snapshot of what they said.

Owns when a source is read, in which thread, and what is told about a source that fails or hangs. Refuses to know
what a reading contains (`collectors/`), what two of them mean (`domain/rates.py`) and who looks at the result.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Sequence
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

    One thread reads all collectors, one after the other, those that may hang last; each behind the limiter that
    `limiters(name)` gives it (one token). A sample waits for half an interval at most: what is later than that
    shows its last values, marked stale, and after `watchdog_seconds` the collector is called stuck. Whatever is
    still being read is not read a second time; what was to be read behind it is read in another thread at the next
    sample.

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
        rounds = [_Round(sources, self._clock) for sources in _in_threads(free)]
        for source in free:
            source.begin(taken_at, timestamp)
        for each in rounds:
            self._nursery.start_soon(self._probe, each)
        with trio.move_on_after(self._patience_seconds):
            for each in rounds:
                await each.done.wait()
        for each in rounds:
            each.take_back(self._wall())
        snapshot = self._compose(taken_at, timestamp)
        self._latest.set(snapshot)
        return snapshot

    async def _probe(self, each: "_Round") -> None:
        """Read some sources, however long it takes. What is no failure of a source crashes the actor."""
        try:
            await trio.to_thread.run_sync(
                each.read,
                thread_name=f"collector {each.name}",
                abandon_on_cancel=True,  # a thread that hangs in the kernel must not hold up the end
                limiter=each.tokens,  # type: ignore[arg-type]  # a thread asks only for these two methods
            )
        except READ_ERRORS as error:  # of the thread, which could not be started
            each.fail(f"{type(error).__name__}: {error}")
        each.settle(self._wall())
        each.done.set()

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

    Invariant: `busy_since` is not None exactly while a round has it, to be read or being read.
    """

    def __init__(self, collector: Collector, limiter: trio.CapacityLimiter) -> None:
        self.collector = collector
        self.limiter = limiter
        self.series: Series[Reading] | None = None
        self.busy_since: float | None = None
        self._busy_since_wall = 0.0
        self._good_at_wall: float | None = None
        self._read_at: float | None = None
        self._duration_seconds: float | None = None
        self._error: str | None = "no reading yet"
        self._missed = False

    def begin(self, now: float, wall: float) -> None:
        self.busy_since, self._busy_since_wall = now, wall

    def miss(self) -> None:
        """It was not asked, because another one held up the thread."""
        self.busy_since, self._missed = None, True

    def settle(self, outcome: "_Outcome", wall: float) -> None:
        """Take in what asking it came to."""
        self.busy_since, self._missed = None, False
        if isinstance(outcome, str):
            self._error = outcome
            return
        reading, read_at, self._duration_seconds = outcome
        self.series = extend(self.series, reading, read_at)
        self._read_at = read_at
        self._good_at_wall, self._error = wall, None

    def health(self, now: float, watchdog_seconds: float) -> CollectorHealth:
        error = self._error
        if self.busy_since is not None and now - self.busy_since >= watchdog_seconds:
            since = dt.datetime.fromtimestamp(self._busy_since_wall, dt.UTC)
            error = f"stuck since {since:%Y-%m-%dT%H:%M:%SZ}"
        fresh = self.busy_since is None and error is None and not self._missed
        return CollectorHealth(
            success=error is None,
            duration_seconds=self._duration_seconds,
            stale_since=None if fresh else self._good_at_wall,
            error=error,
            read_at=self._read_at,
        )


_Outcome = tuple[Reading, float, float] | str
"""The reading, when it began and how long it took; or why there is none."""


def _in_threads(sources: Iterable[_Source]) -> list[list[_Source]]:
    """Who shares a thread, in order: all but those that a thread of a former life still reads.

    Threads that read at the same time would take the interpreter's lock from each other at every small file, which
    costs more than they gain.
    """
    free: list[_Source] = []
    taken: list[list[_Source]] = []
    for source in sources:
        if source.limiter.available_tokens < 1:
            taken.append([source])
        else:
            free.append(source)
    free.sort(key=lambda source: source.collector.may_hang)
    return [*([free] if free else []), *taken]


class _Round:
    """Sources that one thread reads, one after the other.

    `read` runs in that thread, everything else in the loop. Each source is at any moment in exactly one place:
    waiting, being read, or in the outcomes; both ends of the two queues move whole entries.
    """

    def __init__(self, sources: list[_Source], clock: Callable[[], float]) -> None:
        self.name = sources[0].collector.name if len(sources) == 1 else "all"
        self.tokens = _Tokens([source.limiter for source in sources])
        self.done = trio.Event()
        self._clock = clock
        self._waiting = deque(sources)
        self._outcomes: deque[tuple[_Source, _Outcome]] = deque()

    def read(self) -> None:
        """Read what is waiting. A defect of a collector ends the round."""
        while True:
            try:
                source = self._waiting.popleft()
            except IndexError:
                return
            began = self._clock()
            try:
                reading = source.collector.read()
            except READ_ERRORS as error:
                self._outcomes.append((source, f"{type(error).__name__}: {error}"))
            else:
                self._outcomes.append((source, (reading, began, self._clock() - began)))

    def settle(self, wall: float) -> None:
        """Hand out what was read so far."""
        while self._outcomes:
            source, outcome = self._outcomes.popleft()
            self.tokens.give_back(source.limiter)
            source.settle(outcome, wall)

    def take_back(self, wall: float) -> None:
        """The sample is over. What was read counts; what still waits is free again, but missed this sample."""
        if not self.tokens.taken:
            return
        self.settle(wall)
        while self._waiting:
            source = self._waiting.pop()
            self.tokens.give_back(source.limiter)
            source.miss()

    def fail(self, error: str) -> None:
        """There is no thread to read with."""
        while self._waiting:
            self._waiting.popleft().settle(error, wall=0.0)


class _Tokens:
    """A limiter for one thread that takes a token of each source.

    A token is given back with its source, the last ones when the thread has ended, however late: that is how a
    source whose thread hangs stays taken, even for the next incarnation of the sampler.
    """

    def __init__(self, limiters: list[trio.CapacityLimiter]) -> None:
        self._wanted = limiters
        self._held: list[trio.CapacityLimiter] = []
        self._borrower: object = None
        self.taken = False

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        self._borrower = borrower
        try:
            for limiter in self._wanted:
                await limiter.acquire_on_behalf_of(borrower)
                self._held.append(limiter)
        except BaseException:  # cancelled while it waits for a thread of a former life
            self.release_on_behalf_of(borrower)
            raise
        self.taken = True

    def give_back(self, limiter: trio.CapacityLimiter) -> None:
        if limiter in self._held:
            self._held.remove(limiter)
            limiter.release_on_behalf_of(self._borrower)

    def release_on_behalf_of(self, borrower: object) -> None:
        for limiter in [*self._held]:
            self.give_back(limiter)
