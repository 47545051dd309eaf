"""Runs the cleanup tasks: those that are due, and those that somebody asks for, one at a time.

Owns the line of runs, and what is told about them. Which task goes next is `domain.timetable`'s decision, what goes
is the cleaner's; what must survive is in the store. The work itself is a child process's, so the mailbox stays
responsive.
"""

import uuid
from collections.abc import Callable
from typing import ParamSpec, TypeVar, assert_never

import msgspec
import trio

from aura_actors.actors.cleanup.archive import Archive
from aura_actors.actors.cleanup.board import Board, Task, brief, report_of
from aura_actors.actors.cleanup.conduct import Conductor
from aura_actors.actors.cleanup.given import CleanupRule, CleanupWorld
from aura_actors.actors.cleanup.pressure import DiskPressure
from aura_actors.actors.cleanup.speed import Speed
from aura_actors.cleaners import Progress, Swept, database_files
from aura_actors.domain.flights import Errand, Flight, Flights
from aura_actors.domain.schedule import Anchor, believed, clock_jumped, pause_seconds
from aura_actors.domain.timetable import Hour, choose, waits
from aura_actors.domain.watermarks import PURGE
from aura_actors.domain.yielding import busy_with
from aura_actors.errors import Conflict, InvalidValue, NotFound, StoreUnavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.messages import cleanup as m
from aura_actors.wire.cleanup import CleanupReport, CleanupRuns, CleanupState
from aura_actors.workers import sweep_frames as f

P = ParamSpec("P")
T = TypeVar("T")

SHOW_SECONDS = 0.5
"""Between two states that differ only in how far the run is."""
NOTE_SECONDS = 5.0
"""Between two notes in the store of how far it is."""
DEATH_PAUSE_SECONDS = 60.0
"""After a run whose process was killed; doubled each time it happens again, up to the task's period."""
RECOVERY = "recovery"
"""What stands for a task in the report of settling what a kill left."""
STOPPED = "the run was stopped before it was through"


