"""Runs children: starts them in order, restarts what its strategy says, stops them in reverse.

Owns the restart budget, the delays and the order of things; knows nothing of what a child does. It is a service
itself, so supervisors nest, and a nested one that gives up crashes towards its parent. Trio cannot kill a task:
a child that ignores its cancellation is reported in `stuck`, and the program must decide.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import trio

from aura_actors.errors import Conflict, Gone, Unavailable
from aura_actors.kernel import crash as crashes
from aura_actors.kernel.child import CANCEL_SECONDS, GRACE_SECONDS, Child
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.lifecycle import Signal, State
from aura_actors.kernel.reports import CrashReport, GaveUp, Node, StartFailed
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy


class _Ended(msgspec.Struct, frozen=True):
    child: Child
    generation: int
    crash: Exception | None


class _Retry(msgspec.Struct, frozen=True):
    """Start these again, in this order; each only if its generation is still the one noted."""

    children: tuple[tuple[Child, int], ...]


class Supervisor:
    """A service that supervises `children`. `report` hears of every crash; `chance` jitters the delays.

    `shutdown_seconds` bounds the orderly end: after it, what still runs is cancelled all at once, and has 3 s to be
    gone. `on_stuck` hears, at the end, of children that ignore even that: the nursery waits for them for ever.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: RestartIntensity | None = None,
        backoff: Backoff | None = None,
        shutdown_seconds: float = float("inf"),
        report: Callable[[CrashReport], None] = lambda _: None,
        on_stuck: Callable[[list[str]], None] = lambda _: None,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        # What did not end when it was stopped, and what is to become of it once it does.
        self._stuck: dict[Child, Signal] = {}
        self._strategy = strategy
        self._intensity = intensity or RestartIntensity()
        self._backoff = backoff or Backoff()
        self._intensity.check_reachable(self._backoff)
        self._shutdown_seconds = shutdown_seconds
        self._specs = tuple(children)
        self._report = report
        self._on_stuck = on_stuck
        self._chance = chance
        self._wall = wall
        self._nursery: trio.Nursery | None = None
        self._patience = trio.CancelScope()
        self._children: list[Child] = []
        self._begin()

    def _begin(self) -> None:
        """A first run, or one that a parent orders: the children of the specification and a whole budget."""
        self._restarts: tuple[float, ...] = ()
        before = {child.spec.name: child for child in self._children}
        self._children = []
        for spec in self._specs:
            self._enter(spec, dynamic=False).remember(before.get(spec.name))

    def _enter(self, spec: ChildSpec, *, dynamic: bool) -> Child:
        if any(child.spec.name == spec.name for child in self._children):
            raise Conflict(f"{self.name} has a child {spec.name!r} already")
        child = Child(spec, wall=self._wall, dynamic=dynamic)
        self._children.append(child)
        return child

    # --- looking ---

    @property
    def stuck(self) -> list[str]:
        """Children that were stopped, cancelled, and run all the same."""
        return [child.spec.name for child in self._stuck if not child.gone]

    def nodes(self) -> Iterator[Node]:
        """The children as they are now, in start order."""
        for child in self._children:
            yield Node(
                name=child.spec.name,
                state=child.state.value,
                generation=child.starts,
                restarts=max(0, child.starts - 1),
                last_crash=child.last_crash,
                crashed_at=child.crashed_at,
                service=child.spec.service,
            )

    def crash(self, name: str, error: Exception) -> None:
        """End a running child as if `error` had escaped from it. For tests and chaos runs."""
        child = self._find(name)
        if not child.alive:
            raise Gone(f"{self.name}'s child {name!r} is not running")
        child.inject(error)

    def _find(self, name: str) -> Child:
        for child in self._children:
            if child.spec.name == name:
                return child
        raise Gone(f"{self.name} has no child {name!r}")

    # --- children that come and go ---

    async def start_child(self, spec: ChildSpec) -> None:
        """Add a child behind the others and wait until it is ready.

        Raises `Conflict` for a name that is taken, `Unavailable` where the supervisor does not run, and
        `StartFailed`, with nothing left of the child, where it does not get ready.
        """
        if self._nursery is None:
            raise Unavailable(f"{self.name} is not running")
        child = self._enter(spec, dynamic=True)
        try:
            self._launch(child)
            await child.settled.wait()
        except trio.Cancelled:
            if child in self._children:
                await self._take_out(child)
            raise
        if child.starts == 1 and child.ready_at is None:
            self._forget(child)
            raise StartFailed(spec.name, child.last_crash or "it ended at once")
        if child.state is State.STOPPING:
            raise StartFailed(spec.name, "it was stopped while it started")

    async def stop_child(self, name: str) -> None:
        """End a child for good and forget it. Raises `Gone` where there is none of that name.

        Not interrupted by a cancellation. A child that does not end stays, `stopping`, until it does.
        """
        await self._take_out(self._find(name))

    async def restart_child(self, name: str) -> None:
        """End a running child in order and start it again, as for new settings. No budget is charged for it.

        Returns once it has ended. One that does not run is left alone: it is made anew when it is started, if ever.
        Raises `Gone` where there is none of that name. Not interrupted by a cancellation.
        """
        child = self._find(name)
        with trio.CancelScope(shield=True):
            if child.state is State.RUNNING and await self._stop(child, Signal.RETRY_LATER):
                self._start_unless_stopped(child)

    async def _take_out(self, child: Child) -> None:
        with trio.CancelScope(shield=True):
            if await self._stop(child, Signal.REST):
                self._forget(child)

    async def _stop(self, child: Child, then: Signal) -> bool:
        if await child.stop(then):
            return True
        if self._stuck.get(child) is not Signal.REST:  # whoever wants it gone for good has the last word
            self._stuck[child] = then
        return False

    def _start_unless_stopped(self, child: Child) -> None:
        """Its end was a restart's: it begins again, unless it was stopped for good in the meantime."""
        if child.state is State.BACKOFF:
            self._events_in.send_nowait(_Retry(((child, child.generation),)))

    def _forget(self, child: Child) -> None:
        if child in self._children:
            self._children.remove(child)

    # --- running ---

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """Start every child, supervise until `stopping`, stop in reverse.

        Raises `StartFailed` for a failed first start and `GaveUp` once the budget is used up.
        """
        failure: StartFailed | GaveUp | None = None
        if any(child.state is not State.WAITING for child in self._children) or not self._children:
            self._begin()
        self._patience = trio.CancelScope()
        # Bounded by the children: each has at most one end and one retry under way.
        self._events_in, events = trio.open_memory_channel[_Ended | _Retry](float("inf"))
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                # Also while a child starts or is being restarted: the order to stop interrupts that.
                with trio.CancelScope() as until_stopped:
                    nursery.start_soon(_cancel_when, stopping, until_stopped)
                    await self._start_all()
                    task_status.started()
                    async for event in events:
                        await self._on_event(event)
            except (StartFailed, GaveUp) as error:
                failure = error
            finally:
                self._nursery = None
                with trio.CancelScope(shield=True):
                    await self._stop_all()
                    self._report_unread(events)
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _start_all(self) -> None:
        for child in list(self._children):
            self._launch(child)
            await child.settled.wait()
            if child.ready_at is None:
                raise StartFailed(child.spec.name, child.last_crash or "it ended at once")

    def _launch(self, child: Child) -> None:
        assert self._nursery is not None
        child.launch(self._nursery, f"{self.name}/{child.spec.name}", self._on_child_ended)

    def _on_child_ended(self, child: Child, generation: int, crash: Exception | None) -> None:
        if child.state is State.STOPPING or self._nursery is None:
            self._tell(child, crash, None)
            self._end_late(child)
        else:
            self._events_in.send_nowait(_Ended(child, generation, crash))

    async def _on_event(self, event: _Ended | _Retry) -> None:
        if isinstance(event, _Retry):
            await self._start_again(event)
        elif event.generation == event.child.generation and event.child in self._children:
            await self._on_end(event.child, event.crash)
        else:  # it ended while it was being stopped for a sibling's sake: reported, and charged to nobody
            self._tell(event.child, event.crash, None)

    async def _on_end(self, child: Child, crash: Exception | None) -> None:
        if _in_first_start(child) or not child.spec.restart.wanted_after(crashed=crash is not None):
            child.signal(Signal.REST)
            self._tell(child, crash, None)
            if child.dynamic or child.spec.restart is Restart.TEMPORARY:
                self._forget(child)
            return
        delay = self._charge(child, crash)
        position = self._children.index(child)
        affected = [self._children[n] for n in self._strategy.affected(position, len(self._children))]
        child.signal(Signal.RETRY_LATER)
        self._tell(child, crash, delay)
        group = await self._suspend(affected)
        retry = _Retry(tuple((c, c.generation) for c in group))
        if delay <= 0:
            self._events_in.send_nowait(retry)
        elif self._nursery is not None:
            self._nursery.start_soon(self._retry_later, delay, retry)

    def _charge(self, child: Child, crash: Exception | None) -> float:
        """Take one restart out of the budget; the delay before it. Raises `GaveUp` when none is left."""
        now = trio.current_time()
        if child.ready_at is not None and now - child.ready_at >= self._backoff.healthy_seconds:
            child.attempt = 0
        delay = self._backoff.delay(child.attempt, self._chance())
        child.attempt += 1
        self._restarts = self._intensity.record(self._restarts, now)
        if not self._intensity.allows(self._restarts):
            child.signal(Signal.REST)
            self._tell(child, crash, None)
            raise GaveUp(self.name, child.spec.name, child.last_crash or "it keeps ending") from crash
        return delay

    async def _suspend(self, affected: Sequence[Child]) -> list[Child]:
        """Stop those that run, newest first; who is to be started again, oldest first.

        What had ended for good stays ended, and a temporary child does not survive its siblings' restart.
        """
        for child in reversed(affected):
            if child.state in (State.STARTING, State.RUNNING):
                for_good = child.spec.restart is Restart.TEMPORARY or _in_first_start(child)
                if await self._stop(child, Signal.REST if for_good else Signal.RETRY_LATER) and for_good:
                    self._forget(child)
            elif child.state is State.BACKOFF:
                child.generation += 1  # a restart of its own is void: it comes back with the others, in order
        return [child for child in affected if child.state is State.BACKOFF]

    async def _retry_later(self, seconds: float, retry: _Retry) -> None:
        await trio.sleep(seconds)
        self._events_in.send_nowait(retry)

    async def _start_again(self, retry: _Retry) -> None:
        for child, generation in retry.children:
            if child.generation != generation:
                continue
            self._launch(child)
            if len(retry.children) > 1:
                await child.settled.wait()
                if self._tried_again(child):
                    return  # and those behind it with it

    def _tried_again(self, child: Child) -> bool:
        """Whether the end of a child that did not get ready is on its way as an event, and a restart behind it."""
        ended = child.ready_at is None and child.state is State.STARTING
        return ended and child.spec.restart.wanted_after(crashed=child.crashed)

    def _end_late(self, child: Child) -> None:
        """A child that was called stuck is gone after all."""
        then = self._stuck.pop(child, None)
        if then is None or self._nursery is None:
            return
        child.finish(then)
        if then is Signal.REST:
            self._forget(child)
        else:
            self._start_unless_stopped(child)

    def _tell(self, child: Child, crash: Exception | None, retry_seconds: float | None) -> None:
        if crash is not None:
            self._report(
                CrashReport(
                    child=child.spec.name,
                    generation=child.starts,
                    error=crashes.describe(crash),
                    exception=crashes.cause(crash),
                    retry_seconds=retry_seconds,
                )
            )

    # --- stopping ---

    def hurry(self) -> None:
        """There is no time for an orderly end any more."""
        self._patience.cancel()

    async def _stop_all(self) -> None:
        left = [*reversed(self._children)]
        self._patience.deadline = trio.current_time() + self._shutdown_seconds
        with self._patience:
            while left:
                await self._stop(left[0], Signal.REST)
                left.pop(0)
        for child in left:
            child.cut()
        with trio.move_on_after(GRACE_SECONDS + CANCEL_SECONDS):
            for child in left:
                if child.state is State.STOPPING:
                    await child.wait_gone()
        for child in left:
            if child.gone:
                child.finish(Signal.REST)
            elif child.state is State.STOPPING:
                self._stuck[child] = Signal.REST
        if self.stuck:
            self._on_stuck(self.stuck)

    def _report_unread(self, events: trio.MemoryReceiveChannel[_Ended | _Retry]) -> None:
        """What ended while this supervisor gave up or was stopped is reported all the same."""
        while True:
            try:
                event = events.receive_nowait()
            except trio.WouldBlock:
                return
            if isinstance(event, _Ended):
                self._tell(event.child, event.crash, None)


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _in_first_start(child: Child) -> bool:
    """Whether whoever added the child still waits for it to get ready: if it does not, it is not started again."""
    return child.dynamic and child.starts == 1 and child.ready_at is None
