"""Runs the cleanup tasks: those that are due, and those that somebody asks for, one at a time.

Owns the runs under way and what is told about them. When a task is due is `domain.schedule`'s decision, what goes
is the cleaner's and the retention rule's; what must survive is in the store. Sweeps run in a thread, so the
mailbox stays responsive.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar, assert_never

import trio

from aura_actors.cleaners import (
    AnyCleaner,
    Declined,
    Ground,
    Swept,
    filesystem_now_ns,
    prepare_root,
    sweep,
)
from aura_actors.domain.schedule import (
    Anchor,
    Flight,
    Flights,
    Periods,
    Timing,
    believed,
    clock_jumped,
    most_overdue,
    wait_seconds,
)
from aura_actors.errors import InvalidValue
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.messages.cleanup import CleanupMessage, Describe, Run, RunTask, Tick
from aura_actors.stores.schedule import ScheduleStore, TaskRecord
from aura_actors.wire.cleanup import CleanupReport, CleanupState, CleanupTask

P = ParamSpec("P")
T = TypeVar("T")


class _Task:
    """One task as this incarnation knows it."""

    def __init__(self, cleaner: AnyCleaner, periods: Periods) -> None:
        self.cleaner = cleaner
        self.timing = Timing(
            task=cleaner.name, every_seconds=periods.lengths(cleaner.periods), enabled=cleaner.enabled
        )
        self.ground: Ground | str = "the root was not prepared"
        """The root, or the sentence that says why there is none."""
        self.finished_at: float | None = None
        self.last_report: CleanupReport | None = None
        self.distrust: str | None = None
        """Why the next real run must not believe ages."""


class Cleanup(Actor[CleanupMessage]):
    """The schedule's shell.

    `wall` is unix seconds; `clock` a steady clock, best one that goes on while the machine sleeps (else a long
    sleep is taken for a clock that was set, and costs one declined pass). `store_threads` and `sweep_threads` are
    different limiters, of one thread each, so that a sweep never holds up the mailbox. `publish` hears of every
    finished run. `read_now` is the file system's time in nanoseconds, by folder.
    """

    def __init__(
        self,
        *,
        cleaners: Sequence[AnyCleaner],
        data_dir: str,
        store: ScheduleStore,
        store_threads: trio.CapacityLimiter,
        sweep_threads: trio.CapacityLimiter,
        clock: Callable[[], float],
        wall: Callable[[], float],
        state: Latest[CleanupState],
        publish: Callable[[CleanupReport], None],
        periods: Periods = Periods(),  # noqa: B008 - immutable
        start_delay_seconds: float = 300.0,
        tick_seconds: float = 15.0,
        read_now: Callable[[str], int] = filesystem_now_ns,
    ) -> None:
        self._tasks = {cleaner.name: _Task(cleaner, periods) for cleaner in cleaners}
        self._data_dir = data_dir
        self._store = store
        self._store_threads = store_threads
        self._sweep_threads = sweep_threads
        self._clock = clock
        self._wall = wall
        self._state = state
        self._publish = publish
        self._start_delay_seconds = start_delay_seconds
        self._tick_seconds = tick_seconds
        self._read_now = read_now
        self._flights = Flights()
        self._runs: dict[Flight, Run] = {}
        self._landed = trio.Event()
        self._stop = threading.Event()
        self._opened = clock()
        self._anchor = Anchor(wall(), clock())
        self._context: Context[CleanupMessage]

    # --- life ---

    async def open(self, context: Context[CleanupMessage]) -> None:
        """Read what is stored, note what was cut short, and make or recognise the roots."""
        self._context = context
        await self._in_store(self._recover, self._wall())
        self._show()
        context.every(self._tick_seconds, Tick())

    async def handle(self, message: CleanupMessage) -> object:
        """Deal with one message."""
        match message:
            case Tick():
                await self._start_due()
                return None
            case RunTask(task=task, dry_run=dry_run):
                if task not in self._tasks:
                    raise InvalidValue(f"there is no task {task!r}; the tasks are {', '.join(self._tasks)}")
                return self._request(task, dry_run=dry_run)
            case Describe():
                return self._describe()
            case _:
                assert_never(message)

    async def close(self) -> None:
        """Have the sweep under way end, and wait for that; the kernel bounds the wait."""
        self._stop.set()
        if self._flights.running is not None:
            await self._landed.wait()
        for flight, run in list(self._runs.items()):
            self._answer(run, self._interrupted(flight.task, flight.run_id, flight.dry_run, self._wall()))

    # --- schedule ---

    async def _start_due(self) -> None:
        self._notice_clock()
        wall = self._wall()
        for task in self._tasks.values():
            stamp = believed(task.finished_at, wall)
            if stamp is not None and stamp != task.finished_at:
                task.finished_at = stamp
                await self._in_store(self._store.correct_finish, task.timing.task, stamp)
                self._show()
        if self._flights.running is None:
            due = most_overdue({n: self._wait(t, wall) for n, t in self._tasks.items() if t.timing.enabled})
            if due is not None:
                self._request(due, dry_run=False)

    def _wait(self, task: _Task, wall: float) -> float:
        return wait_seconds(
            task.timing,
            task.finished_at,
            wall=wall,
            since_open_seconds=self._clock() - self._opened,
            start_delay_seconds=self._start_delay_seconds,
        )

    def _notice_clock(self) -> None:
        # Compared from tick to tick, so that slow drift over months does not add up to a jump.
        wall, steady = self._wall(), self._clock()
        if clock_jumped(self._anchor, wall, steady):
            moved = self._anchor.moved_seconds(wall, steady)
            for task in self._tasks.values():
                task.distrust = f"the clock was moved by {moved:.0f} s; the next run believes it again"
        self._anchor = Anchor(wall, steady)

    # --- runs ---

    def _request(self, task: str, *, dry_run: bool) -> Run:
        flight = self._flights.find(task, dry_run=dry_run)
        if flight is None:
            flight = Flight(uuid.uuid4().hex, task, dry_run)
            self._flights.add(flight)
            self._runs[flight] = Run(flight.run_id, Latest(None))
        run = self._runs[flight]
        self._launch()
        return run

    def _launch(self) -> None:
        flight = None if self._stop.is_set() else self._flights.start_next()
        if flight is not None:
            self._landed = trio.Event()
            self._context.nursery.start_soon(self._fly, flight)
            self._show()

    async def _fly(self, flight: Flight) -> None:
        run = self._runs[flight]
        started_at = self._wall()
        report = self._interrupted(flight.task, flight.run_id, flight.dry_run, started_at)
        try:
            report = await self._perform(flight, started_at)
        finally:
            # Also when cancelled or crashing: nobody waits for ever for a run that is over.
            self._flights.land()
            self._answer(run, report)
            self._landed.set()
        self._publish(report)
        self._launch()
        self._show()

    async def _perform(self, flight: Flight, started_at: float) -> CleanupReport:
        task = self._tasks[flight.task]
        if not flight.dry_run:
            await self._in_store(self._store.begin, flight.task, flight.run_id, started_at)
        swept = self._refuse(task, flight) or await self._sweep(task, flight)
        finished_at = self._wall()
        report = _report(flight, swept, started_at, finished_at)
        # One that was stopped stays unfinished in the store: what is due counts from the run before it.
        if not flight.dry_run and swept.outcome != "interrupted":
            await self._in_store(self._store.finish, report)
            task.finished_at = finished_at
        task.last_report = report
        return report

    def _refuse(self, task: _Task, flight: Flight) -> Swept | None:
        if isinstance(task.ground, str):
            return Swept(outcome="declined", detail=task.ground)
        self._notice_clock()
        if task.distrust is None or flight.dry_run:
            return None
        sentence, task.distrust = task.distrust, None
        return Swept(outcome="declined", detail=sentence)

    async def _sweep(self, task: _Task, flight: Flight) -> Swept:
        ground, stop, wall = task.ground, self._stop, self._wall()
        assert isinstance(ground, Ground)

        def work() -> Swept:
            try:
                now_ns = int(wall * 1e9) if flight.dry_run else self._read_now(self._data_dir)
            except OSError as error:
                return Swept(outcome="failed", detail=f"no time from {self._data_dir}: {error.strerror}")
            return sweep(task.cleaner, ground, now_ns=now_ns, dry_run=flight.dry_run, should_stop=stop.is_set)

        try:
            # Abandoned when cancelled: a disk that does not answer must not keep the program from ending. The
            # limiter stays taken until the thread is through, so the next incarnation never sweeps beside it.
            return await trio.to_thread.run_sync(work, limiter=self._sweep_threads, abandon_on_cancel=True)
        except trio.Cancelled:
            stop.set()
            raise

    def _answer(self, run: Run, report: CleanupReport) -> None:
        self._runs = {flight: other for flight, other in self._runs.items() if other is not run}
        run.report.set(report)

    # --- what is stored and shown ---

    def _recover(self, wall: float) -> None:
        records = self._store.records()
        for name, task in self._tasks.items():
            record = records.get(name, TaskRecord(task=name))
            task.finished_at = record.finished_at
            task.last_report = record.last_report
            if record.run_id is not None and record.unfinished:
                report = self._interrupted(name, record.run_id, False, record.started_at or wall, wall)
                self._store.interrupt(report)
                task.last_report = report
            task.ground = self._prepare(task.cleaner)

    def _prepare(self, cleaner: AnyCleaner) -> Ground | str:
        path = cleaner.root_under(self._data_dir)
        recorded = self._store.root(path)
        try:
            identity = prepare_root(path, recorded, keep_out=self._data_dir)
        except Declined as refusal:
            return str(refusal)
        if identity != recorded:
            self._store.record_root(path, identity)
        return Ground(path, identity)

    def _interrupted(
        self, task: str, run_id: str, dry_run: bool, started_at: float, noticed_at: float | None = None
    ) -> CleanupReport:
        swept = Swept(outcome="interrupted", detail="the run was cut short; what it had removed is not counted")
        return _report(Flight(run_id, task, dry_run), swept, started_at, noticed_at or self._wall())

    def _describe(self) -> CleanupState:
        wall = self._wall()
        return CleanupState(tasks=[self._describe_task(task, wall) for task in self._tasks.values()])

    def _describe_task(self, task: _Task, wall: float) -> CleanupTask:
        running = self._flights.running
        due = wall + max(0.0, self._wait(task, wall))
        return CleanupTask(
            task=task.timing.task,
            enabled=task.timing.enabled,
            every_seconds=list(task.timing.every_seconds),
            next_run_at=_stamp(due) if task.timing.enabled else None,
            running=running is not None and running.task == task.timing.task,
            last_report=task.last_report,
        )

    def _show(self) -> None:
        self._state.set(self._describe())

    async def _in_store(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await trio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._store_threads)


def _report(flight: Flight, swept: Swept, started_at: float, finished_at: float) -> CleanupReport:
    return CleanupReport(
        run_id=flight.run_id,
        task=flight.task,
        dry_run=flight.dry_run,
        started_at=_stamp(started_at),
        finished_at=_stamp(finished_at),
        outcome=swept.outcome,
        detail=swept.detail,
        removed=swept.removed,
        kept=swept.kept,
        failures=swept.failures,
        freed_bytes=swept.freed_bytes,
        freed_allocated_bytes=swept.freed_allocated_bytes,
    )


def _stamp(unix_seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_seconds, dt.UTC)