class Cleanup(Actor[m.CleanupMessage]):
    """The schedule's shell. `publish` hears of every finished run; `state` is what everybody is shown."""

    def __init__(
        self,
        rule: CleanupRule,
        around: CleanupWorld,
        *,
        archive: Archive,
        disks: DiskPressure,
        state: Latest[CleanupState],
        publish: Callable[[CleanupReport, Errand], None],
    ) -> None:
        self._rule = rule
        self._around = around
        self._archive = archive
        self._disks = disks
        self._state = state
        self._publish = publish
        self._board = Board(rule.cleaners, rule.periods, enabled=rule.enabled)
        self._flights = Flights()
        self._runs: dict[str, m.Run] = {}
        self._stops: dict[str, trio.Event] = {}
        """By run: set when it is to end."""
        self._why_stopped: dict[str, str] = {}
        self._closing = False
        self._landed = trio.Event()
        self._opened = around.clock()
        self._ran_at = float("-inf")
        self._purged_at = self._opened
        self._purge_distrust: str | None = None
        self._anchor = Anchor(around.wall(), around.clock())
        self._conductor: Conductor
        self._context: Context[m.CleanupMessage]

    # --- life ---

    async def open(self, context: Context[m.CleanupMessage]) -> None:
        """Read what is stored, note what was cut short, and make or recognise the roots."""
        self._context = context
        self._conductor = Conductor(self._rule, self._around, context.nursery)
        places = {
            name: task.cleaner.grounds_under(self._rule.data_dir)
            for name, task in self._board.items()
            if task.timing.enabled
        }
        self._disks.arrange(self._rule.marks, places)
        await self._recover()
        self._show()
        context.every(self._rule.tick_seconds, m.Tick())

    async def _recover(self) -> None:
        if await self._archive.recover(self._board):
            self._enter(Flight(uuid.uuid4().hex, RECOVERY, errand="recover", requested=False))

    async def handle(self, message: m.CleanupMessage) -> object:
        """Deal with one message."""
        match message:
            case m.Tick():
                await self._tick()
                return None
            case m.RunTask(task=task, dry_run=dry_run):
                if task not in self._board:
                    raise InvalidValue(f"there is no task {task!r}; the tasks are {', '.join(self._board)}")
                return self._request("sweep", task, dry_run=dry_run)
            case m.UndoRun(run_id=run_id):
                if self._archive.trouble is not None:
                    raise StoreUnavailable(self._archive.trouble)
                if run_id in self._runs:
                    raise Conflict(f"run {run_id} cannot be undone yet: it waits or is under way")
                self._archive.reports.check_undoable(run_id)
                return self._request("undo", run_id)
            case m.StopRun(run_id=run_id):
                return self._stop_run(run_id, STOPPED)
            case m.FindRun(run_id=run_id):
                return None if run_id in self._runs else self._archive.reports.find(run_id)
            case m.ListRuns():
                return CleanupRuns(runs=[brief(report) for report in self._archive.reports.newest_first()])
            case m.Describe():
                return self._describe()
            case _:
                assert_never(message)

    async def close(self) -> None:
        """Have the run under way end, and wait for that; the kernel bounds the wait."""
        self._closing = True
        for stop in self._stops.values():
            stop.set()
        if self._flights.running is not None:
            await self._landed.wait()
        for flight in list(self._flights):
            self._answer(flight, self._cut_short(flight, self._around.wall()))

    # --- schedule ---

    async def _tick(self) -> None:
        self._notice_clock()
        wall = self._around.wall()
        for task in self._board.values():
            stamp = believed(task.finished_at, wall)
            if stamp is not None and stamp != task.finished_at:
                task.finished_at = stamp
                await self._archive.correct_finish(task.name, stamp)
        if self._archive.trouble is not None and not any(self._flights):
            await self._recover()
        if self._rule.enabled and not any(self._flights) and self._archive.trouble is None:
            await self._start_due()
        self._show()

    async def _start_due(self) -> None:
        busy = busy_with(self._around.load(), self._rule.manners)
        step = await self._disks.step(self._around.clock()) if self._since_open >= self._start_delay else None
        if step is not None:
            self._launch_scheduled(step, urgent=True)
        elif self._purge_is_due:
            self._launch_scheduled(PURGE)
        else:
            hour = self._hour(busy=busy is not None)
            ready = [task.standing for task in self._board.values() if task.not_before <= self._around.clock()]
            due = choose(ready, hour, start_delay_seconds=self._start_delay, manners=self._rule.manners)
            if due is not None:
                self._launch_scheduled(due)
        self._board.deferred = busy

    def _launch_scheduled(self, step: str, *, urgent: bool = False) -> None:
        errand: Errand = "purge" if step == PURGE else "sweep"
        self._request(errand, step, urgent=urgent, requested=False)

    @property
    def _start_delay(self) -> float:
        return self._rule.start_delay_seconds

    @property
    def _since_open(self) -> float:
        return self._around.clock() - self._opened

    @property
    def _purge_is_due(self) -> bool:
        """As often as "hourly" is, where there is anything."""
        now = self._around.clock()
        rested = (
            now - self._purged_at >= self._rule.periods.hourly_seconds and self._since_open >= self._start_delay
        )
        return rested and bool(self._archive.reports.quarantine)

    def _hour(self, *, busy: bool) -> Hour:
        return Hour(
            wall=self._around.wall(),
            since_open_seconds=self._since_open,
            since_run_seconds=self._around.clock() - self._ran_at,
            busy=busy,
        )

    def _notice_clock(self) -> None:
        # Compared from tick to tick, so that slow drift over months does not add up to a jump.
        wall, steady = self._around.wall(), self._around.clock()
        if clock_jumped(self._anchor, wall, steady):
            moved = self._anchor.moved_seconds(wall, steady)
            sentence = f"the clock was moved by {moved:.0f} s; the next run believes it again"
            self._purge_distrust = sentence
            for task in self._board.values():
                task.distrust = sentence
            running = self._flights.running
            if running is not None and running.errand in ("sweep", "purge") and not running.dry_run:
                self._stop_run(running.run_id, f"the clock was moved by {moved:.0f} s while it ran")
        self._anchor = Anchor(wall, steady)

    # --- runs ---

    def _request(
        self, errand: Errand, task: str, *, dry_run: bool = False, urgent: bool = False, requested: bool = True
    ) -> m.Run:
        joined = self._flights.find(errand, task, dry_run=dry_run)
        if joined is not None:
            return msgspec.structs.replace(self._runs[joined.run_id], joined=True)
        return self._enter(Flight(uuid.uuid4().hex, task, dry_run, errand, urgent, requested))

    def _enter(self, flight: Flight) -> m.Run:
        self._flights.add(flight)
        run = self._runs[flight.run_id] = m.Run(flight.run_id, Latest(None))
        self._stops[flight.run_id] = trio.Event()
        self._launch()
        return run

    def _stop_run(self, run_id: str, why: str) -> m.Run:
        run = self._runs.get(run_id)
        if run is None:
            raise NotFound(f"no run {run_id} waits or is under way")
        self._why_stopped[run_id] = why
        self._stops[run_id].set()
        flight = self._flights.withdraw(run_id)
        if flight is not None:
            self._answer(flight, self._cut_short(flight, self._around.wall(), why))
        return run

    def _launch(self) -> None:
        flight = None if self._closing else self._flights.start_next()
        if flight is not None:
            self._landed = trio.Event()
            self._context.nursery.start_soon(self._fly, flight)
            self._show()

    async def _fly(self, flight: Flight) -> None:
        report = self._cut_short(flight, self._around.wall())
        try:
            report = await self._perform(flight)
        finally:
            # Also when cancelled or crashing: nobody waits for ever for a run that is over.
            self._flights.land()
            self._board.progress = None
            self._ran_at = self._around.clock()
            self._answer(flight, report)
            self._landed.set()
        if flight.errand == "sweep" or report.removed or report.restored or report.outcome != "done":
            self._publish(brief(report), flight.errand)
        self._launch()
        self._show()

    async def _perform(self, flight: Flight) -> CleanupReport:
        started_at = self._around.wall()
        task = self._board[flight.task] if flight.errand == "sweep" else None
        if task is not None and not flight.dry_run:
            await self._archive.begin(flight, started_at)
        declined = self._refuse(task, flight)
        ended = declined or await self._conductor.conduct(
            self._begin(flight), self._stops[flight.run_id], self._telling(flight)
        )
        return await self._conclude(flight, task, ended, started_at)

    def _refuse(self, task: Task | None, flight: Flight) -> f.Ended | None:
        """What is declined before any process is started."""
        detail = self._archive.trouble or self._archive.refusals.get(flight.task)
        self._notice_clock()
        if detail is None and task is not None and not flight.dry_run:
            detail, task.distrust = task.distrust or self._too_busy_for(task), None
        if flight.errand == "purge":
            self._purged_at = self._around.clock()
            detail, self._purge_distrust = self._purge_distrust, None
        if detail is None:
            return None
        swept = Swept(outcome="declined", detail=detail)
        return f.Ended(swept=swept, quarantine=dict(self._archive.reports.quarantine))

    def _too_busy_for(self, task: Task) -> str | None:
        """Whoever closes a pass holds others up while it is at it, and cannot always be stopped."""
        busy = busy_with(self._around.load(), self._rule.manners) if task.timing.last_of_pass else None
        return None if busy is None else f"not while the machine is busy: {busy}"

    def _begin(self, flight: Flight) -> f.Begin:
        return f.Begin(
            run_id=flight.run_id,
            work=self._work(flight),
            data_dir=self._rule.data_dir,
            journal=self._rule.journal,
            database=self._rule.database,
            grounds=tuple(self._archive.grounds.values()),
            quarantine_seconds=self._rule.quarantine_seconds,
            now_ns=int(self._around.wall() * 1e9) if flight.dry_run else self._around.read_now(),
            nice=self._rule.nice,
            dry_run=flight.dry_run,
            urgent=flight.urgent,
            own=database_files([task.cleaner for task in self._board.values()], self._rule.database),
        )

    def _work(self, flight: Flight) -> f.Work:
        match flight.errand:
            case "sweep":
                return f.Sweep(self._board[flight.task].cleaner)
            case "undo":
                task = self._board.get(self._archive.reports.find(flight.task).task)
                return f.Undo(flight.task, None if task is None else task.cleaner)
            case "purge":
                return f.Purge()
            case "recover":
                return f.Recover(tuple(task.cleaner for task in self._board.values()))
            case _:
                assert_never(flight.errand)

    def _telling(self, flight: Flight) -> Callable[[Progress], None]:
        speed, now = Speed(), trio.current_time()
        shown_at = noted_at = now

        def tell(progress: Progress) -> None:
            nonlocal shown_at, noted_at
            now = trio.current_time()
            if now - shown_at < SHOW_SECONDS:
                return
            shown_at = now
            self._board.progress = speed.show(flight, progress, now)
            self._show()
            if now - noted_at >= NOTE_SECONDS and flight.errand == "sweep" and not flight.dry_run:
                noted_at = now
                self._context.nursery.start_soon(self._archive.note, flight.task, self._board.progress)

        return tell

    async def _conclude(
        self, flight: Flight, task: Task | None, ended: f.Ended, started_at: float
    ) -> CleanupReport:
        swept, finished_at = ended.swept, self._around.wall()
        if swept.outcome == "interrupted" and (why := self._why_stopped.get(flight.run_id)):
            swept = msgspec.structs.replace(swept, detail=why)
        report = report_of(flight, swept, started_at, finished_at)
        if task is None:
            return await self._archive.settle(flight, report, ended, self._board)
        died = swept.outcome == "interrupted" and ended.quarantine is None
        task.deaths = task.deaths + 1 if died else 0
        if died:
            pause = pause_seconds(DEATH_PAUSE_SECONDS, task.deaths, task.timing.period_seconds)
            task.not_before = self._around.clock() + pause
        return await self._archive.conclude(flight, report, ended, self._board)

    def _answer(self, flight: Flight, report: CleanupReport) -> None:
        self._stops.pop(flight.run_id, None)
        self._why_stopped.pop(flight.run_id, None)
        run = self._runs.pop(flight.run_id, None)
        if run is not None:
            self._archive.reports.answered(flight.run_id, report)
            run.report.set(report)

    def _cut_short(self, flight: Flight, started_at: float, why: str = STOPPED) -> CleanupReport:
        return report_of(flight, Swept(outcome="interrupted", detail=why), started_at, self._around.wall())

    # --- what is shown ---

    def _describe(self) -> CleanupState:
        hour = self._hour(busy=False)
        left = waits([task.standing for task in self._board.values()], hour, self._start_delay)
        held = self._archive.reports.quarantine.values()
        totals = sum(each.items for each in held), sum(each.size_bytes for each in held)
        state = self._board.describe(left, self._flights.running, hour.wall, totals, urgent=self._disks.urgent)
        return msgspec.structs.replace(state, problems=self._problems())

    def _problems(self) -> list[str]:
        refusals = [f"{task}: {sentence}" for task, sentence in self._archive.refusals.items()]
        return [each for each in (self._around.objection, self._archive.trouble) if each is not None] + refusals

    def _show(self) -> None:
        self._state.set(self._describe())
